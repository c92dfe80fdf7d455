import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import ViTConfig, ViTModel

from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.networks.mp2 import Mp2
from hitpredict.networks.vit import resize_positions, square
from hitpredict.training.losses import make_loss
from tests.helpers.learning import check_export, trained
from tests.helpers.marks import few_by_default

TINY = {"dim": 12, "depth": 2, "heads": 3, "patch": 4, "features": 6}
SHAPES = [(20, 8)]
WITH_REGION = [(20, 8), (3,)]


def image_weights(tmp_path, colours: int = 3) -> tuple[ViTModel, str]:
    """A vision transformer as Hugging Face writes it: 5 × 5 patches of 4 × 4 pixels."""
    torch.manual_seed(3)
    sizes = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 48}
    model = ViTModel(ViTConfig(**sizes, image_size=20, patch_size=4, num_channels=colours, layer_norm_eps=1e-6)).eval()
    model.save_pretrained(tmp_path)
    return model, str(tmp_path)


def songs(count: int = 64) -> tuple[Tensor, Tensor]:
    """Energies whose level gives both targets."""
    torch.manual_seed(0)
    level = torch.randn(count)
    return torch.randn(count, 20, 8) + level[:, None, None], torch.stack([level, -level], dim=1)


def test_the_published_size():
    with torch.device("meta"):
        network = Mp2([(2800, 128)], 2)
    assert network.encoder.grid == (8, 175)
    count = sum(weight.numel() for weight in network.encoder.blocks.parameters())
    assert count == 12 * (192 * 3 * 192 + 3 * 192 + 192 * 192 + 192 + 2 * 192 * 768 + 768 + 192 + 4 * 192)
    # timm's vit_tiny_patch16_224 with its class token, RGB kernel, 197 positions and 1000 classes has 5,717,416.
    others = 197 * 192 + 192 + 3 * 256 * 192 + 192 + 2 * 192 + 193 * 1000
    assert count + others == 5_717_416


@pytest.mark.parametrize("mode", ["token", "embedding"])
def test_regions_differ_and_do_not_disturb_one_another(mode):
    network = Mp2(WITH_REGION, 2, **TINY, region_mode=mode).eval()
    energies = torch.randn(1, 20, 8)
    first, last = (network(energies, torch.eye(3)[[index]]) for index in (0, 2))
    assert not torch.allclose(first, last)
    torch.testing.assert_close(network(energies.repeat(3, 1, 1), torch.eye(3))[[0, 2]], torch.cat([first, last]))


def test_the_sum_weighs_four_times_the_debut():
    torch.manual_seed(0)
    network, squared = Mp2(SHAPES, 2, **TINY), make_loss("mse")
    energies, targets = torch.randn(5, 20, 8), torch.randn(5, 2)
    error = (network(energies) - targets).square().mean(dim=0)
    expected = (4 * error[0] + error[1]) / 5
    torch.testing.assert_close(network.training_loss((energies,), targets, squared), expected)


def test_one_target_takes_the_plain_loss():
    network, squared = Mp2(SHAPES, 1, **TINY), make_loss("mse")
    energies, targets = torch.randn(5, 20, 8), torch.randn(5)
    expected = (network(energies)[:, 0] - targets).square().mean()
    torch.testing.assert_close(network.training_loss((energies,), targets, squared), expected)


def test_it_learns():
    energies, targets = songs()
    torch.manual_seed(1)
    assert trained(Mp2(SHAPES, 2, **TINY), (energies,), targets, steps=40) < 0.1 * float(targets.var())


def test_it_learns_from_the_region():
    torch.manual_seed(0)
    number = torch.randint(0, 3, (30,))
    region = torch.eye(3)[number]
    network = Mp2(WITH_REGION, 2, **{**TINY, "depth": 1})
    targets = (number.float() - 1)[:, None].repeat(1, 2)
    assert trained(network, (torch.randn(30, 20, 8), region), targets, steps=60, lr=1e-2) < 0.2 * float(targets.var())


@pytest.mark.parametrize(("shapes", "mode"), few_by_default([(WITH_REGION, "token"), (SHAPES, "embedding")]))
def test_export(shapes, mode):
    torch.manual_seed(0)
    check_export(Mp2(shapes, 2, **TINY, region_mode=mode), shapes)


