import json
import math

import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining, Wav2Vec2Model

from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.networks import wav2vec2
from hitpredict.networks.wav2vec2 import Wav2Vec2, distractors, span_mask
from tests.helpers.learning import check_export, trained

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8),
    "conv_kernel": (10, 4),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "num_codevectors_per_group": 6,
    "codevector_dim": 8,
    "proj_codevector_dim": 8,
    "num_negatives": 5,
    "layerdrop": 0.0,
}
SHAPES = [(400,)]
FRAMES = 38


def checkpoint(tmp_path, cls=Wav2Vec2Model) -> tuple[torch.nn.Module, str]:
    torch.manual_seed(3)
    model = cls(Wav2Vec2Config(**TINY)).eval()
    model.save_pretrained(tmp_path)
    return model, str(tmp_path)


@pytest.mark.parametrize("samples", [25, 34, 35, 400, 401])
def test_frames_are_those_of_the_library(samples):
    model = Wav2Vec2Model(Wav2Vec2Config(**TINY)).eval()
    assert wav2vec2._frames(model.config, samples) == model(torch.zeros(1, samples)).extract_features.shape[1]


def test_the_published_head_and_frozen_encoder():
    with torch.device("meta"):
        network = Wav2Vec2([(480000,)], 1)
    assert network.head.weight.shape == (1, 768)
    assert network.dropout.p == 0.2
    frozen = {name.split(".")[1] for name, weight in network.named_parameters() if not weight.requires_grad}
    assert frozen == {"feature_extractor"}


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_pooling_of_a_checkpoint_on_the_normalised_waveform(tmp_path, pooling):
    model, folder = checkpoint(tmp_path)
    network = Wav2Vec2(SHAPES, 2, checkpoint=folder, pooling=pooling).eval()
    waveform = 3 + 0.01 * torch.randn(2, 400)
    with torch.no_grad():
        centred = waveform - waveform.mean(1, keepdim=True)
        states = model(centred / (centred.var(1, keepdim=True, correction=0) + 1e-7).sqrt()).last_hidden_state
        expected = network.head(states.mean(1) if pooling == "mean" else states[:, 0])
        torch.testing.assert_close(network(waveform), expected)


def test_a_checkpoint_says_whether_to_normalise(tmp_path):
    _, folder = checkpoint(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False, "sampling_rate": 16000}))
    assert not Wav2Vec2(SHAPES, 1, checkpoint=folder).normalise
    assert Wav2Vec2(SHAPES, 1, checkpoint=folder, normalise=True).normalise


def test_training_leaves_the_shared_checkpoint_alone(tmp_path):
    _, folder = checkpoint(tmp_path)
    first, second = (Wav2Vec2(SHAPES, 1, checkpoint=folder) for _ in range(2))
    with torch.no_grad():
        first.body.feature_projection.projection.weight.zero_()
    assert second.body.feature_projection.projection.weight.abs().sum() > 0


def test_it_is_built_again_without_the_checkpoint(tmp_path):
    _, folder = checkpoint(tmp_path, Wav2Vec2ForPreTraining)
    network = Wav2Vec2(SHAPES, 1, checkpoint=folder, pretrain_epochs=1).eval()
    state = json.loads(json.dumps(network.network_state))
    again = Wav2Vec2(SHAPES, 1, pretrain_epochs=1, **state).eval()
    again.load_state_dict(network.state_dict())
    waveform = torch.randn(1, 400)
    torch.testing.assert_close(again(waveform), network(waveform))


def test_masks_are_torchs_and_only_in_training():
    network = Wav2Vec2(SHAPES, 1, config=TINY, dropout=0.0, mask_probability=0.5)
    network.body.config.apply_spec_augment = True
    waveform = torch.randn(2, 400)
    torch.manual_seed(5)
    first = network.train()(waveform)
    torch.manual_seed(5)
    torch.testing.assert_close(network(waveform), first)
    torch.testing.assert_close(network.eval()(waveform), network(waveform))
    assert not torch.allclose(network(waveform), first)


