"""Fitting networks: Lightning runs the loop, and a run that was killed ends with the weights it would have had."""

import logging
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.plugins import TorchCheckpointIO
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.utils.data import DataLoader, Dataset, Sampler

from hitpredict.errors import CheckpointError, EnvironmentProblem, TrainingError, UsageError
from hitpredict.files.owned import atomic
from hitpredict.frontends import maker_of
from hitpredict.networks.model import NetworkModel
from hitpredict.recipes.recipe import Optimizer, Recipe, Training
from hitpredict.scoring.windows import placed, window_at
from hitpredict.tables.join import TrainingData
from hitpredict.training.augment import from_config

# Lightning's remarks on hardware and its tips; errors and our own progress remain.
for _name in ("lightning.pytorch", "lightning.fabric", "torch.multiprocessing"):
    logging.getLogger(_name).setLevel(logging.ERROR)

OPTIMIZERS: dict[Optimizer, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "sgd": torch.optim.SGD,
}


# What training may stop by and choose weights by besides the loss: of outputs and what was to be learnt, by batch.
METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mae": lambda outputs, targets: (outputs - targets.reshape(outputs.shape)).abs().mean(),
    "accuracy": lambda outputs, targets: (outputs.argmax(dim=1) == targets).float().mean(),
}
Loss = Callable[[tuple[Tensor, ...], Tensor], Tensor]


@dataclass(frozen=True)
class Options:
    """How to run. folder: where checkpoints and `training.csv` go. accelerator, devices, precision: Lightning's."""

    folder: Path
    seed: int = 0
    resume: bool = False
    accelerator: str = "cpu"
    devices: int = 1
    precision: str = "32-true"
    progress: bool = False


class Tracks(Dataset[Any]):
    """Tracks as tensors, a batch at a time; arrays are cut to windows, at random where `random` is set and the windows
    have no place of their own, and augmented there."""

    def __init__(
        self,
        data: TrainingData,
        rows: NDArray[np.intp],
        targets: NDArray[np.float32],
        windows: Sequence[Mapping[str, Any] | None],
        seed: int,
        augment: Sequence[Mapping[str, Any]] = (),
        random: bool = False,
    ):
        self._data, self._rows, self._targets, self._windows = data, rows, targets, windows
        self._seed, self._random = seed, random
        self._augment = from_config(list(augment)).on(maker_of(data.inputs[0].kind)) if augment else None
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitems__(self, places: list[int]) -> tuple[tuple[Tensor, ...], Tensor]:
        chosen = self._rows[places]
        inputs = tuple(self._batch(number, chosen) for number in range(len(self._data.inputs)))
        return inputs, torch.as_tensor(self._targets[places])

    def _batch(self, number: int, chosen: NDArray[np.intp]) -> Tensor:
        features, rows = self._data.inputs[number], self._data.rows[number]
        if features.is_vector:
            return torch.as_tensor(features.values[rows[chosen]])
        return torch.as_tensor(np.stack([self._array(features, number, row, rows[row]) for row in chosen]))

    def _array(self, features: Any, number: int, track: int, row: int) -> NDArray[np.float32]:
        spec = self._windows[number]
        random = np.random.default_rng([self._seed, self.epoch, int(track)])
        array = np.asarray(placed(np.asarray(features.values[row]), spec))
        if spec is not None:
            longer = self._random and len(array) > spec["length"]
            start = int(random.integers(len(array) - spec["length"] + 1)) if longer else 0
            array = array[start : start + spec["length"]]
        array = np.asarray(array, np.float32)
        if self._random and self._augment is not None and number == 0:
            array = self._augment(array, random)
        # Padding is no sound: it comes after what is done to the sound.
        return window_at(array, spec, 0) if spec is not None else array


class _Shuffled(Sampler[list[int]]):
    """Batches in an order that depends on the seed and the epoch alone, so that any epoch can be begun anew."""

    def __init__(self, tracks: Tracks, size: int, seed: int):
        self._tracks, self._size, self._seed = tracks, size, seed

    def __len__(self) -> int:
        return math.ceil(len(self._tracks) / self._size)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng([self._seed, self._tracks.epoch]).permutation(len(self._tracks))
        first, step = _rank()
        yield from ([int(place) for place in part[first::step]] for part in np.array_split(order, len(self)))


