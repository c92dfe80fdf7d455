"""What all embeddings keep: blocks, loading, and what is wrong with a checkpoint or a parameter."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hitpredict.datasets.web.cache import note_repository
from hitpredict.datasets.web.hashes import hash_of, record
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.features.embeddings import loading
from hitpredict.features.embeddings.ast import AstEmbedding, AstTags
from hitpredict.features.embeddings.clap import ClapEmbedding
from hitpredict.features.embeddings.stream import pieces, windows
from hitpredict.features.embeddings.vggish import VggishEmbedding
from hitpredict.features.embeddings.wav2vec2 import Wav2Vec2Embedding
from hitpredict.features.embeddings.windowed import WindowedEmbedding
from tests.helpers.sounds import cut, tune

pytestmark = pytest.mark.usefixtures("one_thread")


def test_embeddings_do_not_depend_on_block_edges_and_repeat_exactly(ast_folder, wav2vec2_folder):
    clip = tune(4.5, 44100, 2)
    for embedding in (AstEmbedding(str(ast_folder)), Wav2Vec2Embedding(str(wav2vec2_folder), seconds=2.0)):
        whole = embedding([clip.samples], clip.rate)
        assert whole.dtype == np.float32
        np.testing.assert_array_equal(embedding([clip.samples], clip.rate), whole)
        np.testing.assert_allclose(embedding(cut(clip), clip.rate), whole, rtol=1e-4, atol=1e-4)


def test_a_network_is_loaded_once(ast_folder):
    first = loading.transformer("ASTModel", str(ast_folder), "cpu")
    assert loading.transformer("ASTModel", str(ast_folder), "cpu") is first


def test_too_short_sounds_are_input_errors(ast_folder, wav2vec2_folder, vggish_file):
    kinds = (AstEmbedding(str(ast_folder)), Wav2Vec2Embedding(str(wav2vec2_folder)), VggishEmbedding(str(vggish_file)))
    for embedding in kinds:
        with pytest.raises(InputError, match=f"too short for {embedding.name}"):
            embedding([np.zeros((1, 300), np.float32)], 16000)


def test_what_was_fetched_is_found(ast_folder, vggish_file, tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path))
    folder = tmp_path / "weights" / "someone--tiny-ast" / "0123abc"
    shutil.copytree(ast_folder, folder)
    digests = {each.name: f"sha256:{hash_of(each, 'sha256:')}" for each in folder.iterdir()}
    note_repository("someone/tiny-ast", folder, digests)
    samples = tune(1.0, 16000, 1).samples
    fetched = AstEmbedding("someone/tiny-ast")
    np.testing.assert_array_equal(fetched([samples], 16000), AstEmbedding(str(ast_folder))([samples], 16000))
    with pytest.raises(EnvironmentProblem, match="get it with `hitpredict fetch weights vggish`"):
        VggishEmbedding()([samples], 16000)
    published = tmp_path / "weights" / "vggish-10086976.pth"
    shutil.copy(vggish_file, published)
    with pytest.raises(EnvironmentProblem, match="its hash is not sha256:10086976"):
        VggishEmbedding()([samples], 16000)
    record(published)
    np.testing.assert_array_equal(
        VggishEmbedding()([samples], 16000), VggishEmbedding(str(vggish_file))([samples], 16000)
    )


def test_what_was_fetched_and_then_damaged_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path))
    folder = tmp_path / "weights" / "someone--other" / "0123abc"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    note_repository("someone/other", folder, {"config.json": f"sha256:{'0' * 64}"})
    with pytest.raises(EnvironmentProblem, match=r"config\.json: is damaged .*get it again with `hitpredict fetch"):
        AstEmbedding("someone/other")([tune(1.0, 16000, 1).samples], 16000)


def test_wrong_checkpoints_are_one_clear_line(ast_folder, wav2vec2_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    lacking = Path(shutil.copytree(ast_folder, tmp_path / "lacking"))
    tensors = load_file(lacking / "model.safetensors")
    save_file({name: t for name, t in tensors.items() if "cls_token" not in name}, lacking / "model.safetensors")
    broken = Path(shutil.copytree(ast_folder, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"no weights")
    for checkpoint, message in {
        "nobody/nothing": "neither a folder nor in the local cache; get it with `hitpredict fetch weights`",
        str(tmp_path / "absent"): "neither a folder nor in the local cache",
        str(tmp_path / "empty"): "cannot be loaded: ",
        str(wav2vec2_folder): "a network of type wav2vec2, not audio-spectrogram-transformer",
        str(lacking): r"lacks weights of ASTModel: embeddings\.cls_token$",
        str(broken): "cannot be loaded: ",
    }.items():
        with pytest.raises(EnvironmentProblem, match=message) as caught:
            AstEmbedding(checkpoint)([tune(1.0, 16000).samples], 16000)
        assert "\n" not in str(caught.value)


def test_what_is_missing_is_said_with_its_remedy(ast_folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnvironmentProblem, match="device cuda: torch finds no CUDA GPU"):
        AstEmbedding(str(ast_folder), device="cuda")([tune(1.0).samples], 22050)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'hitpredict\[train\]'"):
        loading.require("a_package_that_is_not_there")


@pytest.mark.parametrize(
    "make",
    [
        lambda: VggishEmbedding("w.pth", pool="max"),
        lambda: AstEmbedding(overlap=1.0),
        lambda: AstEmbedding(device="tpu"),
        lambda: Wav2Vec2Embedding(seconds=0.5),
        lambda: Wav2Vec2Embedding(pool="last"),
    ],
)
def test_senseless_parameters_are_usage_errors(make):
    with pytest.raises(UsageError):
        make()


def test_a_layer_that_the_network_lacks_is_a_usage_error(wav2vec2_folder):
    with pytest.raises(UsageError, match="layer 3 must be between 0 and 2"):
        Wav2Vec2Embedding(str(wav2vec2_folder), layer=3)([tune(1.0).samples], 22050)


@pytest.mark.parametrize("total", [0, 1, 5, 9, 10, 12, 13, 25, 40])
@pytest.mark.parametrize("block", [1, 3, 7, 100])
def test_streams_are_cut_as_promised(total, block):
    rows = np.arange(total, dtype=np.float32)
    blocks = [rows[start : start + block] for start in range(0, total, block)]
    for least in (0, 3):
        parts = list(pieces(blocks, 10, least))
        assert np.concatenate([rows[:0], *parts]).tolist() == rows.tolist()
        assert all(len(part) == 10 for part in parts[:-1])
        assert not parts or min(least, total) <= len(parts[-1]) < 10 + max(least, 1)
    for step in (4, 10):
        found = list(windows(blocks, 10, step))
        starts = [part[0] for part in found]
        regular = list(range(0, total - 9, step))
        last = [total - 10] if total > 10 and (total - 10) % step else []
        assert starts == (regular + last if total >= 10 else [0] * (total > 0))
        assert all(part.tolist() == list(range(int(part[0]), int(part[0]) + min(10, total))) for part in found)


@dataclass(frozen=True)
class Windowed(WindowedEmbedding):
    """Gives the samples of each window themselves."""

    name: ClassVar[str] = "windowed"
    checkpoint: str = ""
    overlap: float = 0.0
    pool: str = "mean"
    device: str = "cpu"

    def parts(self, blocks, rate):
        return (window[None] for window in windows(blocks, 4, self.step(4)))

    def _names(self):
        return tuple("abcd")


@pytest.mark.parametrize(
    ("overlap", "starts"), [(0.0, [0, 4, 6]), (0.5, [0, 2, 4, 6]), (0.75, range(7)), (0.99, range(7))]
)
def test_kinds_by_windows_share_steps_and_pooling(overlap, starts):
    samples = np.arange(10, dtype=np.float32)
    expected = np.stack([samples[start : start + 4] for start in starts])
    each, pooled = Windowed(overlap=overlap, pool="none"), Windowed(overlap=overlap)
    np.testing.assert_array_equal(each([samples], 1), expected)
    np.testing.assert_allclose(pooled([samples], 1), expected.mean(axis=0))
    assert (each.columns, pooled.columns) == (None, ("a", "b", "c", "d"))


@pytest.mark.parametrize("kind", [Windowed, AstEmbedding, AstTags, ClapEmbedding])
@pytest.mark.parametrize("wrong", [{"overlap": 1.0}, {"overlap": -0.1}, {"pool": "max"}, {"device": "tpu"}])
def test_kinds_by_windows_refuse_alike(kind, wrong):
    assert issubclass(kind, WindowedEmbedding)
    with pytest.raises(UsageError, match=rf"^{kind.name}: {next(iter(wrong))} "):
        kind(**wrong)
