"""Is VGGish what was published: its size, its formula, its whitening, its files?"""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from hitpredict.errors import EnvironmentProblem
from hitpredict.features.embeddings.vggish import VggishEmbedding
from hitpredict.features.embeddings.vggish_network import VggishNetwork, load_network, load_whitening
from hitpredict.frontends import Vggish, compute
from tests.helpers.checkpoints import CONVOLUTIONS, pca_tensors, vggish_tensors
from tests.helpers.sounds import cut, tune

pytestmark = pytest.mark.usefixtures("one_thread")


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