def test_a_probe_learns_in_its_head_only():
    network = Wav2Vec2(SHAPES, 1, config=TINY, frozen=True, pretrain_epochs=2).train()
    assert not network.network.training
    assert {name for name, weight in network.named_parameters() if weight.requires_grad} == {"head.weight", "head.bias"}
    assert network.stages() == []


def test_spans_hide_about_their_share():
    mask = span_mask(50, 300, 0.3, 10, torch.device("cpu"))
    # 9 spans of 10 that may overlap.
    assert mask.shape == (50, 300)
    assert 0.2 < float(mask.float().mean()) < 0.3
    assert mask.sum(1).min() >= 10
    assert span_mask(2, 3, 0.5, 10, torch.device("cpu")).any(1).all()


def test_distractors_are_other_hidden_frames_of_the_same_sound():
    mask = span_mask(3, 40, 0.3, 5, torch.device("cpu"))
    drawn = distractors(mask, 7)
    assert drawn.shape == (3, 40, 7)
    for sound in range(3):
        assert mask.flatten()[drawn[sound]].all()
        assert ((drawn[sound] // 40) == sound).all()
        assert (drawn[sound] != sound * 40 + torch.arange(40)[:, None]).all()


@pytest.mark.slow
def test_continued_pre_training_lowers_the_contrastive_loss():
    torch.manual_seed(0)
    network = Wav2Vec2(
        *(SHAPES, 1),
        config=TINY,
        freeze_encoder=False,
        pretrain_epochs=2,
        mask_length=3,
        pretrain_mask_probability=0.3,
    )
    (stage,) = network.stages()
    assert (stage.epochs, stage.freeze) == (2, False)
    time = torch.linspace(0, 60, 400)
    sounds = torch.stack([torch.sin(time * rate) + 0.3 * torch.sin(time**1.3 * rate) for rate in torch.rand(16) + 0.5])
    optimiser = torch.optim.Adam(stage.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        each = stage.loss((sounds,), torch.zeros(16))
        assert each.shape == (16,)
        each.mean().backward()
        optimiser.step()
        losses.append(each.mean().item())
    # Guessing among a frame and its five distractors costs log 6, and the diversity loss comes on top.
    assert sum(losses[-5:]) / 5 < 0.8 * math.log(6)


@pytest.mark.slow
def test_it_learns():
    torch.manual_seed(0)
    rate = torch.rand(48)
    time = torch.arange(400.0)
    sounds = torch.sin(time * (0.1 + 0.5 * rate[:, None]) + torch.rand(48, 1))
    network = Wav2Vec2(SHAPES, 1, config=TINY, dropout=0.0, freeze_encoder=False, mask_probability=0.0)
    assert trained(network, (sounds,), rate, steps=40, lr=6e-3) < 0.2 * float(rate.var())


@pytest.mark.slow
def test_export():
    torch.manual_seed(0)
    check_export(Wav2Vec2(SHAPES, 2, config=TINY), SHAPES)


@pytest.mark.parametrize(
    ("shapes", "options"), [([(400, 1)], {}), ([(8,)], {}), (SHAPES, {"pooling": "last"}), ([(400,), (3,)], {})]
)
def test_inputs_and_options_that_do_not_fit(shapes, options):
    with pytest.raises(UsageError):
        Wav2Vec2(shapes, 1, config=TINY, **options)


def test_checkpoints_that_are_not_there_or_lack_the_quantiser(tmp_path):
    with pytest.raises(EnvironmentProblem, match="neither a folder nor in the local cache"):
        Wav2Vec2(SHAPES, 1, checkpoint="nobody/no-such-checkpoint")
    _, folder = checkpoint(tmp_path)
    with pytest.raises(EnvironmentProblem, match="lacks"):
        Wav2Vec2(SHAPES, 1, checkpoint=folder, pretrain_epochs=1)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "mask_time_prob": 0.0, "model_type": "hubert"}))
    with pytest.raises(EnvironmentProblem):
        Wav2Vec2(SHAPES, 1, checkpoint=folder, mask_length=3)
