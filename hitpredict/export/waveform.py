"""A log-mel front-end as part of the ONNX graph, for programs that hold samples and no Python.

The folded model takes `samples`, float32 (N, S), mono in [-1, 1] at the front-end's rate, N sounds of the same length,
and answers for each of them what `hitpredict score` answers for the whole track: the spectrogram is cut into windows
and the outputs are means over these. Spectra are one convolution, which every ONNX runtime has and does fast.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Clip
from hitpredict.errors import UsageError
from hitpredict.export.builder import GraphBuilder
from hitpredict.export.parity import ParityError, answers
from hitpredict.frontends import LogMel, compute, from_json
from hitpredict.frontends.mel import filterbank
from hitpredict.frontends.stft import hann
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.scoring.windows import windows_of

SCHEMA = "hitpredict.waveform-model/1"
_TOLERANCE = 1e-3
_LENGTHS = (0.4, 1.0, 1.7, 2.4)


def with_front_end(data: bytes, folder: ModelFolder, exact: bytes | None = None) -> bytes:
    """An exported model that takes samples.

    data: the model as `export` made it. exact: the same at full precision, to check on where `data` is not.
    The metadata entry `hitpredict.waveform` says what the file takes. Raises `UsageError` for a model of other
    features, and `ParityError` when scores differ from those of the NumPy front-end by more than 1e-3 of their spread.
    """
    frontend, window = _foldable(folder)
    checked = data if exact is None else exact
    folded = _folded(checked, frontend, window)
    difference = _difference(checked, folded, frontend, window, folder)
    if not difference <= _TOLERANCE:
        raise ParityError(
            f"{folder.folder}: with its front-end the ONNX model differs by {difference:.2g} of the spread of scores "
            f"(limit {_TOLERANCE:g}); not written"
        )
    return folded if checked is data else _folded(data, frontend, window)


def _foldable(folder: ModelFolder) -> tuple[LogMel, dict[str, Any]]:
    """The front-end, and the windows of frames that the network takes."""
    features = folder.config.features
    kinds = [each.kind_name or "unknown columns" for each in features]
    if kinds != [LogMel.name] or not folder.recipe.network:
        model = "network" if folder.recipe.network else "estimator"
        raise UsageError(
            f"`waveform`: {folder.folder} is a {model} on {' and '.join(kinds)}; only networks on one table of "
            f"the kind {LogMel.name} can take samples; leave out `waveform`"
        )
    frontend = from_json(features[0].kind or {})
    assert isinstance(frontend, LogMel)
    # Without windows the network takes as many frames as its training songs all had.
    return frontend, features[0].window or {"length": features[0].shape[0], "pad": "least"}


def _folded(data: bytes, frontend: LogMel, window: dict[str, Any]) -> bytes:
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_from_string(data)
    graph = GraphBuilder("frontend/")
    frames = _decibels(graph, frontend)
    if frontend.window is not None:
        frames = _padded(graph, frames, frontend.window, _least(graph, frames))
    _windows(graph, frames, window, frontend.n_mels, model.graph.input[0].name)
    inner = {each.name: f"windows/{each.name}" for each in model.graph.output}
    for node in model.graph.node:
        node.input[:] = [inner.get(name, name) for name in node.input]
        node.output[:] = [inner.get(name, name) for name in node.output]
        graph.nodes.append(node)
    for each in model.graph.output:
        shape = [dim.dim_value for dim in each.type.tensor_type.shape.dim]
        _mean(graph, inner[each.name], shape[1:], each.name)
    samples = helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["N", "S"])
    initializers = [*graph.constants, *model.graph.initializer]
    whole = helper.make_graph(graph.nodes, "waveform", [samples], list(model.graph.output), initializers)
    proto = helper.make_model(
        whole, opset_imports=model.opset_import, ir_version=model.ir_version, producer_name="hitpredict"
    )
    metadata = {each.key: each.value for each in model.metadata_props}
    takes = json.dumps(_described(frontend, window), sort_keys=True)
    metadata |= {"hitpredict.schema": SCHEMA, "hitpredict.waveform": takes}
    helper.set_model_props(proto, dict(sorted(metadata.items())))
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def _described(frontend: LogMel, window: dict[str, Any]) -> dict[str, Any]:
    pad = window.get("pad", "zero")
    return {
        "input": "samples: float32 (N, S), mono in [-1, 1]",
        "sample_rate": frontend.sample_rate,
        "samples": _samples(frontend, int(window["length"])),
        "least_samples": _samples(frontend, 1),
        "shorter": "padded to one window of frames: " + (_PADS[pad] if isinstance(pad, str) else f"with {pad:g}"),
        "longer": _PLACES[window.get("place", "")],
    }


_PADS = {"least": "with the least value of its decibels", "zero": "with zeros"}
_PLACES = {
    "": "cut into windows of frames; outputs are means; a last window filled less than half is left out",
    "start": "cut to the first window of frames",
    "middle": "cut to the window of frames in the middle",
}


def _samples(frontend: LogMel, frames: int) -> int:
    """The least samples that give so many frames."""
    return max(1, (frames - 1) * frontend.hop_length + frontend.n_fft - 2 * _edge(frontend))


def _edge(frontend: LogMel) -> int:
    return frontend.n_fft // 2 if frontend.center else 0


def _decibels(graph: GraphBuilder, frontend: LogMel) -> str:
    """Samples (N, S) to floored decibels (N, frames, mels), as `LogMel` makes them."""
    kernels, bank = _spectrum(frontend)
    sound = graph("Unsqueeze", "samples", graph.integers(1))
    edge = _edge(frontend)
    parts = graph("Conv", sound, graph.constant(kernels), strides=[frontend.hop_length], pads=[edge, edge])
    power = graph("MatMul", graph.constant(bank), graph("Mul", parts, parts))
    mels = graph("Transpose", graph("Max", power, graph.constant(frontend.amin)), perm=[0, 2, 1])
    decibels = graph("Mul", graph("Log", mels), graph.constant(10 / np.log(10)))
    if frontend.relative:
        reference = "ReduceMin" if frontend.relative == "min" else "ReduceMax"
        decibels = graph("Sub", decibels, graph(reference, decibels, graph.integers(1, 2)))
    if frontend.top_db is not None:
        loudest = graph("ReduceMax", decibels, graph.integers(1, 2))
        decibels = graph("Max", decibels, graph("Sub", loudest, graph.constant(frontend.top_db)))
    return decibels


def _spectrum(frontend: LogMel) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Convolution kernels (2·bins, 1, n_fft), cosines then sines under the window, and the mel weights (mels, 2·bins).

    Bins that no mel band takes are left out.
    """
    fmax = frontend.sample_rate / 2 if frontend.fmax is None else frontend.fmax
    bank = filterbank(
        frontend.sample_rate, frontend.n_fft, frontend.n_mels, frontend.fmin, fmax, frontend.htk, frontend.area_norm
    )
    used = np.flatnonzero(bank.any(axis=1))
    # Whole turns are taken away first, which keeps the angles exact.
    turns = np.outer(used, np.arange(frontend.n_fft)) % frontend.n_fft / frontend.n_fft
    waves = np.concatenate([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)])
    weights = bank[used].T
    return np.asarray(waves * hann(frontend.n_fft), np.float64)[:, None], np.concatenate([weights, weights], axis=1)


