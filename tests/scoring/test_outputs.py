"""What records say beside the score: targets, classes, curves, foretold errors; and files that say nothing of them."""

import json
from functools import cache

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hitpredict.audio.clip import Clip
from hitpredict.errors import EnvironmentProblem, InputError
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.classes import ClassOutput
from hitpredict.scoring.curve import CurveOutput
from hitpredict.scoring.outputs import Outputs, TargetOutput
from hitpredict.scoring.records import SCORE_COLUMNS, flat
from hitpredict.scoring.scorer import Scorer
from hitpredict.scoring.session import bundled

CALIBRATION = Calibration(0.8, 1.0, 0.5, 3.0, 9.0, 20)
TARGETS = Outputs((TargetOutput("log_sum", "log10 streams", CALIBRATION), TargetOutput("plays", "plays", CALIBRATION)))
CLASSES = Outputs(classes=ClassOutput(("flop", "hit"), (4.5,), 2.0, (0.0, 0.0)))
CURVE = Outputs(curve=CurveOutput(3, 0.8, (1.0, 6.0, 9.0), (0.5, 0.5, 0.5), 7.0, 20), foretold=2.0)
ANSWERS = {"targets": [7.0, 4.0], "probabilities": [0.8, 0.2], "curve": [5.0, 4.0, 0.5], "foretold_error": 1.5}


@cache
def bundled_model():
    return onnx.load(next(iter(bundled().values())))


def written(path, outputs, answers, more=None):
    """A model that gives every sound the same answers, its metadata the bundled one's and those of these outputs."""
    proto = onnx.ModelProto()
    proto.CopyFrom(bundled_model())
    rows = helper.make_node("Shape", [proto.graph.input[0].name], ["rows"], start=0, end=1)
    proto.graph.node.append(rows)
    for name, value in answers.items():
        values = np.asarray(value, np.float32)
        shape = [1, *values.shape]
        proto.graph.initializer.append(onnx.numpy_helper.from_array(values.reshape(shape), f"{name}_value"))
        ones = onnx.numpy_helper.from_array(np.ones(values.ndim, np.int64), f"{name}_ones")
        proto.graph.initializer.append(ones)
        proto.graph.node.append(helper.make_node("Concat", ["rows", f"{name}_ones"], [f"{name}_shape"], axis=0))
        proto.graph.node.append(helper.make_node("Expand", [f"{name}_value", f"{name}_shape"], [name]))
        proto.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *values.shape]))
    texts = {each.key: each.value for each in proto.metadata_props}
    texts |= {"hitpredict.outputs": json.dumps(outputs)} if outputs is not None else {}
    helper.set_model_props(proto, texts | (more or {}))
    path.write_bytes(proto.SerializeToString())
    return str(path)


def scored(path, outputs, names, **more):
    answers = {name: ANSWERS[name] for name in names} | more
    scorer = Scorer(written(path / "model.onnx", outputs and outputs.to_json(), answers), "cpu")
    sound = Clip(np.random.default_rng(0).normal(0, 0.1, (1, 22050)).astype(np.float32), 22050, "noise")
    return scorer, scorer.score(sound).to_json()


def test_several_targets_are_told_in_their_units_and_as_streams(tmp_path):
    scorer, record = scored(tmp_path, TARGETS, ["targets"])
    assert list(record["outputs"]) == ["log_sum", "plays"]
    # The first is the score, and has its interval.
    found = {"value": 7.0, "interval": record["interval"], "unit": "log10 streams", "streams": 10_000_000}
    assert record["outputs"]["log_sum"] == found
    assert record["outputs"]["plays"] == {"value": 4.0, "interval": [3.0, 4.5], "unit": "plays"}
    row = flat(record, scorer.outputs.columns)
    assert tuple(row) == (*SCORE_COLUMNS, *scorer.outputs.columns)
    assert (row["outputs.log_sum"], row["outputs.log_sum_streams"], row["outputs.plays_high"]) == (7.0, 10_000_000, 4.5)


def test_classes_are_told_by_name_with_cut_offs_and_calibrated(tmp_path):
    scorer, record = scored(tmp_path, CLASSES, ["probabilities"])
    # Twice as sure: the odds of 4 to 1 become 16 to 1.
    assert record["classes"]["flop"] == {"below": 4.5, "probability": pytest.approx(16 / 17, abs=1e-4)}
    assert record["classes"]["hit"] == {"from": 4.5, "probability": pytest.approx(1 / 17, abs=1e-4)}
    assert flat(record, scorer.outputs.columns)["classes.hit"] == record["classes"]["hit"]["probability"]


def test_a_curve_is_told_with_its_band_and_measures(tmp_path):
    scorer, record = scored(tmp_path, CURVE, ["curve", "foretold_error"])
    curve = record["curve"]
    assert (curve["first_week"], curve["weeks"]) == (3, [5.0, 4.0, 0.5])
    assert (curve["low"], curve["high"]) == ([4.0, 0.0, 0.0], [5.5, 4.5, 1.0])
    # The last week lies below the fewest streams that charts list, so that it is none.
    expected = {"debut": 5.0, "max": 5.0, "mean": 4.5, "std": 0.5, "length": 2.0, "sum": 9.0}
    assert {key: curve["measures"][key] for key in expected} == expected
    assert set(curve["measures"]) - set(expected) == {"skewness", "kurtosis"}
    assert record["foretold_error"] == 3.0
    row = flat(record, scorer.outputs.columns)
    assert (row["curve.week_3"], row["curve.week_4_low"], row["curve.week_5_high"]) == (5.0, 0.0, 1.0)
    assert (row["curve.sum"], row["foretold_error"]) == (9.0, 3.0)


