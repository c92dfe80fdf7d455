"""Models that lie: odd metadata, graphs that take or answer what they must not, damaged files. One line each."""

import copy
import json
import resource
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hitpredict import Clip, Scorer
from hitpredict.errors import EnvironmentProblem, HitpredictError, InputError
from hitpredict.evaluation.models import OnnxModel
from hitpredict.frontends import FRONTENDS, from_json, to_json
from hitpredict.frontends.limits import check_ranges, check_sizes
from hitpredict.scoring.metadata import ENTRIES
from hitpredict.scoring.session import bundled
from tests.helpers.processes import run

BUNDLED = next(iter(bundled().values()))
ODD = (
    *(None, True, -1, 0, 2.5, 10**6, 10**12, 10**400, 1e300, -1e300, float("nan"), float("inf")),
    *("", "x", "\x1b[2J", [], [[]], {}, {"a": 1}, [None], [1e9] * 3, [float("nan")] * 40),
)
SOUND = Clip(np.random.default_rng(0).normal(0, 0.1, (1, 22050)).astype(np.float32), 22050, "noise")
MEGABYTES = 400


@cache
def original():
    return onnx.load(BUNDLED)


@cache
def entries():
    """The bundled model's metadata, with fewer ids."""
    texts = {each.key.removeprefix("hitpredict."): each.value for each in original().metadata_props}
    return {**texts, "trained_on": '["1", "2"]'}


def written(path, changes, graph=None):
    """A model with the bundled one's metadata, some entries replaced (None: left out), and perhaps another graph."""
    proto = onnx.ModelProto(ir_version=original().ir_version, opset_import=original().opset_import)
    proto.graph.CopyFrom(original().graph if graph is None else graph)
    texts = {key: text for key, text in {**entries(), **changes}.items() if text is not None}
    helper.set_model_props(proto, {f"hitpredict.{key}": text for key, text in texts.items()})
    path.write_bytes(proto.SerializeToString())
    return path


def places(value, way=()):
    """The ways to every part of JSON; of lists only to the first entry."""
    yield way
    for key in value if isinstance(value, dict) else range(min(1, len(value))) if isinstance(value, list) else ():
        yield from places(value[key], (*way, key))


def replaced(value, way, odd):
    if not way:
        return odd
    changed = copy.deepcopy(value)
    inner = changed
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = odd
    return changed


def used(path):
    """What comes of scoring and of evaluating by a model: a record whose numbers are finite, or one clear line."""
    try:
        record = Scorer(str(path), "cpu").score(SOUND).to_json()
        json.dumps(record, allow_nan=False)
    except HitpredictError as error:
        assert "\n" not in str(error)
        assert str(path) in str(error) or "noise" in str(error)
    try:
        OnnxModel(str(path))
    except EnvironmentProblem as error:
        assert "\n" not in str(error)


JSON_ENTRIES = sorted(key for key in entries() if key in ENTRIES)


@pytest.mark.parametrize("key", JSON_ENTRIES)
def test_odd_values_anywhere_in_the_metadata(tmp_path, key):
    value, before = json.loads(entries()[key]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for way in places(value):
        for odd in ODD:
            used(written(tmp_path / "m.onnx", {key: json.dumps(replaced(value, way, odd))}))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


@pytest.mark.parametrize("key", sorted(entries()))
@pytest.mark.parametrize("text", [None, "", "{", "[" * 100_000, '{"a":' * 50_000, "\x00", "NaN", "1" * 5000])
def test_entries_that_are_missing_or_no_json(tmp_path, key, text):
    used(written(tmp_path / "m.onnx", {key: text}))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"name": "mfcc_stats", "n_mels": 10**6}, "n_mels '1000000' is not a whole number from 1 to 4096"),
        ({"name": "mfcc_stats", "n_fft": 2**16, "n_mels": 4096}, "too much memory"),
        ({"name": "mfcc_stats", "hop_length": 1}, "numbers for a second of sound are too many"),
        ({"name": "logmel", "window": 2**20, "n_mels": 128}, "a window of 1048576 frames takes too much memory"),
        ({"name": "logmel", "fmin": 12000.0, "fmax": 100.0}, "nothing between"),
        ({"name": "spectrogram_image", "height": 4000, "width": 4000}, "picture|too much memory"),
        ({"name": "waveform", "sample_rate": 1}, "sample_rate"),
    ],
)
def test_front_ends_that_take_too_much_are_refused_before_they_do(tmp_path, kind, message):
    path = written(tmp_path / "m.onnx", {"frontend": json.dumps(kind)})
    with pytest.raises(EnvironmentProblem, match=message):
        Scorer(str(path), "cpu")


@pytest.mark.parametrize("cls", FRONTENDS.values(), ids=FRONTENDS)
def test_every_parameter_of_a_front_end_has_a_range(cls):
    described = to_json(cls())
    assert from_json(described) == cls()
    check_sizes(cls())
    for key in described:
        if key != "name":
            with pytest.raises(ValueError, match=key):
                check_ranges(cls, {key: [float("nan")]})
            if not isinstance(described[key], str | bool):
                with pytest.raises(ValueError, match=key):
                    check_ranges(cls, {key: 1e12})


def graph(nodes, inputs, outputs=(("score", TensorProto.FLOAT, ["N"]),), weights=()):
    infos = [[helper.make_tensor_value_info(*each) for each in side] for side in (inputs, outputs)]
    return helper.make_graph(nodes, "g", *infos, list(weights))


FEATURES = ("features", TensorProto.FLOAT, ["N", 40])
MEAN = helper.make_node("ReduceMean", ["features"], ["mean"], axes=[1], keepdims=0)


