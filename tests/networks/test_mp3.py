import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.networks import mp3
from hitpredict.networks.mp2 import Mp2
from hitpredict.networks.mp3 import SCALE, CurveDecoder, Mp3, curve_loss, week_weights
from tests.helpers.learning import check_export

TINY = {"dim": 12, "depth": 1, "heads": 3, "patch": 4, "features": 6, "decoder_hidden": 8}
SHAPES = [(20, 8)]


def decoder(weeks: int = 7) -> CurveDecoder:
    torch.manual_seed(0)
    return CurveDecoder(6, weeks, blocks=2, heads=2, hidden=8).eval()


def test_a_torch_without_its_private_loop_trains_and_tells_on_export(monkeypatch):
    monkeypatch.setattr(mp3, "scan", None)
    network = Mp3([*SHAPES], 5, **TINY).eval()
    assert network(torch.zeros(2, *SHAPES[0])).shape == (2, 5)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    with pytest.raises(EnvironmentProblem, match="cannot export mp3"):
        network(torch.zeros(2, *SHAPES[0]))


def test_torch_has_no_public_loop_yet():
    """When it has one, the import of the private one and what guards it can go."""
    assert not hasattr(torch, "scan")
    assert not hasattr(torch.func, "scan")


def unused(outputs: Tensor, targets: Tensor) -> Tensor:
    raise AssertionError("the recipe's loss is not used")


def curves(count: int = 32, weeks: int = 8) -> tuple[Tensor, Tensor]:
    """Energies whose level gives where a curve starts; it falls to 0 off the charts."""
    torch.manual_seed(0)
    level = torch.rand(count)
    energies = 2 * level[:, None, None] + 0.3 * torch.randn(count, 20, 8)
    streams = 4 + 2 * level[:, None] - 0.3 * torch.arange(weeks)
    return energies, torch.where(streams > 3, streams, 0.0)


def test_the_published_decoder():
    with torch.device("meta"):
        network = Mp3([(2800, 128)])
    parts = network.decoder
    assert (parts.weeks, parts.head.in_features, len(parts.blocks)) == (104, 34, 2)
    assert {(block.attn.heads, block.mlp.fc1.out_features, block.attn.causal) for block in parts.blocks} == {
        (2, 64, True)
    }
    assert sum(weight.numel() for weight in parts.parameters()) == 104 + 35 + 2 * (
        4 * 34 * 35 + 64 * 35 + 34 * 65 + 4 * 34
    )


def test_no_week_sees_its_own_or_a_later_value():
    network, features, curve = decoder(), torch.randn(1, 6), torch.rand(1, 6, requires_grad=True)
    torch.nn.init.constant_(network.head.bias, 5.0)
    predicted = network.teach(features, curve)
    assert predicted.shape == (1, 7)
    for week in range(7):
        (seen,) = torch.autograd.grad(predicted[0, week], curve, retain_graph=True)
        assert (seen[0, week:] == 0).all()
        assert week == 0 or (seen[0, :week] != 0).any()


def test_free_running_is_teacher_forcing_on_its_own_predictions():
    network, features = decoder(), torch.randn(3, 6)
    curve = network(features, features[:, :0])
    assert curve.shape == (3, 7)
    torch.testing.assert_close(network.teach(features, curve[:, :-1]), curve)


@pytest.mark.parametrize("known", [1, 4, 6])
def test_known_weeks_are_kept(known):
    network, features, start = decoder(), torch.randn(3, 6), torch.rand(3, known)
    rest = network(features, start)
    assert rest.shape == (3, 7 - known)
    whole = torch.cat([start, rest], dim=1)
    torch.testing.assert_close(network.teach(features, whole[:, :-1])[:, known:], rest)


def test_weeks_weigh_less_from_first_to_last():
    weights = week_weights(104)
    assert float(weights[0]) == pytest.approx(9.068, abs=1e-3)
    assert float(weights[-1]) == 1
    assert (weights.diff() < 0).all()


def test_the_loss_by_hand():
    predicted, target = torch.tensor([[0.9, 0.3, 0.9, 0.5]]), torch.tensor([[0.8, 0.0, 0.0, torch.nan]])
    weights = torch.tensor([4.0, 3.0, 2.0, 1.0])
    expected = (4 * 0.1**2 + 0.2 * (3 * 0.3**2 / 2 + 2 * 0.5 * (0.9 - 0.25))) / 3
    torch.testing.assert_close(curve_loss(predicted, target, weights, 0.2), torch.tensor([expected]))


def test_it_learns():
    energies, target = curves()
    torch.manual_seed(1)
    network = Mp3(SHAPES, 8, **TINY)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        network.training_loss((energies,), target, unused).backward()
        optimiser.step()
    charted = target > 0
    with torch.no_grad():
        error = (network.eval()(energies) - target)[charted].square().mean()
    constant = (target - (target.sum(dim=0) / charted.sum(dim=0).clamp(min=1)))[charted].square().mean()
    assert float(error) < 0.5 * float(constant)


def test_curves_are_never_below_zero_and_in_log10_streams():
    torch.manual_seed(0)
    network = Mp3(SHAPES, 9, **TINY).eval()
    energies = torch.randn(4, 20, 8)
    curve = network(energies)
    assert (curve >= 0).all()
    features = network.encoder(energies)
    torch.testing.assert_close(curve, SCALE * network.decoder(features, features[:, :0]))


@pytest.mark.slow
def test_export():
    torch.manual_seed(0)
    check_export(Mp3(SHAPES, 9, **TINY), SHAPES)


def test_a_curve_of_one_week():
    torch.manual_seed(0)
    assert Mp3(SHAPES, 1, **TINY).eval()(torch.randn(2, 20, 8)).shape == (2, 1)


def test_it_starts_from_a_trained_mp2(tmp_path):
    torch.manual_seed(0)
    sizes = {name: value for name, value in TINY.items() if not name.startswith("decoder")}
    parent = Mp2(SHAPES, 2, **sizes)
    save_file(
        {f"network.{name}": weight for name, weight in parent.state_dict().items()}, tmp_path / "model.safetensors"
    )
    child = Mp3(SHAPES, 9, **TINY, encoder=str(tmp_path))
    energies = torch.randn(1, 20, 8)
    torch.testing.assert_close(child.encoder(energies), parent.encoder(energies))
    assert child.network_state == {"encoder": None, "checkpoint": None}
    with pytest.raises(EnvironmentProblem, match="not the weights of an MP2"):
        Mp3(SHAPES, 9, **{**TINY, "depth": 2}, encoder=str(tmp_path))


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(UsageError, match="3 heads do not divide its width 8"):
        Mp3(SHAPES, 9, **TINY, decoder_heads=3)