def _rank() -> tuple[int, int]:
    """Number of this process among those that train together, and how many they are."""
    if not torch.distributed.is_initialized():
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


class _Fit(lightning.LightningModule):
    """One fit: a loss over some parameters, an optimiser, and the numbers of `training.csv`."""

    def __init__(
        self,
        model: nn.Module,
        parameters: Iterable[nn.Parameter],
        loss: Loss,
        metrics: Mapping[str, Loss],
        spec: Training,
        seed: int,
        tracks: Tracks,
        log: Path,
        refresh: Callable[[], None] | None = None,
    ):
        super().__init__()
        self.model, self._fitted, self._loss, self._metrics = model, list(parameters), loss, metrics
        self._spec, self._seed, self._tracks, self._log = spec, seed, tracks, log
        self._sums: list[Tensor] = []
        self._refresh = refresh
        self.begun = False

    def on_validation_epoch_start(self) -> None:
        # Networks that answer by comparing with training songs need them at hand to be judged.
        if self._refresh is not None:
            self._refresh()

    def on_train_start(self) -> None:
        self.begun = True
        # A resumed run may ask for its first batch before it says which epoch begins.
        self._tracks.epoch = self.current_epoch

    def on_train_epoch_start(self) -> None:
        # Dropout and shuffling follow the epoch's number, not what happened before it.
        torch.manual_seed(self._seed * 1_000_003 + self.current_epoch)
        self._tracks.epoch = self.current_epoch
        self._sums = []

    def training_step(self, batch: tuple[tuple[Tensor, ...], Tensor], number: int) -> Tensor:
        loss = self._loss(*batch)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss became {float(loss)} in epoch {self.current_epoch + 1}, batch {number + 1}; lower "
                "training.learning_rate or look for extreme values in the features"
            )
        self._sums.append(loss.detach())
        return loss

    def validation_step(self, batch: tuple[tuple[Tensor, ...], Tensor], number: int) -> None:
        for name, measure in {"loss": self._loss, **self._metrics}.items():
            self.log(f"validation_{name}", measure(*batch), batch_size=len(batch[1]))

    def on_train_epoch_end(self) -> None:
        if not self.trainer.is_global_zero:
            return
        train = float(torch.stack(self._sums).mean())
        validation = float(self.trainer.callback_metrics.get("validation_loss", torch.tensor(float("nan"))))
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        kept = _rows_until(self._log, self.current_epoch)
        row = f"{self.current_epoch + 1},{train:.6g},{validation:.6g},{rate:.6g}"
        text = "\n".join(["epoch,training_loss,validation_loss,learning_rate", *kept, row]) + "\n"
        with atomic(self._log) as file:
            file.write(text.encode())

    def configure_optimizers(self) -> Any:
        spec, name = self._spec, self._spec.optimizer or "adam"
        given = {"weight_decay": spec.weight_decay, "betas": spec.betas}
        arguments = {key: value for key, value in given.items() if value is not None}
        try:
            optimizer = OPTIMIZERS[name](self._fitted, lr=spec.learning_rate, **arguments)
        except (TypeError, ValueError) as error:
            raise UsageError(f"training.optimizer {name}: {error}") from error
        if spec.schedule == "plateau":
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=spec.factor or 0.9, patience=0, threshold=0
            )
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "validation_loss"}}
        if spec.schedule == "cosine":
            return {"optimizer": optimizer, "lr_scheduler": _cosine(optimizer, spec)}
        return optimizer


class _Patience(EarlyStopping):
    """A fit that has been stopped stays stopped when it is taken up; Lightning would run another epoch."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class _Checkpoints(TorchCheckpointIO):
    """Checkpoints that appear whole; Lightning's come by the folder of temporary files, where kills leave them."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        with atomic(path) as file:
            torch.save(checkpoint, file)