def constant(value):
    return helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.FLOAT, [], [value]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_answers_that_are_no_numbers_are_failures_of_the_input(tmp_path, value):
    nodes = [MEAN, constant(value), helper.make_node("Mul", ["mean", "c"], ["score"])]
    scorer = Scorer(str(written(tmp_path / "m.onnx", {}, graph(nodes, [FEATURES]))), "cpu")
    with pytest.raises(InputError, match=r"noise: model .*answers (nan|-?inf), which is no score"):
        scorer.score(SOUND)


GRAPHS = {
    "takes nothing": (graph([constant(1.0), helper.make_node("Identity", ["c"], ["score"])], []), EnvironmentProblem),
    "takes text": (
        graph([helper.make_node("Identity", ["t"], ["score"])], [("t", 8, ["N"])], [("score", 8, ["N"])]),
        EnvironmentProblem,
    ),
    "takes two": (
        graph([MEAN, helper.make_node("Identity", ["mean"], ["score"])], [FEATURES, ("more", 1, ["N", 2])]),
        EnvironmentProblem,
    ),
    "takes another width": (
        graph([MEAN, helper.make_node("Identity", ["mean"], ["score"])], [("features", 1, ["N", 10**9])]),
        InputError,
    ),
    "answers many numbers": (
        graph([helper.make_node("Identity", ["features"], ["score"])], [FEATURES], [("score", 1, ["N", 40])]),
        InputError,
    ),
    "answers integers": (
        graph([MEAN, helper.make_node("Cast", ["mean"], ["score"], to=7)], [FEATURES], [("score", 7, ["N"])]),
        InputError,
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_that_do_not_fit(tmp_path, name):
    found, error = GRAPHS[name]
    with pytest.raises(error) as caught:
        Scorer(str(written(tmp_path / "m.onnx", {}, found)), "cpu").score(SOUND)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("location", ["secret.bin", "../secret.bin", "{absolute}"])
def test_a_model_reads_no_other_file(tmp_path, location, monkeypatch):
    """Weights in a file beside the model would show in the score."""
    (tmp_path / "in").mkdir()
    for folder in (tmp_path, tmp_path / "in"):
        np.full(40, 7.0, np.float32).tofile(folder / "secret.bin")
    monkeypatch.chdir(tmp_path / "in")
    weights = TensorProto(name="w", data_type=1, dims=[40], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location.format(absolute=tmp_path / "secret.bin"), "length": "160"}.items():
        weights.external_data.add(key=key, value=value)
    nodes = [
        helper.make_node("Add", ["features", "w"], ["sum"]),
        helper.make_node("ReduceMean", ["sum"], ["score"], axes=[1], keepdims=0),
    ]
    path = written(tmp_path / "in" / "m.onnx", {}, graph(nodes, [FEATURES], weights=[weights]))
    with pytest.raises(EnvironmentProblem, match="not a model that can be loaded"):
        Scorer(str(path), "cpu")


def test_a_weight_that_is_larger_than_its_file(tmp_path):
    weights = TensorProto(name="w", data_type=1, dims=[1_500_000_000], raw_data=b"\0" * 160)
    nodes = [helper.make_node("ReduceMean", ["w"], ["c"]), MEAN, helper.make_node("Add", ["mean", "c"], ["score"])]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EnvironmentProblem):
        Scorer(str(written(tmp_path / "m.onnx", {}, graph(nodes, [FEATURES], weights=[weights]))), "cpu")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


def test_damaged_bytes(tmp_path):
    data, random = bytearray(BUNDLED.read_bytes()), np.random.default_rng(0)
    path = tmp_path / "m.onnx"
    for number in range(60):
        changed = bytearray(data)
        if number % 3 == 0:
            del changed[int(random.integers(len(data))) :]
        else:
            for place in random.integers(0, len(data) if number % 3 == 1 else 4000, 20):
                changed[place] = int(random.integers(256))
        path.write_bytes(changed)
        used(path)


def test_a_device_that_never_ends_is_no_model():
    assert Path("/dev/zero").exists()
    with pytest.raises(EnvironmentProblem, match="no file"):
        Scorer("/dev/zero", "cpu")


@pytest.mark.parametrize("where", ["input", "operator"])
def test_names_that_are_no_text_are_told_in_one_line(tmp_path, capfd, where):
    """ONNX Runtime itself would say on standard output that it tries once more."""
    model, proto = tmp_path / "m.onnx", copy.deepcopy(original())
    if where == "operator":
        proto.graph.node[0].op_type = "a name"
    else:
        first = proto.graph.input[0].name
        proto.graph.input[0].name = "a name"
        for node in proto.graph.node:
            node.input[:] = ["a name" if name == first else name for name in node.input]
    model.write_bytes(proto.SerializeToString().replace(b"a name", b"a \xffame"))
    with pytest.raises(EnvironmentProblem, match="not a model that can be loaded"):
        Scorer(str(model), "cpu")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("entry", ["[NaN]", "[1e999]", "[" * 100_000, '{"a":' * 20_000, "{", '["\\ud800"]'])
def test_entries_that_are_no_json_are_shown_as_text(tmp_path, entry):
    outcome = run("models", "show", "--json", written(tmp_path / "m.onnx", {"published": entry}))
    assert outcome.code == 0, outcome.err
    (shown,) = (json.loads(line, parse_constant=pytest.fail) for line in outcome.out.splitlines())
    assert shown["published"] == (["\ud800"] if "d800" in entry else entry)
