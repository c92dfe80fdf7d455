"""The model file in the package, and the script that makes it."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import hitpredict.models
from hitpredict import mutate
from hitpredict.audio.clip import Clip
from hitpredict.audio.read import read_audio
from hitpredict.frontends.mfcc_stats import MfccStats
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.domain import Domain
from hitpredict.scoring.scorer import Scorer

FOLDER = Path(hitpredict.models.__file__).parent
SCRIPT = Path(__file__).parents[2] / "examples" / "build_bundled_model.py"
RATE = 22050


@pytest.fixture(scope="module")
def session():
    (path,) = FOLDER.glob("*.onnx")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def metadata(session):
    return session.get_modelmeta().custom_metadata_map


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build_bundled_model", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def usual_features(metadata, rows=200):
    """Rows around the centre of the training songs."""
    domain = Domain.from_json(json.loads(metadata["hitpredict.domain"]))
    values = domain.centre + np.random.default_rng(0).normal(size=(rows, 40)) * domain.scale
    return np.hstack([values[:, :20], np.exp(values[:, 20:])]).astype(np.float32)


def test_one_small_file():
    (path,) = FOLDER.glob("*.onnx")
    assert path.stat().st_size <= 5_000_000


def test_scores_are_float32_on_the_scale_and_differ(session, metadata):
    (features,) = session.get_inputs()
    assert (features.name, features.type, features.shape[1:]) == ("features", "tensor(float)", [40])
    assert session.get_outputs()[0].name == "score"
    for rows in (1, 200):
        scores = session.run(None, {"features": usual_features(metadata, rows)})[0]
        assert (scores.dtype, scores.shape) == (np.float32, (rows,))
        assert (scores >= 0).all()
        assert (scores <= 100).all()
    assert scores.std() > 2


@pytest.mark.parametrize("value", [0, -1e6, 1e6])
def test_odd_features_stay_on_the_scale(session, value):
    (score,) = session.run(None, {"features": np.full((1, 40), value, np.float32)})[0]
    assert 0 <= score <= 100


def test_only_tensor_operations():
    (path,) = FOLDER.glob("*.onnx")
    model = onnx.load(path)
    assert not [node.op_type for node in model.graph.node if node.domain or "Tree" in node.op_type]
    assert model.opset_import[0].version <= 20
    assert model.ir_version <= 10


def test_metadata_says_how_to_use_the_model(metadata):
    assert metadata["hitpredict.schema"] == "hitpredict.model/1"
    assert metadata["hitpredict.name"] == "zalo2019-mfcc"
    assert metadata["hitpredict.version"] == "1"
    frontend = json.loads(metadata["hitpredict.frontend"])
    assert frontend.pop("name") == MfccStats.name
    assert MfccStats(**frontend) == MfccStats()
    target = json.loads(metadata["hitpredict.target"])
    assert (target["low"], target["high"]) == (0, 100)
    assert "weak" in target["meaning"]
    reference = json.loads(metadata["hitpredict.reference"])
    assert len(reference["scores"]) == 201
    assert (np.diff(reference["scores"]) >= 0).all()
    assert "Zalo 2019" in reference["name"]


def test_the_interval_is_wide_and_honest(metadata):
    calibration = Calibration.from_json(json.loads(metadata["hitpredict.calibration"]))
    assert calibration.level == 0.8
    (low,), (high,) = calibration.interval([50.0])
    assert 0 <= low < 20
    assert 80 < high <= 100


def test_the_card_in_the_file_is_the_card_beside_it(metadata):
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert metadata["hitpredict.card"] == card
    for word in ("Vietnam", "2018", "Spearman", "must not be used", "random split", "boosted trees"):
        assert word in card


def test_the_noise_floor_is_the_scripts_and_on_the_card(metadata, build):
    assert float(metadata["hitpredict.noise_floor"]) == build.NOISE_FLOOR == Scorer().noise_floor
    assert f"by less than {build.NOISE_FLOOR:g} " in metadata["hitpredict.card"]


def test_inaudible_changes_move_a_song_by_less_than_the_noise_floor():
    song = read_audio(SCRIPT.with_name("song.ogg"))
    later = Clip(song.samples[:, song.rate // 200 :], song.rate, "later")
    changed = [later, mutate(song, gain=0.1), mutate(song, mp3=320)]
    scorer = Scorer()
    usual = scorer.score(song)
    assert all(abs(scorer.score(each).score - usual.score) < usual.noise_floor for each in changed)


def sounds():
    rng = np.random.default_rng(0)
    time = np.arange(10 * RATE) / RATE
    noise = rng.normal(0, 0.1, len(time))
    return {
        "silence": np.zeros(len(time)),
        "white noise": noise,
        "brown noise": np.cumsum(noise) / 100,
        "sine": 0.3 * np.sin(2 * np.pi * 440 * time),
        "clicks": (np.arange(len(time)) % (RATE // 2) == 0).astype(float),
        "bird-like chirps": 0.3 * np.sin(2 * np.pi * (3000 * time + 30 * np.sin(40 * time))) * (np.sin(9 * time) > 0.8),
    }


@pytest.mark.parametrize("name", sounds())
def test_what_is_not_music_is_called_unlike_the_training_songs(name):
    record = Scorer().score(Clip(sounds()[name][None].astype(np.float32), RATE, name))
    assert any(warning.startswith("unlike-training") for warning in record.warnings)


def test_the_middle_of_the_training_songs_is_inside_the_domain(metadata):
    domain = Domain.from_json(json.loads(metadata["hitpredict.domain"]))
    assert domain.distance(usual_features(metadata).mean(axis=0, keepdims=True))[0] < 0.5


def write_table(folder, rows=120):
    rng = np.random.default_rng(0)
    features, ranks = rng.normal(5, 1, (rows, 40)), rng.integers(1, 11, rows)
    keys = rng.permutation(rows) + 1
    header = ",".join(["track_id", *MfccStats().columns, "tempo", "duration"])
    lines = [",".join(map(str, [key, *row, 120, 200])) for key, row in zip(keys, features, strict=True)]
    (folder / "features.csv").write_text("\n".join([header, *lines]))
    lines = [
        f"{key},{rank},{key // 3},{'test' if key % 10 == 0 else 'train'}" for key, rank in zip(keys, ranks, strict=True)
    ]
    (folder / "tracks.csv").write_text("\n".join(["track_id,chart_rank,group,split", *lines]))
    return dict(zip(keys.tolist(), ranks.tolist(), strict=True))


def test_the_script_takes_the_train_rows_in_order(build, tmp_path):
    ranks = write_table(tmp_path)
    table = build.read_table(tmp_path)
    kept = [key for key in sorted(ranks) if key % 10]
    np.testing.assert_allclose(table.score, [(10 - ranks[key]) / 9 * 100 for key in kept])
    assert table.groups.tolist() == [key // 3 for key in kept]
    assert table.features.shape == (108, 40)


def test_the_exported_model_is_the_fitted_one(build, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "CENTRES", 60)
    write_table(tmp_path)
    table = build.read_table(tmp_path)
    model = build.fit_kernel(table.features, table.score, table.groups)
    data = build.to_onnx(model, {"b": "2", "a": "1"})
    build.check_parity(data, model, table.features)
    again = build.fit_kernel(table.features, table.score, table.groups)
    assert data == build.to_onnx(again, {"a": "1", "b": "2"})
    with pytest.raises(ValueError, match="away"):
        build.check_parity(data, lambda rows: model(rows) + 1, table.features)


def test_the_group_effect_takes_large_groups_down(build):
    groups = np.array([0] * 1000 + [1])
    left = build.without_group_share(np.ones((1001, 1)), groups)[:, 0]
    assert left[0] == pytest.approx(1 / np.sqrt(1 + 1000 * build.GROUP_VARIANCE))
    assert left[-1] == pytest.approx(1 / np.sqrt(1 + build.GROUP_VARIANCE))