def _rows_until(log: Path, epoch: int) -> list[str]:
    """What an earlier run has written of its first epochs; lines that are no such rows are left out."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [line for line in lines[1:] if (row := re.match(r"(\d{1,9}),", line)) and int(row[1]) <= epoch]


def _cosine(optimizer: torch.optim.Optimizer, spec: Training) -> Any:
    """Linear warm-up, then half a cosine down to 1 %."""
    warm, epochs = spec.warmup_epochs or 0, spec.epochs

    def factor(epoch: int) -> float:
        if epoch < warm:
            return float((epoch + 1) / (warm + 1))
        return float(0.01 + 0.495 * (1 + math.cos(math.pi * (epoch - warm) / max(1, epochs - warm))))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def fit(
    model: NetworkModel,
    data: TrainingData,
    parts: Mapping[str, NDArray[np.intp]],
    targets: NDArray[np.float32],
    recipe: Recipe,
    loss: Callable[[Tensor, Tensor], Tensor],
    windows: Sequence[Mapping[str, Any] | None],
    options: Options,
) -> None:
    """Fit the model's network in place: its stages of pre-training first, then the main training.

    parts: row numbers of `train` and `validation`. targets: (N,) or (N, K), what the network learns, for every
    row of `data`. loss: the recipe's, as `losses.make_loss` gives it.
    Raises `TrainingError` when the loss is not finite any more.
    """
    network: Any = model.network
    training = recipe.training
    assert training is not None
    everything = Tracks(data, np.arange(len(data)), targets, windows, options.seed, recipe.augment, True)
    train = Tracks(data, parts["train"], targets[parts["train"]], windows, options.seed, recipe.augment, True)
    validation = Tracks(data, parts["validation"], targets[parts["validation"]], windows, options.seed)
    for number, stage in enumerate(network.stages() if hasattr(network, "stages") else []):
        spec = Training(stage.epochs, stage.batch_size or training.batch_size, stage.lr, patience=stage.patience)

        def stage_loss(inputs: tuple[Tensor, ...], target: Tensor, stage: Any = stage) -> Tensor:
            return stage.loss(model.prepared(*inputs), target).mean()  # type: ignore[no-any-return]

        folder = options.folder / f"{number}-{stage.name}"
        pretrained_on = everything if recipe.scaling.leak else train
        _run(model, list(stage.parameters()), stage_loss, spec, pretrained_on, validation, options, folder)
        if stage.freeze:
            for parameter in stage.parameters():
                parameter.requires_grad_(False)

    def main_loss(inputs: tuple[Tensor, ...], target: Tensor) -> Tensor:
        prepared = model.prepared(*inputs)
        if hasattr(network, "training_loss"):
            return network.training_loss(prepared, target, loss)  # type: ignore[no-any-return]
        return loss(network(*prepared), target).mean()

    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    refresh = partial(_refresh, model, train, targets[parts["train"]]) if hasattr(network, "finish_training") else None
    folder = options.folder / "main"
    named = {training.monitor, training.checkpoint} - {"loss", None}
    metrics = {name: partial(_measured, model, METRICS[name]) for name in sorted(filter(None, named))}
    _run(model, trainable, main_loss, training, train, validation, options, folder, refresh, metrics)
    if refresh is not None:
        refresh()


def _measured(
    model: NetworkModel, metric: Callable[[Tensor, Tensor], Tensor], inputs: tuple[Tensor, ...], target: Tensor
) -> Tensor:
    return metric(model.network(*model.prepared(*inputs)), target)


def _refresh(model: NetworkModel, train: Tracks, targets: NDArray[np.float32]) -> None:
    """Show the network all training songs, as it asks for."""
    network: Any = model.network
    with torch.no_grad():
        inputs, _ = train.__getitems__(list(range(len(train))))
        network.finish_training(model.prepared(*inputs), torch.as_tensor(targets))


def _run(
    model: NetworkModel,
    parameters: list[nn.Parameter],
    loss: Loss,
    spec: Training,
    train: Tracks,
    validation: Tracks,
    options: Options,
    folder: Path,
    refresh: Callable[[], None] | None = None,
    metrics: Mapping[str, Loss] | None = None,
) -> None:
    """One fit; the model is left with its best weights on the validation tracks.

    spec: as a recipe's `[training]`. `patience` ends it after so many epochs without a better `monitor`, `checkpoint`
    says whose best weights are kept: `loss` where they name none, or one of `metrics`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    module = _Fit(model, parameters, loss, metrics or {}, spec, options.seed, train, folder / "training.csv", refresh)
    saved = partial(
        ModelCheckpoint,
        folder,
        enable_version_counter=False,
        # A checkpoint from within an epoch would be resumed in the middle of it.
        save_on_train_epoch_end=True,
    )
    # Of every epoch, and after the best: what the last one says of the best is true then. Lightning's own `save_last`
    # leaves out the epochs that were not the best.
    callbacks: list[Any] = [saved("best", **_watched(spec.checkpoint)), saved("last")]
    if spec.patience:
        callbacks.append(_Patience(**_watched(spec.monitor), patience=spec.patience, check_finite=False))
    if options.progress:
        callbacks.append(RichProgressBar(console_kwargs={"stderr": True}))
    last = folder / "last.ckpt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = _trainer(
            max_epochs=spec.epochs,
            callbacks=callbacks,
            plugins=[_Checkpoints()],
            accelerator=options.accelerator,
            devices=options.devices,
            # Processes of their own for each device, that take their shares of each batch.
            strategy="ddp_fork_find_unused_parameters_true" if options.devices > 1 else "auto",
            use_distributed_sampler=False,
            precision=options.precision,
            gradient_clip_val=spec.gradient_clip,
            deterministic="warn",
            logger=False,
            num_sanity_val_steps=0,
            enable_progress_bar=options.progress,
            enable_model_summary=False,
        )
        size = spec.batch_size
        # Loaders draw a number at each start; from generators of their own, so that dropout's draws stay in step.
        own = {"collate_fn": _as_is, "generator": torch.Generator()}
        batches = DataLoader(train, batch_sampler=_Shuffled(train, size, options.seed), **own)  # type: ignore[arg-type]
        held_out = DataLoader(validation, batch_size=size, **own)  # type: ignore[arg-type]
        start = last if options.resume and last.exists() else None
        try:
            trainer.fit(module, batches, held_out, ckpt_path=start, weights_only=True)
        except SystemExit as end:
            # Lightning's answer to Ctrl-C.
            if isinstance(end.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from end
            raise
        except ProcessRaisedException as error:
            # What a process of several raised arrives as text, the error itself in its last line.
            raise TrainingError(str(error).strip().splitlines()[-1].partition("Error: ")[2] or str(error)) from error
        except Exception as error:
            # What reading a damaged checkpoint ends in has no common class; once an epoch begins, it was taken up.
            if start is None or module.begun:
                raise
            raise _damaged(start) from error
    # Not by the path that a checkpoint names, which may lead anywhere.
    kept = folder / "best.ckpt"
    kept = kept if kept.exists() else last
    try:
        module.load_state_dict(torch.load(kept, map_location="cpu", weights_only=True)["state_dict"])
    except Exception as error:
        raise _damaged(kept) from error
    model.eval()


def _damaged(checkpoint: Path) -> CheckpointError:
    return CheckpointError(f"{checkpoint}: not a checkpoint of this training; begin anew, without resuming")


def _watched(name: str | None) -> dict[str, Any]:
    return {"monitor": f"validation_{name or 'loss'}", "mode": "max" if name == "accuracy" else "min"}


def _trainer(**arguments: Any) -> lightning.Trainer:
    """Lightning's trainer. Raises `EnvironmentProblem` where there is no such device, `UsageError` for a precision."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        return lightning.Trainer(**arguments)
    except MisconfigurationException as error:
        device = arguments["accelerator"].replace("gpu", "cuda")
        raise EnvironmentProblem(f"`device` {device}: {str(error).splitlines()[0]}") from error
    except ValueError as error:
        raise UsageError(f"`precision` {arguments['precision']}: {str(error).splitlines()[0]}") from error


def _as_is(batch: Any) -> Any:
    return batch
