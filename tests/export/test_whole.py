"""Models of more than one answer, from training to the record: nothing that they answer is lost on the way."""

import json

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from hitpredict.audio.write import write_audio
from hitpredict.cli.app import app
from hitpredict.errors import InputError, UsageError
from hitpredict.evaluation.evaluate_model import evaluate_model
from hitpredict.export.export import export
from hitpredict.export.parity import ParityError, difference_of
from hitpredict.scoring.scorer import Scorer
from hitpredict.tables.beside import read_beside
from tests.helpers.exporting import session, song
from tests.helpers.whole import KNOWN, WEEKS, made, write_tables

BESIDE = {"inputs": ["fbank", "weeks", "season"], "target.after": KNOWN}
WITHOUT = {"inputs": ["weeks", "season"], "target.after": KNOWN}
SECOND = {"classes": "probabilities", "targets": "targets", "curve": "curve"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Tables and trained models, made when first asked for."""
    folder, known = tmp_path_factory.mktemp("whole"), {}
    write_tables(folder)

    def model(name, **settings):
        key = name, str(settings)
        if key not in known:
            known[key] = made(folder, name, **settings)
        return folder, *known[key]

    return model


@pytest.mark.parametrize(
    "name", ["classes", *(pytest.param(each, marks=pytest.mark.slow) for each in ("targets", "curve"))]
)
def test_every_answer_is_exported_and_told(models, tmp_path, name):
    folder, opened, data, result = models(name)
    assert [each.name for each in session(data).get_outputs()] == ["score", SECOND[name]]
    file = tmp_path / "model.onnx"
    file.write_bytes(data)
    scorer = Scorer(str(file), "cpu")
    assert scorer.outputs == opened.outputs
    record = scorer.score(song(3, 1.5, 0.5)).to_json()
    if name == "classes":
        assert list(record["classes"]) == ["flop", "middling", "hit"]
        assert sum(each["probability"] for each in record["classes"].values()) == pytest.approx(1, abs=1e-3)
        assert set(result["probabilities"]) == {"method", "before", "after"}
        assert "expected calibration error" in (opened.folder / "MODEL_CARD.md").read_text()
    elif name == "targets":
        assert {each["unit"] for each in record["outputs"].values()} == {"log10 streams"}
        assert record["outputs"]["log_sum"]["value"] == record["score"]
        assert set(result["targets"]) == {"log_sum", "log_debut"}
        assert result["targets"]["log_sum"]["metrics"] == result["metrics"]
        assert result["targets"]["log_sum"]["coverage"] == result["coverage"]
        assert "| log_sum | log_debut |" in (opened.folder / "MODEL_CARD.md").read_text()
    else:
        assert len(record["curve"]["weeks"]) == WEEKS
        total = np.log10((10 ** np.array(record["curve"]["weeks"])).sum())
        assert np.clip(total, scorer.target.low, scorer.target.high) == pytest.approx(record["score"], abs=1e-3)
        assert "band of the curve held" in (opened.folder / "MODEL_CARD.md").read_text()
    features = [folder / ("vectors.csv" if name == "classes" else "frames.parquet")]
    both = [
        evaluate_model(model, features, folder / "labels.jsonl", "artist").result
        for model in (str(opened.folder), str(file))
    ]
    key = {"classes": "probabilities", "targets": "targets", "curve": "band"}[name]
    assert both[0][key] == result[key] == both[1][key]


def test_an_export_that_differs_in_another_answer_is_refused(models):
    _, opened, data, _ = models("classes")
    proto = onnx.load_from_string(data)
    (node,) = (node for node in proto.graph.node if "probabilities" in node.output)
    node.output[:] = ["before"]
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1.01], np.float32), "more"))
    proto.graph.node.append(onnx.helper.make_node("Mul", ["before", "more"], ["probabilities"]))
    assert difference_of(opened, proto.SerializeToString(), None) > 5e-3
    del proto.graph.output[1]
    with pytest.raises(ParityError, match="does not answer probabilities"):
        difference_of(opened, proto.SerializeToString(), None)


def test_folders_of_before_are_exported_as_they_were(models):
    _, opened, data, _ = models("classes")
    text = (opened.folder / "outputs.json").read_text()
    (opened.folder / "outputs.json").unlink()
    try:
        older = export(type(opened)(opened.folder)).data
    finally:
        (opened.folder / "outputs.json").write_text(text)
    metadata = session(older).get_modelmeta().custom_metadata_map
    assert set(session(data).get_modelmeta().custom_metadata_map) - set(metadata) == {"hitpredict.outputs"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["targets", "curve"])
def test_first_weeks_and_season_go_in_beside_the_sound(models, tmp_path, name):
    folder, opened, data, _ = models(name, **BESIDE)
    file = tmp_path / "model.onnx"
    file.write_bytes(data)
    scorer, sound = Scorer(str(file), "cpu"), song(3, 1.5, 0.5)
    known = read_beside(folder / "labels.jsonl", [each.kind for each in scorer.beside])
    first, second = (scorer.score(sound, None, known[track]) for track in ("3", "4"))
    assert first.score != second.score
    if name == "curve":
        assert first.answers["curve"]["first_week"] == KNOWN + 1
        assert len(first.answers["curve"]["weeks"]) == WEEKS - KNOWN
    with pytest.raises(InputError, match="takes the streams of the first 2 weeks beside the sound"):
        scorer.score(sound)
    write_audio(sound, tmp_path / "3.wav")
    write_audio(sound, tmp_path / "none.wav")
    asked = ["score", "-m", str(file), "-f", "tsv", str(tmp_path / "3.wav"), str(tmp_path / "none.wav"), "-j", "1"]
    refused = CliRunner().invoke(app, asked)
    assert isinstance(refused.exception, UsageError) or "give --weeks TABLE" in refused.output
    found = CliRunner().invoke(app, [*asked, "--weeks", str(folder / "labels.jsonl")])
    assert "has no whole row for track none" in found.output
    assert f"\t{first.to_json()['score']}\t" in found.output
    models_ = (str(opened.folder), str(file))
    both = [
        evaluate_model(each, [folder / "frames.parquet"], folder / "labels.jsonl", "artist").result for each in models_
    ]
    assert both[0]["metrics"]["mae"]["value"] == pytest.approx(both[1]["metrics"]["mae"]["value"], abs=1e-4)


@pytest.mark.slow
def test_weeks_alone_are_measured_and_not_scored(models):
    with pytest.raises(UsageError, match="takes no sound, so that there is nothing to score"):
        models("targets", **WITHOUT)


def test_the_season_is_a_turn_of_weeks():
    from hitpredict.tables.label_inputs import input_values, rows_that_serve

    table = {"start": ["2021-01-01", "2021-07-02", "2021-12-31", "not a date"]}
    kinds = [{"name": "season"}]
    assert rows_that_serve(kinds, table, np.zeros((4, 0))).tolist() == [True, True, True, False]
    values = input_values(kinds[0], table, np.zeros((4, 0)))[2]
    np.testing.assert_allclose(values[0], [0, 1])
    np.testing.assert_allclose(values[1], [0, -1], atol=0.02)
    assert np.abs(values[2] - values[0]).max() < 0.05


def test_tables_of_weeks_may_hold_no_more_than_is_known(tmp_path):
    rows = [
        {"track_id": "a", "curve": [5.0, 4.5]},
        {"track_id": "b", "curve": [5.0, None]},
        {"track_id": "a", "curve": [1, 1]},
    ]
    (tmp_path / "known.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_beside(tmp_path / "known.jsonl", [{"name": "weeks", "count": 2}]) == {"a": {"weeks": [5.0, 4.5]}}