def test_files_and_records_of_before_are_read(tmp_path):
    scorer, record = scored(tmp_path, None, ["probabilities", "curve"])
    assert not {"outputs", "classes", "curve", "foretold_error"} & set(record)
    assert scorer.outputs.columns == ()
    assert tuple(flat(record)) == SCORE_COLUMNS
    assert flat(record, CLASSES.columns)["classes.hit"] is None


@pytest.mark.parametrize("answer", [[0.5, 0.3, 0.2], [float("nan"), 0.5]], ids=["another shape", "no number"])
def test_answers_that_are_not_as_the_file_says_are_one_line(tmp_path, answer):
    with pytest.raises(InputError, match=r"noise: the model .*answer.* probabilities"):
        scored(tmp_path, CLASSES, [], probabilities=answer)
    with pytest.raises(InputError, match="does not answer curve"):
        scored(tmp_path, CURVE, ["foretold_error"])


@pytest.mark.parametrize(
    ("outputs", "place"),
    [
        ({"classes": {**CLASSES.to_json()["classes"], "names": ["one", "one"]}}, "outputs.classes"),
        ({"classes": {**CLASSES.to_json()["classes"], "slope": -1}}, "outputs.classes.slope"),
        ({"curve": {**CURVE.to_json()["curve"], "below": [1.0]}}, "outputs.curve"),
        ({"curve": {**CURVE.to_json()["curve"], "high": 1e9}}, "outputs.curve.high"),
        ({"targets": 2 * [TARGETS.to_json()["targets"][0]]}, "outputs.targets"),
        ({"something": 1}, "outputs"),
        (3, "outputs"),
    ],
)
def test_what_cannot_be_worked_with_is_named(tmp_path, outputs, place):
    with pytest.raises(EnvironmentProblem, match=f"cannot be worked with: {place}:"):
        Scorer(written(tmp_path / "model.onnx", outputs, {}), "cpu")


def test_json_round_trip():
    for outputs in (TARGETS, CLASSES, CURVE, Outputs()):
        assert Outputs.from_json(json.loads(json.dumps(outputs.to_json()))) == outputs


def planted_classes(count, seed):
    """Probabilities that say what is so, and those of a model that is too sure and has weighed its classes."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, 3)) + np.array([1.0, 0.0, -1.5])
    truth = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    said = 2.5 * logits + np.array([-2.0, 0.0, 3.0])
    true, own = (np.exp(each - each.max(axis=1, keepdims=True)) for each in (logits, said))
    return truth, true / true.sum(axis=1, keepdims=True), own / own.sum(axis=1, keepdims=True)


def test_calibrated_probabilities_are_shares_of_songs():
    truth, _, own = planted_classes(3000, 0)
    classes = ClassOutput.fit(own, truth, ("low", "medium", "high"), (1, 2))
    assert classes.slope == pytest.approx(1 / 2.5, rel=0.1)
    truth, true, own = planted_classes(20_000, 1)
    found = classes.calibrated(own)
    np.testing.assert_allclose(found, true, atol=0.05)
    for number in range(3):
        for low in np.arange(0.1, 0.9, 0.2):
            inside = (found[:, number] >= low) & (found[:, number] < low + 0.2)
            if inside.sum() > 200:
                share = (truth[inside] == number).mean()
                assert share == pytest.approx(found[inside, number].mean(), abs=0.04)


def test_a_model_that_is_wrong_the_other_way_round_says_the_shares():
    truth, _, own = planted_classes(3000, 0)
    classes = ClassOutput.fit(1 / own, truth, ("low", "medium", "high"), (1, 2))
    assert classes.slope == 0
    shares = np.bincount(truth) / len(truth)
    np.testing.assert_allclose(classes.calibrated(own[0]), shares, atol=0.01)


def planted_curves(count, seed, weeks=8):
    """Curves that follow a forecast with noise, and leave the charts with a chance that grows by week."""
    random = np.random.default_rng(seed)
    forecast = 5 + random.normal(size=(count, 1)) - 0.1 * np.arange(weeks)
    truth = forecast + 0.2 * random.normal(size=forecast.shape) * (1 + np.arange(weeks))
    off = random.random(forecast.shape) < 0.03 * np.arange(weeks)
    return np.where(off, 0.0, truth), forecast, np.repeat(np.arange(count // 2), 2)


def test_each_week_of_the_band_holds_its_share_of_new_songs():
    truth, forecast, groups = planted_curves(800, 0)
    truth[:200, 6:] = np.nan
    curve = CurveOutput.fit(truth, forecast, groups, 12.0, first_week=5)
    assert (curve.first_week, curve.groups) == (5, 300)
    truth, forecast, _ = planted_curves(4000, 1)
    low, high = curve.band(forecast)
    held = ((low <= truth) & (truth <= high)).mean(axis=0)
    np.testing.assert_allclose(held, 0.8, atol=0.04)
    # More than a tenth leave in the end, so that the band goes down to where they are.
    assert (low[:, 0] > 0).mean() > 0.9
    assert (low[:, -1] == 0).mean() > 0.4
