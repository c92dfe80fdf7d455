"""Embeddings with small random networks, saved by the tests and loaded as published checkpoints are."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn import functional

from hitpredict.audio.clip import Clip
from hitpredict.datasets.web.cache import note_repository
from hitpredict.datasets.web.hashes import hash_of, record
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.features.embeddings import loading
from hitpredict.features.embeddings.ast import AstEmbedding
from hitpredict.features.embeddings.stream import pieces, windows
from hitpredict.features.embeddings.vggish import VggishEmbedding
from hitpredict.features.embeddings.vggish_network import VggishNetwork, load_network, load_whitening
from hitpredict.features.embeddings.wav2vec2 import Wav2Vec2Embedding
from hitpredict.frontends import Vggish, compute
from tests.helpers import checkpoints
from tests.helpers.checkpoints import CONVOLUTIONS, pca_tensors, vggish_tensors
from tests.helpers.sounds import tune


def cut(clip: Clip, seed: int = 0) -> list[np.ndarray]:
    """The samples of a clip in blocks of odd sizes."""
    edges = np.cumsum(np.random.default_rng(seed).integers(1, 9000, clip.frames // 4500))
    return [block for block in np.split(clip.samples, edges, axis=1) if block.size]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def ast_folder(tmp_path_factory) -> Path:
    return checkpoints.ast(tmp_path_factory.mktemp("ast"))


@pytest.fixture(scope="module")
def wav2vec2_folder(tmp_path_factory) -> Path:
    return checkpoints.wav2vec2(tmp_path_factory.mktemp("wav2vec2"))


@pytest.fixture(scope="module")
def vggish_file(tmp_path_factory) -> Path:
    return checkpoints.vggish(tmp_path_factory.mktemp("vggish") / "vggish.pth")


def vggish_by_hand(patches: np.ndarray) -> np.ndarray:
    """The network as a formula: the dense weights name row, column and channel of the last map, in this order."""
    weights = vggish_tensors()
    maps = torch.from_numpy(patches)[:, None]
    for index in CONVOLUTIONS:
        maps = functional.conv2d(
            maps, weights[f"features.{index}.weight"], weights[f"features.{index}.bias"], padding=1
        )
        maps = maps.clamp(min=0)
        if index not in (6, 11):
            maps = maps.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-2, -1))
    first = weights["embeddings.0.weight"].reshape(4096, 6, 4, 512)
    hidden = torch.einsum("nctf,otfc->no", maps, first) + weights["embeddings.0.bias"]
    for index in (2, 4):
        hidden = hidden.clamp(min=0) @ weights[f"embeddings.{index}.weight"].T + weights[f"embeddings.{index}.bias"]
    return hidden.clamp(min=0).numpy()


def test_vggish_has_its_published_size():
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in VggishNetwork().parameters())
    assert count == 72_141_184


def test_vggish_equals_its_formula(vggish_file):
    clip = tune(3.2, 16000, 1)
    expected = vggish_by_hand(compute(Vggish(), clip))
    ours = VggishEmbedding(str(vggish_file), pool="none")([clip.samples], 16000)
    assert ours.shape == (3, 128)
    assert 0.5 < (expected > 0).mean() < 1
    assert expected.std(axis=0).max() > 0.01
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)


def test_both_ports_of_vggish_and_both_files_load_to_the_same(vggish_file, tmp_path):
    tensors = vggish_tensors()
    torch.save({name.replace("embeddings.", "fc."): tensor for name, tensor in tensors.items()}, tmp_path / "port.pth")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "w.safetensors")
    patches = torch.from_numpy(compute(Vggish(), tune(1.5, 16000, 1)))
    with torch.inference_mode():
        first, *others = (
            load_network(path)(patches) for path in (vggish_file, tmp_path / "port.pth", tmp_path / "w.safetensors")
        )
    for other in others:
        torch.testing.assert_close(other, first, rtol=1e-3, atol=1e-4)


def test_vggish_is_whitened_and_quantised(vggish_file):
    clip = tune(3.2, 16000, 1)
    raw = VggishEmbedding(str(vggish_file), pool="none")([clip.samples], 16000)
    ours = VggishEmbedding(str(vggish_file), str(vggish_file), pool="none")([clip.samples], 16000)
    pca = {name: tensor.numpy().astype(np.float64) for name, tensor in pca_tensors().items()}
    for row, result in zip(raw, ours, strict=True):
        turned = pca["pca_eigen_vectors"] @ (row[:, None] - pca["pca_means"])
        expected = (np.clip(turned[:, 0], -2, 2) + 2) * 255 / 4
        np.testing.assert_allclose(result, expected, atol=0.501)
    assert ours.dtype == np.float32
    assert set(ours.ravel()) <= set(range(256))
    assert len(set(ours.ravel())) > 20


def test_vggish_pools_over_all_batches_of_a_long_sound(vggish_file, monkeypatch):
    monkeypatch.setattr("hitpredict.features.embeddings.vggish._BATCH", 2)
    clip = tune(5.2, 16000, 2)
    sequence = VggishEmbedding(str(vggish_file), pool="none")([clip.samples], 16000)
    pooled = VggishEmbedding(str(vggish_file))
    assert sequence.shape == (5, 128)
    np.testing.assert_allclose(pooled(cut(clip), 16000), sequence.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(pooled([clip.samples], 16000), pooled([clip.samples], 16000))
    assert pooled.columns is not None
    assert (pooled.columns[0], pooled.columns[127], len(pooled.columns)) == ("vggish_000", "vggish_127", 128)


def broken_files(folder: Path) -> dict[str, str]:
    tensors = vggish_tensors()
    torch.save({name: tensor for name, tensor in tensors.items() if "11" not in name}, folder / "short.pth")
    torch.save(tensors | {"embeddings.4.bias": torch.zeros(100)}, folder / "shape.pth")
    torch.save(tensors | {"classifier": torch.zeros(1)}, folder / "more.pth")
    torch.save([1, 2], folder / "list.pth")
    torch.save({"code": Path("x")}, folder / "code.pth")
    (folder / "text.pth").write_text("not weights")
    (folder / "text.safetensors").write_text("not weights")
    return {
        "none.pth": "No such file.*hitpredict fetch weights vggish",
        "short.pth": r"not weights of VGGish: lacks features\.11\.weight; lacks features\.11\.bias",
        "shape.pth": r"embeddings\.4\.bias is \(100,\), not \(128,\)",
        "more.pth": "has an unknown classifier",
        "list.pth": "something else than a table",
        "code.pth": "not a file of weights",
        "text.pth": "not a file of weights",
        "text.safetensors": "not a file of weights",
    }


def test_wrong_weights_of_vggish_are_one_clear_line(tmp_path, vggish_file):
    for name, message in broken_files(tmp_path).items():
        with pytest.raises(EnvironmentProblem, match=message) as caught:
            load_network(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(EnvironmentProblem, match="lacks pca_eigen_vectors"):
        load_whitening(tmp_path / "more.pth")
    assert load_whitening(vggish_file).means.shape == (128,)


def ast_by_hand(folder: Path, samples: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        # At 16 kHz the lowest of Kaldi's 128 triangles holds no bin, and the extractor warns of its own filter bank.
        warnings.filterwarnings("ignore", "At least one mel filter has all zero values")
        extractor = transformers.ASTFeatureExtractor.from_pretrained(folder)
    model = transformers.ASTModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        return model(**extractor(samples, sampling_rate=16000, return_tensors="pt")).pooler_output[0].numpy()


def test_ast_equals_its_own_feature_extractor_and_model(ast_folder):
    samples = tune(2.0, 16000, 1).samples
    embedding = AstEmbedding(str(ast_folder))
    assert (embedding.frontend.mean, embedding.frontend.deviation) == (-5.0, 3.0)
    ours = embedding([samples], 16000)
    assert ours.shape == (16,)
    assert embedding.columns == tuple(f"ast_{i:03}" for i in range(16))
    np.testing.assert_allclose(ours, ast_by_hand(ast_folder, samples[0]), rtol=1e-3, atol=1e-3)


def test_ast_windows_are_the_embeddings_of_their_own_sound(ast_folder):
    samples = tune(6.5, 16000, 1).samples
    frames, window = (104000 - 400) // 160 + 1, 255 * 160 + 400
    for overlap, starts in ((0.0, (0, 256, frames - 256)), (0.5, (0, 128, 256, 384, frames - 256))):
        ours = AstEmbedding(str(ast_folder), overlap, pool="none")([samples], 16000)
        expected = [ast_by_hand(ast_folder, samples[0, s * 160 : s * 160 + window]) for s in starts]
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)
        pooled = AstEmbedding(str(ast_folder), overlap)([samples], 16000)
        np.testing.assert_allclose(pooled, ours.mean(axis=0), rtol=1e-5, atol=1e-6)


def test_ast_takes_the_scaling_of_audioset_where_the_checkpoint_names_none(ast_folder, tmp_path):
    folder = Path(shutil.copytree(ast_folder, tmp_path / "bare"))
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    assert AstEmbedding(str(folder)).frontend.mean == -4.2677393
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    (other / "preprocessor_config.json").write_text(json.dumps(settings | {"sampling_rate": 32000}))
    with pytest.raises(EnvironmentProblem, match="made for sound at 32000 Hz, not 16000"):
        AstEmbedding(str(other))([tune(1.0, 16000).samples], 16000)


def wav2vec2_by_hand(folder: Path, samples: np.ndarray, layer: int | None = None) -> np.ndarray:
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    model = transformers.Wav2Vec2Model.from_pretrained(folder).eval()
    with torch.inference_mode():
        output = model(
            **extractor(samples, sampling_rate=16000, return_tensors="pt"), output_hidden_states=layer is not None
        )
    return (output.last_hidden_state if layer is None else output.hidden_states[layer])[0].numpy()


@pytest.mark.parametrize("layer", [None, 0, 1, 2])
def test_wav2vec2_equals_its_own_feature_extractor_and_model(wav2vec2_folder, layer):
    samples = tune(1.7, 16000, 1).samples
    expected = wav2vec2_by_hand(wav2vec2_folder, samples[0], layer)
    for pool, result in (("none", expected), ("mean", expected.mean(axis=0)), ("first", expected[0])):
        embedding = Wav2Vec2Embedding(str(wav2vec2_folder), layer, pool)
        np.testing.assert_allclose(embedding([samples], 16000), result, rtol=1e-3, atol=1e-4)
        assert embedding.columns == (None if pool == "none" else tuple(f"wav2vec2_{i:03}" for i in range(16)))


def test_wav2vec2_passes_a_long_sound_in_chunks(wav2vec2_folder):
    samples = tune(5.4, 16000, 1).samples
    # 5.4 s in chunks of 1.5 s: what is left after the third is shorter than a second and joins it.
    chunks = [samples[0, :24000], samples[0, 24000:48000], samples[0, 48000:]]
    expected = np.concatenate([wav2vec2_by_hand(wav2vec2_folder, chunk) for chunk in chunks])
    ours = Wav2Vec2Embedding(str(wav2vec2_folder), pool="none", seconds=1.5)([samples], 16000)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)
    pooled = Wav2Vec2Embedding(str(wav2vec2_folder), seconds=1.5)([samples], 16000)
    np.testing.assert_allclose(pooled, expected.mean(axis=0), rtol=1e-3, atol=1e-4)


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