def _count(graph: GraphBuilder, frames: str) -> str:
    """The number of frames, (1,)."""
    return graph("Shape", frames, start=1, end=2)


def _least(graph: GraphBuilder, frames: str) -> str:
    """The least value of each sound, (N, 1, 1)."""
    return graph("ReduceMin", frames, graph.integers(1, 2))


def _padded(graph: GraphBuilder, frames: str, length: int, value: str) -> str:
    """Frames (N, F, mels) with `value` (N, 1, 1) behind them where they are fewer than `length`."""
    longest = graph("Max", _count(graph, frames), graph.integers(length))
    return _filled(graph, frames, length, value, longest)


def _filled(graph: GraphBuilder, frames: str, most: int, value: str, length: str) -> str:
    """Frames brought to `length` (1,) by cutting or by at most `most` frames of `value`."""
    mels = graph("Shape", frames, start=2, end=3)
    sounds = graph("Shape", frames, start=0, end=1)
    shape = graph("Concat", sounds, graph.integers(most), mels, axis=0)
    # Always as many: an empty padding is more than some runtimes can take.
    longer = graph("Concat", frames, graph("Expand", value, shape), axis=1)
    return graph("Slice", longer, graph.integers(0), length, graph.integers(1))


def _windows(graph: GraphBuilder, frames: str, window: dict[str, Any], mels: int, output: str) -> None:
    """All windows of all sounds as one batch, cut as `windows.windows_of` cuts them."""
    length, pad = int(window["length"]), window.get("pad", "zero")
    if "place" in window:
        frames = _placed(graph, frames, length, window["place"])
    share = graph("Div", graph("Cast", _count(graph, frames), to=11), graph.constant([length], np.float64))
    count = graph("Max", graph("Cast", graph("Round", share), to=7), graph.integers(1))
    end = graph("Mul", count, graph.integers(length))
    if pad == "least":
        start = graph("Sub", end, graph.integers(length))
        value = _least(graph, graph("Slice", frames, start, end, graph.integers(1)))
    else:
        sounds = graph("Shape", frames, start=0, end=1)
        constant = graph.constant(0 if pad == "zero" else pad)
        value = graph("Expand", constant, graph("Concat", sounds, graph.integers(1, 1), axis=0))
    whole = _filled(graph, frames, length, value, end)
    graph("Reshape", whole, graph.integers(-1, length, mels), output=output)


