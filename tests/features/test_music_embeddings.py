"""Do MERT and CLAP give what their own networks and feature extractors give, from checkpoints as they are published?"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from hitpredict.errors import EnvironmentProblem
from hitpredict.features.embeddings.clap import ClapEmbedding
from hitpredict.features.embeddings.wav2vec2 import MertEmbedding
from tests.helpers.sounds import tune

pytestmark = pytest.mark.usefixtures("one_thread")


def mert_by_hand(folder: Path, samples: np.ndarray) -> list[np.ndarray]:
    """The hidden states of the network that the checkpoint was made of."""
    config = json.loads((folder / "config.json").read_text())
    model = transformers.HubertModel(transformers.HubertConfig(**{**config, "model_type": "hubert"})).eval()
    tensors = torch.load(folder / "pytorch_model.bin")
    newer = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    renamed = {".".join(newer.get(part, part) for part in name.split(".")): each for name, each in tensors.items()}
    model.load_state_dict(renamed)
    scaled = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.inference_mode():
        states = model(torch.from_numpy(scaled)[None], output_hidden_states=True).hidden_states
    return [state[0].numpy() for state in states]


def test_mert_loads_as_hubert_without_its_code(mert_folder):
    samples = tune(1.5, 24000, 1).samples
    states = mert_by_hand(mert_folder, samples[0])
    assert len(states) == 3
    for layer, expected in ((None, states[-1]), (0, states[0]), (1, states[1])):
        found = MertEmbedding(str(mert_folder), layer, "none")([samples], 24000)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    # 75 frames a second.
    assert len(states[0]) == pytest.approx(1.5 * 75, abs=2)
    assert MertEmbedding(str(mert_folder)).columns == tuple(f"mert_{i:03}" for i in range(16))


@pytest.mark.parametrize("addition", ["feature_extractor_cqt", "deepnorm"])
def test_a_mert_that_is_more_than_hubert_is_refused(mert_folder, tmp_path, addition):
    folder = Path(shutil.copytree(mert_folder, tmp_path / "more"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {addition: True}))
    with pytest.raises(EnvironmentProblem, match=f"is a MERT with {addition}, which cannot be loaded"):
        MertEmbedding(str(folder))([tune(1.0, 24000, 1).samples], 24000)


def test_a_mert_is_no_wav2vec2(mert_folder):
    from hitpredict.features.embeddings.wav2vec2 import Wav2Vec2Embedding

    with pytest.raises(EnvironmentProblem, match="cannot be loaded"):
        Wav2Vec2Embedding(str(mert_folder))([tune(1.0, 16000, 1).samples], 16000)


def clap_by_hand(folder: Path, samples: np.ndarray) -> np.ndarray:
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    model = transformers.ClapModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        given = extractor(samples, sampling_rate=48000, return_tensors="pt")
        return model.get_audio_features(input_features=given["input_features"]).pooler_output[0].numpy()


def test_clap_equals_its_own_feature_extractor_and_model(clap_folder):
    samples = tune(14.0, 48000, 1).samples
    expected = [clap_by_hand(clap_folder, part) for part in (samples[0, :480000], samples[0, -480000:])]
    found = ClapEmbedding(str(clap_folder), pool="none")([samples], 48000)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-4)
    pooled = ClapEmbedding(str(clap_folder))
    np.testing.assert_allclose(pooled([samples], 48000), found.mean(axis=0), rtol=1e-4, atol=1e-6)
    assert pooled.columns == tuple(f"clap_{i:03}" for i in range(16))
    # A shorter sound is repeated.
    short = samples[:, :96000]
    np.testing.assert_allclose(pooled([short], 48000), clap_by_hand(clap_folder, short[0]), rtol=1e-3, atol=1e-4)


def test_a_clap_with_fusion_is_refused(clap_folder, tmp_path):
    folder = Path(shutil.copytree(clap_folder, tmp_path / "fused"))
    config = json.loads((folder / "config.json").read_text())
    config["audio_config"]["enable_fusion"] = True
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(EnvironmentProblem):
        ClapEmbedding(str(folder))([tune(1.0, 48000, 1).samples], 48000)
