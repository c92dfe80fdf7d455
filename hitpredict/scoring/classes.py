"""Probabilities of classes that mean what they say. NumPy only."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hitpredict.files.arrays import Floats

_SMALLEST = 1e-6
_STEPS = 50
_CLOSE = 1e-9


@dataclass(frozen=True)
class ClassOutput:
    """The classes that a model tells apart, lowest first, and how its probabilities are calibrated.

    names: (K,). edges: (K - 1,), where one class ends and the next begins, on the target scale. slope, biases: (K,):
    calibrated probabilities are in the ratio of exp(slope · log p + bias), p being the model's own; 1 and zeros leave
    them.
    """

    names: tuple[str, ...]
    edges: tuple[float, ...]
    slope: float
    biases: tuple[float, ...]
    method: str = "bias-corrected temperature scaling"

    @classmethod
    def fit(
        cls, probabilities: ArrayLike, truth: ArrayLike, names: Sequence[str], edges: Sequence[float]
    ) -> "ClassOutput":
        """Calibrate on probabilities (N, K) of songs that the model did not learn from, whose classes are `truth` (N,).

        Bias-corrected temperature scaling (Alexandari, Kundaje & Shrikumar 2020, arXiv:1901.06852): temperature scaling
        (Guo et al. 2017, arXiv:1706.04599) and a bias for each class, which a loss that weighs classes needs. By
        maximum likelihood, held to the model's own probabilities with the weight of one song.
        """
        logs = np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST))
        wanted = np.eye(len(names))[np.asarray(truth, np.int64)]
        # The slope first, a bias for each class after it.
        jacobian = np.concatenate([logs[:, :, None], np.broadcast_to(np.eye(len(names)), (*logs.shape, len(names)))], 2)
        start = np.array([1.0, *np.zeros(len(names))])
        found = _likeliest(jacobian, wanted, start)
        if found[0] < 0:
            # What the model says is worse than nothing: the shares of the classes remain.
            found = np.array([0.0, *_likeliest(jacobian[:, :, 1:], wanted, start[1:])])
        slope, *biases = (round(float(value), 6) for value in found)
        return cls(tuple(names), tuple(edges), slope, tuple(biases))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ClassOutput":
        """What `to_json` wrote."""
        return cls(**{**data} | {key: tuple(data[key]) for key in ("names", "edges", "biases")})

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the model file."""
        return asdict(self)

    def calibrated(self, probabilities: ArrayLike) -> Floats:
        """Calibrated probabilities for the model's own, (…, K)."""
        logs = np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST))
        return _softmax(self.slope * logs + np.array(self.biases))

    def described(self, probabilities: Floats) -> dict[str, Any]:
        """One song's probabilities (K,) as records print them: by name `from`, `below` and `probability`."""
        ends = [None, *(round(edge, 4) for edge in self.edges), None]
        found = self.calibrated(probabilities)
        return {
            name: {
                **({"from": low} if low is not None else {}),
                **({"below": high} if high is not None else {}),
                "probability": round(float(share), 4),
            }
            for name, low, high, share in zip(self.names, ends[:-1], ends[1:], found, strict=True)
        }


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _likeliest(jacobian: Floats, wanted: Floats, start: Floats) -> Floats:
    """The parameters (P,) that make classes `wanted` (N, K) likeliest, of logits jacobian (N, K, P) · parameters.

    Newton's method with halved steps, on a convex function; a penalty holds them to `start` with the weight of a song.
    """
    found = start.copy()

    def cost(parameters: Floats) -> float:
        shares = _softmax(jacobian @ parameters)
        return float(
            -np.log(np.maximum((shares * wanted).sum(axis=1), 1e-300)).sum() + np.square(parameters - start).sum() / 2
        )

    for _ in range(_STEPS):
        shares = _softmax(jacobian @ found)
        gradient = np.einsum("nk,nkp->p", shares - wanted, jacobian) + found - start
        mean = np.einsum("nk,nkp->np", shares, jacobian)
        hessian = np.einsum("nk,nkp,nkq->pq", shares, jacobian, jacobian) - mean.T @ mean + np.eye(len(found))
        step: NDArray[np.float64] = np.linalg.solve(hessian, gradient)
        before = cost(found)
        while cost(found - step) > before and np.abs(step).max() > _CLOSE:
            step = step / 2
        found = found - step
        if np.abs(step).max() <= _CLOSE:
            break
    return found