def _placed(graph: GraphBuilder, frames: str, length: int, place: str) -> str:
    """At most `length` frames, those that `windows.placed` keeps."""
    start = graph.integers(0)
    if place == "middle":
        middle = graph("Div", _count(graph, frames), graph.integers(2))
        start = graph("Max", graph("Sub", middle, graph.integers(length // 2)), start)
    return graph("Slice", frames, start, graph("Add", start, graph.integers(length)), graph.integers(1))


def _mean(graph: GraphBuilder, values: str, shape: Sequence[int], output: str) -> None:
    """The mean over the windows of each sound."""
    sounds = graph("Shape", "samples", start=0, end=1)
    target = graph("Concat", sounds, graph.integers(-1, *shape), axis=0)
    graph("ReduceMean", graph("Reshape", values, target), graph.integers(1), keepdims=0, output=output)


def _difference(plain: bytes, folded: bytes, frontend: LogMel, window: dict[str, Any], folder: ModelFolder) -> float:
    """The largest difference of scores between NumPy's front-end and the folded one, relative to their spread."""
    expected, found = [], []
    for sounds in _sounds(frontend, int(window["length"])):
        found += list(answers(folded, [sounds]))
        for sound in sounds:
            frames = compute(frontend, Clip(sound[None], frontend.sample_rate))
            expected.append(answers(plain, [windows_of(frames, window)]).mean())
    spread = max(float(np.std(folder.config.reference.scores)), float(np.ptp(expected)), 1e-6)
    return float(np.abs(np.array(found) - expected).max()) / spread


def _sounds(frontend: LogMel, frames: int) -> Iterator[NDArray[np.float32]]:
    """Noise, a chord with noise, and silence followed by a chord, (3, S), of lengths around one and two windows."""
    random = np.random.default_rng(0)
    for length in _LENGTHS:
        size = max(_samples(frontend, round(frames * length)), _samples(frontend, 1))
        time = np.arange(size) / frontend.sample_rate
        pitches = frontend.sample_rate * np.array([0.01, 0.0126, 0.015, 0.11])
        chord = 0.1 * np.sin(2 * np.pi * pitches[:, None] * time).sum(axis=0)
        noise = random.normal(size=size)
        late = np.where(time > time[-1] / 2, chord, 0.0)
        yield np.stack([0.1 * noise, chord + 0.001 * noise, late]).astype(np.float32)
