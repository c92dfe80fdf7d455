"""From a model folder to one file: the same answers, everything that scoring needs, smaller weights."""

import json

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from hitpredict.cli.app import app
from hitpredict.errors import UsageError
from hitpredict.export.export import export
from hitpredict.export.graph import quantized
from hitpredict.export.parity import ParityError, answers, change_report
from hitpredict.frontends import compute
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.model_folder.predictions import batches_of, by_owner
from hitpredict.tables.join import load
from tests.helpers.exporting import FRONTEND, LENGTH, session, song
from tests.helpers.marks import few_by_default

CONTENTS = ("schema", "name", "version", "card", "frontend", "windows", "calibration", "domain", "reference", "target")


EXPORTED = ["linear", "boosted-trees", "mlp", "two-tables", "linear-frames", "cnn", "cnn-classes"]


@pytest.mark.parametrize("name", few_by_default(EXPORTED, 5))
def test_the_file_answers_as_the_model_for_any_batch(models, tables, name):
    folder, exported = models(name)
    assert exported.difference < 1e-4
    names = ["vectors.csv"] if name in ("linear", "mlp", "boosted-trees") else ["frames.parquet"]
    names = ["vectors.csv"] * 2 if name == "two-tables" else names
    data = load([tables / each for each in names], tables / "labels.csv", ["noise"], "artist")
    data = data.take(np.arange(5))
    expected = folder.predict(data).score
    inputs, owners = batches_of(data, folder.windows)
    assert len(owners) == (10 if name.startswith("cnn") else 5)
    found = by_owner(answers(exported.data, inputs), owners, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.std(expected))
    alone = answers(exported.data, [each[:1] for each in inputs])
    np.testing.assert_allclose(alone, answers(exported.data, inputs)[:1], rtol=1e-5)


@pytest.mark.parametrize("name", ["linear", "mlp", "cnn-classes"])
def test_the_file_holds_all_that_scoring_needs(models, name):
    folder, exported = models(name)
    opened = session(exported.data)
    metadata = opened.get_modelmeta().custom_metadata_map
    assert {f"hitpredict.{each}" for each in CONTENTS} <= set(metadata)
    assert metadata["hitpredict.schema"] == "hitpredict.model/1"
    assert metadata["hitpredict.name"] == folder.recipe.name
    assert metadata["hitpredict.card"] == (folder.folder / "MODEL_CARD.md").read_text()
    kinds = json.loads(metadata["hitpredict.frontend"])
    assert [kind["name"] for kind in kinds] == ["logmel" if name == "cnn-classes" else "mfcc_stats"]
    assert json.loads(metadata["hitpredict.windows"]) == folder.windows
    assert json.loads(metadata["hitpredict.calibration"])["level"] == 0.8
    assert sorted(folder.seen) == json.loads(metadata["hitpredict.trained_on"])
    assert [each.name for each in opened.get_inputs()] == ["features"]
    outputs = [each.name for each in opened.get_outputs()]
    assert outputs == (["score", "probabilities"] if name == "cnn-classes" else ["score"])
    proto = onnx.load_from_string(exported.data)
    onnx.checker.check_model(proto, full_check=True)
    assert not any(node.doc_string or node.metadata_props for node in proto.graph.node)


@pytest.mark.parametrize("name", ["linear", "cnn-classes"])
def test_the_same_model_gives_the_same_bytes(models, name):
    folder, exported = models(name)
    assert export(ModelFolder(folder.folder)).data == exported.data


def test_real_inputs_are_compared_too(models):
    folder, _ = models("mlp")
    assert export(folder, samples=[np.ones((4, 40), np.float32)]).difference < 1e-4


def test_an_export_that_differs_is_refused(models, monkeypatch):
    folder, exported = models("linear")
    proto = onnx.load_from_string(exported.data)
    (score,) = (node for node in proto.graph.node if "score" in node.output)
    score.output[:] = ["before"]
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1.01], np.float32), "more"))
    proto.graph.node.append(onnx.helper.make_node("Mul", ["before", "more"], ["score"]))
    del proto.metadata_props[:]
    monkeypatch.setattr("hitpredict.export.export.estimator_graph", lambda _: proto.SerializeToString())
    with pytest.raises(ParityError, match=r"differs by .* \(limit 0.0001\); not written"):
        export(folder)


def test_features_that_audio_cannot_give_are_refused(models):
    with pytest.raises(UsageError, match="unknown features"):
        export(models("unknown")[0])
    with pytest.raises(UsageError, match="draws anew"):
        export(models("random-normal")[0])


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_smaller_weights_change_little_and_say_how_much(models, name):
    folder, exported = models(name)
    spread = np.std(folder.config.reference.scores)
    half, bytes_ = export(folder, fp16=True).data, quantized(exported.data)
    assert len(half) < 0.9 * len(exported.data)
    assert len(bytes_) < 0.9 * len(exported.data)
    inputs = (
        [np.stack([compute(FRONTEND, song(i))[:LENGTH] for i in range(3)])] if name == "cnn" else [np.ones((3, 40))]
    )
    inputs = [each.astype(np.float32) for each in inputs]
    plain = answers(exported.data, inputs)
    for smaller, limit in ((half, 0.01), (bytes_, 0.3)):
        np.testing.assert_allclose(answers(smaller, inputs), plain, atol=limit * spread)
        metadata = session(smaller).get_modelmeta().custom_metadata_map
        assert metadata == session(exported.data).get_modelmeta().custom_metadata_map
        report = change_report(folder, exported.data, smaller, "smaller")
        assert report.startswith("smaller: scores change by ")
        assert "change by 0 on" not in report


def test_models_without_matrices_stay_as_they_are(models):
    folder, exported = models("boosted-trees")
    assert quantized(exported.data) == exported.data
    assert "change by 0 on average and 0 at most" in change_report(
        folder, exported.data, exported.data, "8-bit weights"
    )


def test_the_command_takes_one_way_of_storing_weights(models, tmp_path):
    folder, _ = models("mlp")
    arguments = ["export-onnx", str(folder.folder), "-o", str(tmp_path / "m.onnx"), "--fp16", "--int8"]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, UsageError) or result.exit_code == 2
    assert not (tmp_path / "m.onnx").exists()
