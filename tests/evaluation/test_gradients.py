"""Integrated gradients of networks whose answers are known."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hitpredict.audio.sound import Sound
from hitpredict.errors import UsageError
from hitpredict.evaluation.gradients import NetworkGradients
from hitpredict.explanation.occlusion import bands_up_to
from hitpredict.explanation.sections import SongSection
from hitpredict.frontends import LogMel, MfccStats, compute, to_json
from hitpredict.model_folder.config import InputSpec
from hitpredict.networks.model import NetworkModel, Scaler
from tests.helpers.sounds import tune

SECTIONS = [SongSection(0.0, 1.5, "A"), SongSection(1.5, 3.0, "B")]
BANDS = bands_up_to(4000)


def folder_of(network, spec, fitted, domain=None, folder=Path("nowhere")):
    """What a model folder offers, around a network."""
    scaler = Scaler(spec.scaling, spec.width)
    scaler.fit(fitted)
    model = NetworkModel(network, [scaler], "regression", 0, (40.0, 10.0)).eval()
    domain = domain or SimpleNamespace(log_from=-1)
    config = SimpleNamespace(features=(spec,))
    return SimpleNamespace(folder=folder, config=config, windows=[spec.window], network=model, domain=domain)


def vectors():
    columns = MfccStats().columns
    return InputSpec(to_json(MfccStats()), columns, (40,), None, "zscore", 40)


def test_a_linear_model_adds_weight_times_distance_from_the_mean():
    clip, random = tune(3), np.random.default_rng(0)
    table = random.normal(5, 2, (50, 40))
    network = torch.nn.Linear(40, 1)
    folder = folder_of(network, vectors(), table)
    found, error = NetworkGradients(folder)(Sound.of(clip), SECTIONS, BANDS)
    weights = 10 * network.weight.detach().numpy()[0] / table.std(axis=0)
    expected = weights * (compute(MfccStats(), clip) - table.mean(axis=0))
    assert [each.label for each in found] == list(MfccStats().columns)
    assert [each.share for each in found] == pytest.approx(list(expected), rel=1e-3, abs=1e-4)
    assert error < 1e-4
    assert {(each.begin, each.low) for each in found} == {(None, None)}


def test_what_is_left_out_of_a_curved_model_is_below_one_percent():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(40, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1), torch.nn.Sigmoid())
    folder = folder_of(network, vectors(), np.random.default_rng(0).normal(0, 40, (50, 40)))
    found, error = NetworkGradients(folder)(Sound.of(tune(3)), SECTIONS, BANDS)
    assert error < 0.01
    assert max(abs(each.share) for each in found) > 0.01


class OneCell(torch.nn.Module):
    """Hears some frames of one band alone."""

    def __init__(self, frames, bins):
        super().__init__()
        self.where = frames, bins

    def forward(self, x):
        frames, bins = self.where
        return x[:, frames, bins].mean(dim=(1, 2))[:, None]


def test_spectrograms_are_summed_by_section_and_band():
    clip, frontend = tune(3, 8000), LogMel(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16)
    spec = InputSpec(to_json(frontend), None, (188, 16), {"length": 188, "pad": "least"}, "zscore", 1)
    # The second half of the frames, and the bins around 1 kHz.
    network = OneCell(slice(100, 180), slice(6, 8))
    centre = np.concatenate([np.linspace(-30, -10, 16), np.ones(16)])
    domain = SimpleNamespace(log_from=16, centre=centre)
    folder = folder_of(network, spec, np.random.default_rng(0).normal(-20, 5, (500, 1)), domain)
    found, error = NetworkGradients(folder)(Sound.of(clip), SECTIONS, BANDS)
    heard = [each for each in found if abs(each.share) > 1e-6]
    assert {(each.begin, each.label[:1]) for each in heard} == {(1.5, "B")}
    assert all(each.low > 700 and each.high < 3000 for each in heard)
    frames = compute(frontend, clip)[100:180, 6:8]
    scale = float(folder.network.scalers[0].scale[0])
    expected = 10 * (frames - centre[6:8]).mean() / scale
    assert sum(each.share for each in found) == pytest.approx(expected, rel=1e-3)
    assert error < 1e-3


def test_estimators_have_no_gradients(tmp_path):
    (tmp_path / "estimator.onnx").touch()
    with pytest.raises(UsageError, match="is an estimator, which has no gradients"):
        NetworkGradients(SimpleNamespace(folder=tmp_path))
