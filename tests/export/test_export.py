"""From a model folder to one file: the same answers, everything that scoring needs, and samples as input."""

import json

import numpy as np
import onnx
import onnxruntime
import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from hitpredict import recipes
from hitpredict.audio.clip import Clip
from hitpredict.cli.app import app
from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.export import waveform as onnx_waveform
from hitpredict.export.export import export
from hitpredict.export.graph import quantized
from hitpredict.export.parity import ParityError, answers, change_report
from hitpredict.export.waveform import with_front_end
from hitpredict.frontends import LogMel, MfccStats, compute, to_json
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.model_folder.predictions import batches_of, by_owner
from hitpredict.scoring.scorer import Scorer
from hitpredict.tables.join import load
from hitpredict.training.run import Request, train

SONGS, RATE, LENGTH = 120, 8000, 100
FRONTEND = LogMel(sample_rate=RATE, n_fft=256, hop_length=128, n_mels=16)
MIDDLE = {"length": LENGTH, "pad": "least", "place": "middle"}
CONTENTS = ("schema", "name", "version", "card", "frontend", "windows", "calibration", "domain", "reference", "target")


def song(seed: int, noise: float = 1.0, seconds: float = 3.0) -> Clip:
    """A tone that comes in late, and noise."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    tone = 0.1 * np.sin(2 * np.pi * (200 + 100 * random.random()) * time) * (time > 0.2)
    return Clip((tone + 0.02 * noise * random.normal(size=time.size))[None].astype(np.float32), RATE, "song")


def write_arrays(path, arrays, frontend):
    ids = [str(number) for number in range(len(arrays))]
    columns = {"path": ids, "track_id": ids, "values": [a.ravel() for a in arrays], "shape": [a.shape for a in arrays]}
    metadata = {"hitpredict.kind": json.dumps(to_json(frontend))}
    pyarrow.parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), path)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Spectrograms of songs with more and less noise, vectors, and labels that say how much noise it is."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    noise = 3 * random.random(SONGS)
    write_arrays(folder / "frames.parquet", [compute(FRONTEND, song(i, noise[i])) for i in range(SONGS)], FRONTEND)
    vectors = np.abs(random.normal(size=(SONGS, 40))) + noise[:, None]
    for name, columns in (("vectors", MfccStats().columns), ("unknown", [f"column {i}" for i in range(40)])):
        lines = [f"{i},{','.join(map(str, row))}" for i, row in enumerate(vectors)]
        (folder / f"{name}.csv").write_text("\n".join([f"track_id,{','.join(columns)}", *lines]) + "\n")
    rows = "".join(f"{i},{noise[i]},artist {i // 3}\n" for i in range(SONGS))
    (folder / "labels.csv").write_text(f"track_id,noise,artist\n{rows}")
    return folder


def cnn(task="regression", **settings):
    """The convolutional network at toy size."""
    window = {"scaling.windows": [{"length": LENGTH, "pad": "least"}]}
    size = {"network.filters": [4, 8], "network.pools": [[4, 4], [4, 4]], "network.hidden": [256]}
    fit = {"epochs": 3, "batch_size": 32, "training.learning_rate": 0.01, "target.quantiles": [0.512]}
    recipe = recipes.load("hiphop-cnn").changed({**window, **size, **fit, **settings})
    other = {"task": "regression", "target": {}, "loss": {"name": "mse"}}
    return recipes.Recipe.from_json({**recipe.to_json(), **(other if task == "regression" else {})})


def small(name):
    return recipes.load(name).changed({"epochs": 3, "hidden": [256, 64]} if name == "mlp" else {})


@pytest.fixture(scope="module")
def models(tables, tmp_path_factory):
    """Trained models by name, made when first asked for."""
    folder, made = tmp_path_factory.mktemp("models"), {}
    known = {
        "linear": (small("linear"), ["vectors.csv"]),
        "boosted-trees": (recipes.load("boosted-trees").changed({"n_estimators": 20}), ["vectors.csv"]),
        "mlp": (small("mlp"), ["vectors.csv"]),
        "two-tables": (small("linear"), ["vectors.csv", "vectors.csv"]),
        "linear-frames": (small("linear"), ["frames.parquet"]),
        "unknown": (small("mlp"), ["unknown.csv"]),
        "cnn": (cnn(), ["frames.parquet"]),
        "cnn-whole": (cnn(**{"scaling.windows": []}), ["frames.parquet"]),
        "cnn-classes": (cnn("classification"), ["frames.parquet"]),
        "cnn-middle": (cnn(**{"scaling.windows": [MIDDLE]}), ["frames.parquet"]),
        "random-normal": (recipes.load("random-normal"), ["vectors.csv"]),
    }

    def model(name):
        if name not in made:
            recipe, features = known[name]
            data = load([tables / each for each in features], tables / "labels.csv", ["noise"], "artist", [])
            train(Request(recipe, tables / "labels.csv"), data, folder / name)
            opened = ModelFolder(folder / name)
            made[name] = opened, None if name in ("unknown", "random-normal") else export(opened)
        return made[name]

    return model


def session(data):
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


EXPORTED = ["linear", "boosted-trees", "mlp", "two-tables", "linear-frames", "cnn", "cnn-classes"]


@pytest.mark.parametrize("name", EXPORTED)
def test_the_file_answers_as_the_model_for_any_batch(models, tables, name):
    folder, exported = models(name)
    assert exported.difference < 1e-4
    names = ["vectors.csv"] if name in ("linear", "mlp", "boosted-trees") else ["frames.parquet"]
    names = ["vectors.csv"] * 2 if name == "two-tables" else names
    data = load([tables / each for each in names], tables / "labels.csv", ["noise"], "artist", [])
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
    assert metadata["hitpredict.name"] == folder.recipe["name"]
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
    spread = np.std(folder.config["reference"]["scores"])
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


@pytest.mark.parametrize("name", ["cnn", "cnn-classes"])
def test_samples_score_as_the_sound_does(models, tmp_path, name):
    folder, exported = models(name)
    data = with_front_end(exported.data, folder)
    assert with_front_end(exported.data, folder) == data
    opened = session(data)
    assert [(each.name, each.shape) for each in opened.get_inputs()] == [("samples", ["N", "S"])]
    assert opened.get_outputs()[0].name == "score"
    (tmp_path / "plain.onnx").write_bytes(exported.data)
    scorer = Scorer(str(tmp_path / "plain.onnx"), "cpu")
    spread = np.std(folder.config["reference"]["scores"])
    # Less than a window, one, one and a half (rounded to two), and so many that the last is left out.
    for seconds in (0.3, 1.6, 2.4, 5.1):
        clips = [song(seed, 1 + seed, seconds) for seed in (1, 2)]
        found = opened.run(["score"], {"samples": np.concatenate([clip.samples for clip in clips])})[0]
        expected = [scorer.score(clip).score for clip in clips]
        np.testing.assert_allclose(found, expected, atol=1e-3 * spread, err_msg=f"{seconds} s")


def test_the_file_says_what_samples_it_takes(models):
    folder, exported = models("cnn")
    data = with_front_end(exported.data, folder)
    metadata = session(data).get_modelmeta().custom_metadata_map
    takes = json.loads(metadata["hitpredict.waveform"])
    assert takes["sample_rate"] == RATE
    clip = Clip(song(0).samples[:, : takes["samples"]], RATE, "clip")
    assert len(compute(FRONTEND, clip)) == LENGTH
    assert len(compute(FRONTEND, Clip(clip.samples[:, 1:], RATE, "clip"))) == LENGTH - 1
    assert answers(data, [song(0).samples[:, : takes["least_samples"]]]).shape == (1,)
    assert metadata["hitpredict.card"] == session(exported.data).get_modelmeta().custom_metadata_map["hitpredict.card"]


def test_a_model_of_the_middle_looks_nowhere_else(models, tmp_path):
    folder, exported = models("cnn-middle")
    (tmp_path / "middle.onnx").write_bytes(exported.data)
    scorer = Scorer(str(tmp_path / "middle.onnx"))
    assert scorer.windows == [MIDDLE]
    clip = song(2, seconds=5.0)
    edges, centre = clip.samples.copy(), clip.samples.copy()
    edges[:, :RATE] *= 0.5
    edges[:, -RATE:] *= 0.5
    centre[:, 2 * RATE : 3 * RATE] *= 0.5
    plain, same, other = (scorer.score(Clip(each, RATE, "song")).score for each in (clip.samples, edges, centre))
    assert same == plain != other
    folded = with_front_end(exported.data, folder)
    found = answers(folded, [np.concatenate([clip.samples, centre])])
    np.testing.assert_allclose(found, [plain, other], rtol=1e-3)


def test_models_of_whole_songs_take_samples_of_that_length(models):
    folder, exported = models("cnn-whole")
    data = with_front_end(exported.data, folder)
    clip = song(4)
    expected = answers(exported.data, [compute(FRONTEND, clip)[None]])
    np.testing.assert_allclose(answers(data, [clip.samples]), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "frontend",
    [
        LogMel(RATE, 256, 100, 12, center=False, top_db=None, htk=True, area_norm=False),
        LogMel(RATE, 300, 128, 16, fmin=300, fmax=2000, relative=True, top_db=60, window=150),
        LogMel(RATE, 255, 64, 8, relative=True, top_db=None, amin=1e-5),
        LogMel(RATE, 256, 128, 8, relative="min", top_db=30),
    ],
)
@pytest.mark.parametrize(
    "window", [{"pad": "least"}, {"pad": "zero"}, {"pad": -30.0, "place": "middle"}, {"pad": "least", "place": "start"}]
)
def test_every_parameter_of_the_front_end_is_folded(frontend, window):
    window = {"length": LENGTH, **window}
    graph = _weighted_sum(frontend.n_mels)
    folded = onnx_waveform._folded(graph, frontend, window)
    spread = 0
    for seconds in (0.2, 1.0, 2.5):
        clips = [song(seed, seed, seconds) for seed in (0, 1, 2)]
        found = answers(folded, [np.concatenate([clip.samples for clip in clips])])
        windows = [onnx_waveform.windows_of(compute(frontend, clip), window) for clip in clips]
        expected = np.array([answers(graph, [each]).mean() for each in windows])
        spread = max(spread, np.ptp(expected))
        np.testing.assert_allclose(found, expected, atol=1e-3 * max(spread, 1))


def _weighted_sum(mels):
    """A model that looks at each cell of a window with a weight of its own."""
    weights = np.random.default_rng(0).normal(0, 0.03, (LENGTH * mels, 1)).astype(np.float32)
    made = onnx.helper.make_node
    nodes = [
        made("Reshape", ["features", "flat"], ["row"]),
        made("MatMul", ["row", "weights"], ["column"]),
        made("Reshape", ["column", "all"], ["score"]),
    ]
    constants = {"flat": np.array([-1, LENGTH * mels]), "weights": weights, "all": np.array([-1])}
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "sum",
        [value("features", 1, ["N", LENGTH, mels])],
        [value("score", 1, ["N"])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return onnx.helper.make_model(
        graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 20)]
    ).SerializeToString()


def test_a_folded_front_end_that_differs_is_refused(models, monkeypatch):
    folder, exported = models("cnn")
    monkeypatch.setattr(onnx_waveform, "hann", lambda size: np.ones(size, np.float32))
    with pytest.raises(ParityError, match="with its front-end"):
        with_front_end(exported.data, folder)


@pytest.mark.parametrize("name", ["mlp", "linear-frames"])
def test_other_models_do_not_take_samples(models, name):
    folder, exported = models(name)
    with pytest.raises(UsageError, match="only networks on one table of the kind logmel"):
        with_front_end(exported.data, folder)


def test_scoring_refuses_files_that_take_samples(models, tmp_path):
    folder, exported = models("cnn")
    (tmp_path / "samples.onnx").write_bytes(with_front_end(exported.data, folder))
    with pytest.raises(EnvironmentProblem, match="export it without --waveform"):
        Scorer(str(tmp_path / "samples.onnx"), "cpu")


@pytest.mark.parametrize("smaller", ["--fp16", "--int8"])
def test_the_command_writes_small_files_that_take_samples(models, tmp_path, smaller):
    folder, exported = models("cnn")
    file = tmp_path / "model.onnx"
    result = CliRunner().invoke(app, ["export-onnx", str(folder.folder), "-o", str(file), "--waveform", smaller])
    assert result.exit_code == 0, result.output
    assert "scores change by" in result.output
    full = with_front_end(exported.data, folder)
    assert file.stat().st_size < len(full)
    spread = np.std(folder.config["reference"]["scores"])
    samples = song(3, 1.5, 2.0).samples
    np.testing.assert_allclose(answers(file.read_bytes(), [samples]), answers(full, [samples]), atol=0.3 * spread)


def test_the_command_takes_one_way_of_storing_weights(models, tmp_path):
    folder, _ = models("mlp")
    arguments = ["export-onnx", str(folder.folder), "-o", str(tmp_path / "m.onnx"), "--fp16", "--int8"]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, UsageError) or result.exit_code == 2
    assert not (tmp_path / "m.onnx").exists()
