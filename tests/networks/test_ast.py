import pytest
import torch
from transformers import ASTConfig, ASTModel, DeiTConfig, DeiTModel, ViTConfig, ViTModel

from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.networks.ast import Ast
from hitpredict.networks.vit import resize_positions
from tests.helpers.learning import check_export, trained
from tests.helpers.marks import few_by_default

WIDTHS = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
TINY = {"config": {**WIDTHS, "patch_size": 4}, "strides": (3, 3)}
SHAPES = [(22, 10)]


def checkpoint(tmp_path) -> tuple[ASTModel, str]:
    """A pretrained AST of 3 × 7 patches, its positions not zero."""
    torch.manual_seed(3)
    sizes = {"patch_size": 4, "frequency_stride": 3, "time_stride": 3, "max_length": 22, "num_mel_bins": 10}
    model = ASTModel(ASTConfig(**WIDTHS, **sizes)).eval()
    torch.nn.init.normal_(model.embeddings.position_embeddings)
    model.save_pretrained(tmp_path)
    return model, str(tmp_path)


def positions(network: Ast) -> torch.Tensor:
    return network.body.embeddings.position_embeddings


@pytest.mark.parametrize(("size", "millions"), [("tiny", 5.6), ("small", 21.9), ("base", 86.1)])
def test_the_published_sizes(size, millions):
    with torch.device("meta"):
        network = Ast([(1024, 128)], 1, size=size)
    assert positions(network).shape[1] == 12 * 101 + 2 == 1214
    assert sum(weight.numel() for weight in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_pooling_is_the_mean_of_the_two_tokens_after_the_normalisation(tmp_path):
    model, folder = checkpoint(tmp_path)
    network = Ast(SHAPES, 3, checkpoint=folder).eval()
    energies = torch.randn(2, 22, 10)
    with torch.no_grad():
        last = model(energies).last_hidden_state
        torch.testing.assert_close(network(energies), network.head((last[:, 0] + last[:, 1]) / 2))


def test_positions_follow_the_length_and_the_strides(tmp_path):
    model, folder = checkpoint(tmp_path)
    old = model.embeddings.position_embeddings
    shorter = Ast([(13, 10)], 1, checkpoint=folder)
    grid = old[:, 2:].reshape(3, 7, -1)
    torch.testing.assert_close(positions(shorter)[0, 2:].reshape(3, 4, -1), grid[:, 1:5])
    torch.testing.assert_close(positions(shorter)[:, :2], old[:, :2])
    longer = Ast([(34, 10)], 1, checkpoint=folder)
    torch.testing.assert_close(positions(longer), resize_positions(old, 2, (3, 7), (3, 11)))
    denser = Ast(SHAPES, 1, checkpoint=folder, strides=(2, 1))
    torch.testing.assert_close(positions(denser), resize_positions(old, 2, (3, 7), (4, 19)))
    assert denser(torch.randn(1, 22, 10)).shape == (1, 1)


def test_a_distilled_deit_gives_its_positions_and_its_kernel(tmp_path):
    torch.manual_seed(3)
    model = DeiTModel(DeiTConfig(**WIDTHS, image_size=20, patch_size=4)).eval()
    torch.nn.init.normal_(model.embeddings.position_embeddings)
    model.save_pretrained(tmp_path)
    # With the image model's own grid it answers as the image model does on three equal colours.
    network = Ast([(20, 20)], 1, checkpoint=str(tmp_path), strides=(4, 4)).eval()
    energies = torch.randn(2, 20, 20)
    with torch.no_grad():
        seen = model(energies.transpose(1, 2)[:, None].expand(-1, 3, -1, -1)).last_hidden_state
        torch.testing.assert_close(network.body(energies).last_hidden_state, seen, rtol=1e-4, atol=1e-5)
    resized = Ast([(40, 10)], 1, checkpoint=str(tmp_path), strides=(4, 4))
    old = model.embeddings.position_embeddings
    torch.testing.assert_close(positions(resized), resize_positions(old, 2, (5, 5), (2, 10)))


def test_it_is_built_again_without_the_checkpoint(tmp_path):
    _, folder = checkpoint(tmp_path)
    network = Ast([(13, 10)], 1, checkpoint=folder, strides=(2, 2)).eval()
    again = Ast([(13, 10)], 1, **network.network_state).eval()
    again.load_state_dict(network.state_dict())
    energies = torch.randn(1, 13, 10)
    torch.testing.assert_close(again(energies), network(energies))


def test_the_two_tokens_do_not_start_equal():
    body = Ast(SHAPES, 1, **TINY).body.embeddings
    assert not torch.allclose(body.cls_token, body.distillation_token)


def test_a_probe_learns_in_its_head_only(tmp_path):
    _, folder = checkpoint(tmp_path)
    network = Ast(SHAPES, 1, checkpoint=folder, frozen=True).train()
    assert not network.body.training
    learnt = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert learnt == {"head.0.weight", "head.0.bias", "head.2.weight", "head.2.bias"}


def test_it_learns():
    torch.manual_seed(0)
    level = torch.randn(48)
    energies = torch.randn(48, 22, 10) + level[:, None, None]
    assert trained(Ast(SHAPES, 1, **TINY), (energies,), level, steps=40) < 0.1 * float(level.var())


def test_a_sigmoid_keeps_to_zero_and_one():
    scores = Ast(SHAPES, 1, **TINY, activation="sigmoid")(20 * torch.randn(4, 22, 10))
    assert ((scores > 0) & (scores < 1)).all()


@pytest.mark.parametrize("frozen", few_by_default([True, False]))
def test_export(frozen):
    torch.manual_seed(0)
    check_export(Ast(SHAPES, 2, **TINY, frozen=frozen), SHAPES)


@pytest.mark.parametrize(
    ("shapes", "options"), [([(22,)], {}), (SHAPES, {"size": "huge"}), (SHAPES, {"activation": "tanh"})]
)
def test_inputs_and_options_that_do_not_fit(shapes, options):
    with pytest.raises(UsageError):
        Ast(shapes, 1, **options)


def test_checkpoints_that_are_not_there_or_of_another_network(tmp_path):
    with pytest.raises(EnvironmentProblem, match="neither a folder nor in the local cache"):
        Ast(SHAPES, 1, checkpoint="nobody/no-such-checkpoint")
    ViTModel(ViTConfig(**WIDTHS, image_size=8, patch_size=4)).save_pretrained(tmp_path)
    with pytest.raises(EnvironmentProblem, match="type vit, not audio-spectrogram-transformer"):
        Ast(SHAPES, 1, checkpoint=str(tmp_path))