def test_image_weights_give_the_image_models_answer(tmp_path):
    model, folder = image_weights(tmp_path)
    network = Mp2([(20, 20)], 2, **TINY, checkpoint=folder).eval()
    energies = torch.randn(2, 20, 20)
    # Without its class token the image model sees the patches only.
    tokens = model.embeddings(energies.transpose(1, 2)[:, None].expand(-1, 3, -1, -1))[:, 1:]
    with torch.no_grad():
        for layer in model.layers:
            tokens = layer(tokens)
        expected = network.encoder.head(model.layernorm(tokens)).mean(dim=1)
        torch.testing.assert_close(network.encoder(energies), expected, rtol=1e-4, atol=1e-5)


def test_a_region_token_starts_from_the_class_token(tmp_path):
    model, folder = image_weights(tmp_path)
    network = Mp2([(20, 20), (2,)], 2, **TINY, checkpoint=folder).eval()
    energies = torch.randn(2, 20, 20)
    with torch.no_grad():
        seen = model(energies.transpose(1, 2)[:, None].expand(-1, 3, -1, -1)).last_hidden_state[:, 0]
        got = network.encoder(energies, torch.eye(2))
    torch.testing.assert_close(got, network.encoder.head(seen), rtol=1e-4, atol=1e-5)


def test_timm_names_are_taken_as_they_are(tmp_path):
    torch.manual_seed(0)
    network = Mp2([(20, 20)], 2, **TINY)
    weights = {name: weight for name, weight in network.encoder.state_dict().items() if not name.startswith("head.")}
    weights["patch_embed.proj.weight"] = weights["patch_embed.proj.weight"].repeat(1, 3, 1, 1) / 3
    weights["cls_token"], weights["head.weight"] = torch.zeros(1, 1, 12), torch.zeros(1000, 12)
    weights["pos_embed"] = torch.cat([torch.zeros(1, 1, 12), weights["pos_embed"]], dim=1)
    torch.save({"model": weights}, tmp_path / "vit.pth")
    again = Mp2([(20, 20)], 2, **TINY, checkpoint=str(tmp_path / "vit.pth"))
    again.encoder.head.load_state_dict(network.encoder.head.state_dict())
    energies = torch.randn(1, 20, 20)
    torch.testing.assert_close(again.encoder(energies), network.encoder(energies))


def test_weights_that_are_not_there_or_do_not_fit(tmp_path):
    with pytest.raises(EnvironmentProblem, match="No such file"):
        Mp2(SHAPES, 2, **TINY, checkpoint=str(tmp_path / "none"))
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(EnvironmentProblem, match="not a file of weights"):
        Mp2(SHAPES, 2, **TINY, checkpoint=str(tmp_path / "bad.pth"))
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(EnvironmentProblem, match=r"lacks patch_embed\.proj\.weight"):
        Mp2(SHAPES, 2, **TINY, checkpoint=str(tmp_path / "other.safetensors"))
    _, folder = image_weights(tmp_path)
    with pytest.raises(EnvironmentProblem, match="not weights of this vision transformer"):
        Mp2(SHAPES, 2, **{**TINY, "dim": 24}, checkpoint=folder)
    with pytest.raises(EnvironmentProblem, match=r"lacks blocks\.2"):
        Mp2(SHAPES, 2, **{**TINY, "depth": 3}, checkpoint=folder)


@pytest.mark.parametrize(
    ("shapes", "options"),
    [
        ([(20,)], {}),
        ([(20, 8), (2, 2)], {}),
        ([(3, 8)], {}),
        ([(20, 8), (1,)], {"region_mode": "none"}),
    ],
)
def test_inputs_and_options_that_do_not_fit(shapes, options):
    with pytest.raises(UsageError):
        Mp2(shapes, 2, **{**TINY, **options})


def test_positions_shorter_keep_the_centre_and_longer_are_interpolated():
    columns = torch.arange(6.0).repeat(4, 1)
    positions = torch.cat([torch.full((1, 2, 1), 9.0), columns.reshape(1, 24, 1)], dim=1)
    cut = resize_positions(positions, 2, (4, 6), (2, 4))
    assert cut[0, :2, 0].tolist() == [9, 9]
    assert cut[0, 2:, 0].tolist() == [1, 2, 3, 4] * 2
    stretched = resize_positions(positions, 2, (4, 6), (4, 12))[0, 2:, 0].reshape(4, 12)
    torch.testing.assert_close(stretched[0, 1:-1], torch.arange(0.25, 5, 0.5))
    torch.testing.assert_close(resize_positions(positions, 2, (4, 6), (4, 6)), positions)
    with pytest.raises(ValueError, match="no square"):
        square(24)
