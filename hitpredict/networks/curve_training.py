"""Training `CurveNet` on a table of stream curves, and its comparison with the baselines on songs it never saw."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitpredict.errors import InputError
from hitpredict.networks.curve_baselines import (
    Comparison,
    compare,
    decay_rate,
    exponential_decay,
    mean_change,
    mean_curve,
    persistence,
)
from hitpredict.networks.curves import CurveNet
from hitpredict.splits import group_folds

_FOLDS = 5
_COLUMNS = ("region", "track_id", "curve", "available_weeks", "censored_left")


@dataclass(frozen=True)
class CurveTable:
    """Stream curves: region index and song of each row, (N,), and log10 weekly streams (N, weeks).

    In a curve 0 is a week off the charts and NaN a week after the data end. names: of the regions.
    """

    names: tuple[str, ...]
    region: NDArray[np.int64]
    song: NDArray[np.str_]
    curve: NDArray[np.float32]

    def take(self, rows: NDArray[Any]) -> "CurveTable":
        """These rows only."""
        return CurveTable(self.names, self.region[rows], self.song[rows], self.curve[rows])


def read_curves(path: str | Path, known: int = 4) -> CurveTable:
    """The rows of a `curves.parquet` (of `hitpredict fetch charts`) from which the first `known` weeks foretell.

    Those whose start is seen, which were on the charts in each of these weeks, and whose data reach further. Raises
    `InputError` when it is not such a table or no row is left.
    """
    try:
        table = pyarrow.parquet.read_table(path, columns=list(_COLUMNS))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: not a curves.parquet of `hitpredict fetch charts`: {error}") from error
    available = table["available_weeks"].to_numpy()
    curve = np.stack(table["curve"].to_numpy(zero_copy_only=False)).astype(np.float32) if len(table) else None
    if curve is None or not len(curve):
        raise InputError(f"{path}: holds no curves")
    curve[np.arange(curve.shape[1]) >= available[:, None]] = np.nan
    started = ~table["censored_left"].to_numpy(zero_copy_only=False).astype(bool)
    kept = started & (curve[:, :known] > 0).all(axis=1) & (available > known)
    if not kept.any():
        raise InputError(f"{path}: no song is on the charts for {known} weeks from a start that is seen")
    names, region = np.unique(table["region"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    song = table["track_id"].to_numpy(zero_copy_only=False).astype(str)
    return CurveTable(tuple(names.tolist()), region.astype(np.int64), song, curve).take(kept)


def split(table: CurveTable, seed: int = 0) -> tuple[CurveTable, CurveTable, CurveTable]:
    """Three fifths for training, one for validation, one held out; a song is in one of them with all its regions."""
    fold = group_folds(table.song, _FOLDS, seed)
    return table.take(fold > 1), table.take(fold == 1), table.take(fold == 0)


def train_curves(
    train: CurveTable,
    validation: CurveTable,
    known: int = 4,
    epochs: int = 30,
    patience: int = 5,
    batch: int = 256,
    lr: float = 3e-3,
    seed: int = 0,
    **options: Any,
) -> CurveNet:
    """A `CurveNet` (with `options`) after Adam, at its epoch with the lowest free-running validation loss.

    lr falls to 0 over the epochs (cosine). It ends after `patience` epochs without a lower loss. Deterministic on a
    CPU by `seed`.
    """
    torch.manual_seed(seed)
    weeks = train.curve.shape[1] - known
    network = CurveNet([(1,), (known,)], weeks, regions=len(train.names), **options)
    optimiser = torch.optim.Adam(network.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    best, waited, kept = np.inf, 0, network.state_dict()
    for _ in range(epochs):
        network.train()
        for inputs, targets in _batches(train, known, batch, torch.randperm(len(train.song))):
            optimiser.zero_grad()
            network.training_loss(inputs, targets, _unused).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
        network.eval()
        loss = _loss(network, validation, known)
        best, waited, kept = (loss, 0, _copy(network)) if loss < best else (best, waited + 1, kept)
        if waited >= patience:
            break
    network.load_state_dict(kept)
    return network.eval()


def forecast(network: CurveNet, table: CurveTable, known: int = 4, batch: int = 1024) -> NDArray[np.float32]:
    """The network's free-running forecast of each row, (N, weeks - known), log10 of weekly streams."""
    rows = torch.arange(len(table.song))
    with torch.no_grad():
        parts = [network(*inputs).numpy() for inputs, _ in _batches(table, known, batch, rows)]
    return np.concatenate(parts)


def evaluate_curves(
    networks: Mapping[str, CurveNet], train: CurveTable, test: CurveTable, known: int = 4, charted: bool = True
) -> list[Comparison]:
    """Networks beside the baselines of `curve_baselines` on the same held-out songs; see `compare`."""
    first, rest = train.curve[:, :known], train.curve[:, known:]
    weeks = rest.shape[1]
    start = test.curve[:, :known]
    forecasts: dict[str, Any] = {
        "persistence": persistence(start, weeks),
        "mean curve": mean_curve(rest, train.region, test.region, charted),
        "mean change": mean_change(first, rest, start),
        "exponential decay": exponential_decay(start, weeks, decay_rate(first, rest)),
        "exponential decay, own rate": exponential_decay(start, weeks),
    }
    forecasts |= {name: forecast(network, test, known) for name, network in networks.items()}
    return compare(forecasts, test.curve[:, known:], test.song, charted=charted)


def _batches(table: CurveTable, known: int, size: int, order: Tensor) -> Iterator[tuple[tuple[Tensor, Tensor], Tensor]]:
    region, curve = torch.as_tensor(table.region)[:, None].float(), torch.as_tensor(table.curve)
    for rows in torch.split(order, size):
        yield (region[rows], curve[rows, :known]), curve[rows, known:]


def _loss(network: CurveNet, table: CurveTable, known: int) -> float:
    rows = torch.arange(len(table.song))
    with torch.no_grad():
        each = [network.error(network(*inputs), targets) for inputs, targets in _batches(table, known, 1024, rows)]
    return float(torch.cat(each).mean())


def _copy(network: CurveNet) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in network.state_dict().items()}


def _unused(outputs: Tensor, targets: Tensor) -> Tensor:
    raise AssertionError("curves have their own loss")
