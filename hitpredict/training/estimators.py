"""Models that are not networks: baselines, linear models, trees and support vectors, with scikit-learn, exported by
skl2onnx."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import TrainingError, UsageError
from hitpredict.files.arrays import Floats
from hitpredict.registry import lookup, made

_LEAST_DEVIATION = 1e-6
Values = NDArray[Any]


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator as an ONNX graph: input `features` float32 (N, D), outputs as `Network` models have.

    onnx: the serialized graph, without metadata; outputs `score` (N,) and, for classes, `probabilities` (N, K).
    notes: what there is to say about it, such as coefficients, for the model card and `config.json`.
    """

    onnx: bytes
    notes: dict[str, Any]


def fit(
    spec: Mapping[str, Any],
    features: NDArray[np.float32],
    values: NDArray[Any],
    classes: int,
    names: list[str],
    seed: int,
) -> Fitted:
    """Fit the estimator of a recipe on the training rows.

    spec: `name` and its parameters. values: on the target scale (N,), class numbers for a classifier. classes: their
    number, 0 for regression. names: the features'. Raises `UsageError` for an unknown estimator or parameter, and
    values it cannot have.
    """
    name = spec["name"]
    maker = lookup("estimator", name, ESTIMATORS)
    parameters = {key: value for key, value in spec.items() if key not in ("name", "collapse")}
    model = made(f"estimator {name}", maker, parameters, classes, seed, values)
    try:
        model.fit(features, values.astype(np.int64) if classes else values)
    except (TypeError, ValueError) as error:
        # scikit-learn's errors of values that a parameter cannot have are of these classes too.
        raise UsageError(f"estimator {name}: {str(error).splitlines()[0]}") from error
    return Fitted(_to_onnx(model, features.shape[1], classes), _coefficients(model, names))


def _scaled(model: Any) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), model)


def _constant(classes: int, seed: int, values: Values) -> Any:
    """A linear model whose slopes are penalised to nothing: the mean, or the shares of the classes, remains."""
    return _linear(classes, seed, values, 1e20)


def _linear(classes: int, seed: int, values: Values, penalty: float = 0.0) -> Any:
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

    if classes:
        return _scaled(LogisticRegression(C=1 / penalty if penalty else 1e6, max_iter=2000))
    return _scaled(Ridge(alpha=penalty) if penalty else LinearRegression())


def _trees(
    classes: int, seed: int, values: Values, min_samples_leaf: int = 1, subsample: float = 1.0, **parameters: Any
) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    cls = GradientBoostingClassifier if classes else GradientBoostingRegressor
    if not 0 < subsample <= 1:
        raise ValueError(f"subsample {subsample}: must be a share above 0, up to 1")
    # With larger leaves than a quarter of the drawn rows a small table could not be split at all.
    leaf = min(min_samples_leaf, max(1, int(len(values) * subsample / 4)))
    given = {"random_state": seed, "min_samples_leaf": leaf, "subsample": subsample, **parameters}
    return _scaled(made("estimator boosted-trees", cls, given))


def _svm(classes: int, seed: int, values: Values, penalty: float = 1.0, epsilon: float = 0.1) -> Any:
    """Support vectors under a Gaussian kernel, as wide as there are features; of classes the probabilities after Platt.

    penalty and epsilon of a regression are in deviations of the target.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC, SVR

    if classes:
        return _scaled(CalibratedClassifierCV(SVC(C=penalty), ensemble=False))
    deviation = float(np.std(values)) or 1.0
    return _scaled(SVR(C=penalty * deviation, epsilon=epsilon * deviation))


def _noise(
    classes: int, seed: int, values: Values, mean: float = float("nan"), deviation: float = float("nan")
) -> "_Noise":
    # ONNX Runtime ends the process for a deviation of 0.
    if deviation <= 0:
        raise ValueError(f"deviation {deviation}: must be a number above 0")
    return _Noise(seed, float(mean), float(deviation))


class _Noise:
    """Normal random numbers that ignore the features: a baseline with nothing to export."""

    def __init__(self, seed: int, mean: float, deviation: float):
        self.seed, self.mean, self.deviation = seed, mean, deviation

    def fit(self, features: Any, values: Floats) -> None:
        """Take the mean and the deviation of the training values where none were given."""
        self.mean = float(np.mean(values)) if np.isnan(self.mean) else self.mean
        self.deviation = max(float(np.std(values)), _LEAST_DEVIATION) if np.isnan(self.deviation) else self.deviation


ESTIMATORS: dict[str, Callable[..., Any]] = {
    "constant": _constant,
    "linear": _linear,
    "boosted-trees": _trees,
    "svm": _svm,
    "random-normal": _noise,
}


def _coefficients(model: Any, names: list[str]) -> dict[str, Any]:
    """The signs and sizes of a linear model's standardised coefficients, largest first."""
    steps = getattr(model, "steps", None)
    weights = getattr(steps[-1][1], "coef_", None) if steps else None
    if weights is None or np.ndim(weights) > 1:
        return {}
    order = np.argsort(-np.abs(weights))
    return {"coefficients": {names[i]: float(f"{weights[i]:.6g}") for i in order}}


def _noise_onnx(model: _Noise, width: int) -> bytes:
    """A graph that draws anew at every call, one number a row."""
    from onnx import helper

    from hitpredict.export.builder import GraphBuilder, floats

    nodes = GraphBuilder("noise/")
    row = nodes("ReduceMean", "features", axes=[1], keepdims=0)
    spread = {"mean": model.mean, "scale": model.deviation}
    nodes("RandomNormalLike", row, output="score", dtype=1, seed=float(model.seed), **spread)
    graph = helper.make_graph(nodes.nodes, "random-normal", floats({"features": [width]}), floats({"score": []}))
    proto = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(proto.SerializeToString(deterministic=True))


def _to_onnx(model: Any, width: int, classes: int) -> bytes:
    """skl2onnx's graph with its outputs brought to `score` and `probabilities`."""
    if isinstance(model, _Noise):
        return _noise_onnx(model, width)
    import onnx
    from skl2onnx import to_onnx

    from hitpredict.export.builder import GraphBuilder, floats

    options = {id(model): {"zipmap": False}} if classes else None
    sample = np.zeros((1, width), np.float32)
    try:
        with warnings.catch_warnings():
            # Of attributes of support vectors that scikit-learn is about to drop and that hold nothing here.
            warnings.simplefilter("ignore", FutureWarning)
            proto = to_onnx(model, sample, options=options, target_opset={"": 17, "ai.onnx.ml": 3})
    except Exception as error:
        # skl2onnx quotes whole models in its messages.
        reason = str(error).splitlines()[0][:200]
        raise TrainingError(f"this estimator cannot be written as ONNX: {reason}") from error
    graph = proto.graph
    # skl2onnx's own names make room for ours.
    renamed = {graph.input[0].name: "features", "score": "own_score", "probabilities": "own_probabilities"}
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    source = renamed.get(graph.output[-1].name, graph.output[-1].name)
    graph.input[0].name = "features"
    nodes = GraphBuilder("hp_")
    outputs: dict[str, list[int]] = {"score": []}
    if classes:
        outputs["probabilities"] = [classes]
        nodes("Identity", source, output="probabilities")
        source = nodes("MatMul", source, nodes.constant(np.arange(classes)[:, None]))
    nodes("Reshape", source, nodes.integers(-1), output="score")
    nodes.after(graph)
    del graph.output[:]
    graph.output.extend(floats(outputs))
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))
