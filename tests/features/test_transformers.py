"""Do AST and wav2vec 2.0 give what their own feature extractors and models give?"""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from hitpredict.errors import EnvironmentProblem
from hitpredict.features.embeddings.ast import AstEmbedding, AstTags
from hitpredict.features.embeddings.loading import configuration
from hitpredict.features.embeddings.wav2vec2 import Wav2Vec2Embedding
from tests.helpers.sounds import tune

pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_tags_are_the_probabilities_that_ast_gives_its_classes(ast_folder, tmp_path):
    folder = Path(shutil.copytree(ast_folder, tmp_path / "named"))
    config = json.loads((folder / "config.json").read_text())
    names = {"0": "Music", "1": "Male speech, man speaking"}
    (folder / "config.json").write_text(json.dumps(config | {"id2label": names, "label2id": {}}))
    samples = tune(3.5, 16000, 1).samples
    tags = AstTags(str(folder))
    assert tags.columns == ("ast_tags.Music", "ast_tags.Male speech, man speaking")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "At least one mel filter has all zero values")
        extractor = transformers.ASTFeatureExtractor.from_pretrained(folder)
    model = transformers.ASTForAudioClassification.from_pretrained(folder).eval()
    parts = [samples[0, : 255 * 160 + 400], samples[0, -(255 * 160 + 400) :]]
    with torch.inference_mode():
        given = [model(**extractor(part, sampling_rate=16000, return_tensors="pt")).logits[0] for part in parts]
    expected = torch.stack(given).sigmoid().numpy()
    np.testing.assert_allclose(AstTags(str(folder), pool="none")([samples], 16000)[0], expected[0], atol=1e-3)
    found = tags([samples], 16000)
    assert found.shape == (2,) and found.min() >= 0 and found.max() <= 1
    assert AstTags(str(folder), pool="none").columns is None
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"0": "Music", "1": "Music"}, "label2id": {}}))
    configuration.cache_clear()
    assert AstTags(str(folder)).columns == ("ast_tags.Music 0", "ast_tags.Music 1")


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
