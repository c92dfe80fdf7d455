"""Does a file with the front-end folded in score samples as the sound does?"""

import json

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from hitpredict.audio.clip import Clip
from hitpredict.cli.app import app
from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.export import waveform as onnx_waveform
from hitpredict.export.parity import ParityError, answers
from hitpredict.export.waveform import with_front_end
from hitpredict.frontends import LogMel, compute
from hitpredict.scoring.scorer import Scorer
from tests.helpers.exporting import FRONTEND, LENGTH, MIDDLE, RATE, session, song
from tests.helpers.marks import few_by_default


@pytest.mark.parametrize("name", few_by_default(["cnn-classes", "cnn"]))
def test_samples_score_as_the_sound_does(models, tmp_path, name):
    folder, exported = models(name)
    data = with_front_end(exported.data, folder)
    assert with_front_end(exported.data, folder) == data
    opened = session(data)
    assert [(each.name, each.shape) for each in opened.get_inputs()] == [("samples", ["N", "S"])]
    assert opened.get_outputs()[0].name == "score"
    (tmp_path / "plain.onnx").write_bytes(exported.data)
    scorer = Scorer(str(tmp_path / "plain.onnx"), "cpu")
    spread = np.std(folder.config.reference.scores)
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


@pytest.mark.slow
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
    with pytest.raises(EnvironmentProblem, match="export it without `waveform`"):
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
    spread = np.std(folder.config.reference.scores)
    samples = song(3, 1.5, 2.0).samples
    np.testing.assert_allclose(answers(file.read_bytes(), [samples]), answers(full, [samples]), atol=0.3 * spread)
