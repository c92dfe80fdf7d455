"""Batches of tracks for networks: arrays cut, augmented and padded, in an order that any epoch can be begun anew in."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from hitpredict.frontends import maker_of
from hitpredict.scoring.windows import placed, window_at
from hitpredict.tables.join import TrainingData
from hitpredict.training.augment import from_config


class Tracks(Dataset[Any]):
    """Tracks as tensors, a batch at a time; arrays are cut to windows, at random where `random` is set and the windows
    have no place of their own, and augmented there; of a track's clips and variants one is drawn there, else the first
    clip is taken."""

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
        columns = self._drawn(chosen) if self._random else [rows[chosen] for rows in self._data.rows]
        inputs = tuple(self._batch(number, chosen, rows) for number, rows in enumerate(columns))
        return inputs, torch.as_tensor(self._targets[places])

    def _drawn(self, chosen: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Rows of each input, of tracks with several clips or variants those of one of them, another in each epoch."""
        if self._data.clips is None:
            return [rows[chosen] for rows in self._data.rows]
        # Apart from the draws of windows, which are then the same as without clips.
        draws = (np.random.default_rng([self._seed, self.epoch, int(track), 1]) for track in chosen)
        drawn = [self._data.drawn(int(track), random) for track, random in zip(chosen, draws, strict=True)]
        return list(np.array(drawn, np.intp).T)

    def _batch(self, number: int, chosen: NDArray[np.intp], rows: NDArray[np.intp]) -> Tensor:
        features = self._data.inputs[number]
        if features.is_vector:
            return torch.as_tensor(features.values[rows])
        arrays = [self._array(features, number, track, row) for track, row in zip(chosen, rows, strict=True)]
        return torch.as_tensor(np.stack(arrays))

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


def shuffled(tracks: Tracks, size: int, seed: int) -> Any:
    """Batches of about `size` tracks, in an order of their own in each epoch."""
    return _loader(tracks, batch_sampler=_Shuffled(tracks, size, seed))


def in_order(tracks: Tracks, size: int) -> Any:
    """Batches of `size` tracks, as they come."""
    return _loader(tracks, batch_size=size)


def _loader(tracks: Tracks, **order: Any) -> Any:
    # Loaders draw a number at each start; from generators of their own, so that dropout's draws stay in step.
    return DataLoader(tracks, collate_fn=_as_is, generator=torch.Generator(), **order)


def _as_is(batch: Any) -> Any:
    return batch
