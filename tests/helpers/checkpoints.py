"""Small random networks, saved as published checkpoints of embeddings are."""

import functools
import json
from pathlib import Path

import torch
import transformers

CONVOLUTIONS = {0: (64, 1), 3: (128, 64), 6: (256, 128), 8: (256, 256), 11: (512, 256), 13: (512, 512)}
DENSE = {0: (4096, 12288), 2: (4096, 4096), 4: (128, 4096)}


def stirred(model: torch.nn.Module) -> torch.nn.Module:
    """All weights made random and large enough for every one of them to matter."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def ast(folder: Path) -> Path:
    """An AST of 16 units and one layer."""
    config = transformers.ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_length=256
    )
    stirred(transformers.ASTForAudioClassification(config)).save_pretrained(folder)
    settings = {"feature_extractor_type": "ASTFeatureExtractor", "max_length": 256, "mean": -5.0, "std": 3.0}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def wav2vec2(folder: Path) -> Path:
    """A wav2vec 2.0 of 16 units and two layers."""
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        codevector_dim=8,
        proj_codevector_dim=8,
    )
    stirred(transformers.Wav2Vec2ForPreTraining(config)).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def mert(folder: Path) -> Path:
    """A MERT of 16 units and two layers as its authors publish them: HuBERT's weights, pickled, under older names of
    the positional convolution; a configuration of a type that transformers does not know, and code."""
    config = transformers.HubertConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    folder.mkdir(exist_ok=True)
    model = stirred(transformers.HubertModel(config))
    older = {"original0": "weight_g", "original1": "weight_v"}
    tensors = {}
    for name, tensor in model.state_dict().items():
        head, _, tail = name.rpartition(".")
        tensors[f"{head.removesuffix('.parametrizations.weight')}.{older[tail]}" if tail in older else name] = tensor
    torch.save(tensors, folder / "pytorch_model.bin")
    own = {"feature_extractor_cqt": False, "deepnorm": False, "attention_relax": -1.0, "sample_rate": 24000}
    names = {"model_type": "mert_model", "auto_map": {"AutoModel": "modeling_MERT.MERTModel"}}
    (folder / "config.json").write_text(json.dumps(config.to_dict() | own | names))
    (folder / "modeling_MERT.py").write_text("raise SystemExit('code of a checkpoint was run')")
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=24000).save_pretrained(folder)
    return folder


def clap(folder: Path) -> Path:
    """A CLAP whose embeddings have 16 numbers, of a small Swin transformer and a smaller text model."""
    audio = {"hidden_size": 32, "patch_embeds_hidden_size": 4, "depths": [1, 1, 1, 1], "num_attention_heads": [1] * 4}
    text = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    text |= {"vocab_size": 10, "max_position_embeddings": 8}
    sizes = {"num_mel_bins": 64, "spec_size": 256, "window_size": 8}
    config = transformers.ClapConfig(audio_config=audio | sizes, text_config=text, projection_dim=16)
    stirred(transformers.ClapModel(config)).save_pretrained(folder)
    transformers.ClapFeatureExtractor(
        truncation="rand_trunc", max_length_s=10, frequency_min=50, frequency_max=14000
    ).save_pretrained(folder)
    return folder


@functools.cache
def vggish_tensors() -> dict[str, torch.Tensor]:
    """Weights in torchvggish's layout, each row another stretch of one random vector, so that files stay small."""
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    for part, shapes in (("features", CONVOLUTIONS), ("embeddings", DENSE)):
        for index, (rows, inputs) in shapes.items():
            size = inputs * 9 if part == "features" else inputs
            stretch = torch.randn(rows + size, generator=generator) * (2 / size) ** 0.5
            weight = stretch.as_strided((rows, size), (1, 1))
            tensors[f"{part}.{index}.weight"] = weight.unflatten(1, (inputs, 3, 3)) if part == "features" else weight
            tensors[f"{part}.{index}.bias"] = 0.1 * torch.randn(rows, generator=generator)
    return tensors


def pca_tensors() -> dict[str, torch.Tensor]:
    """The whitening that comes with VGGish."""
    generator = torch.Generator().manual_seed(4)
    rotation, _ = torch.linalg.qr(torch.randn(128, 128, generator=generator))
    return {"pca_eigen_vectors": 2 * rotation, "pca_means": torch.rand(128, 1, generator=generator)}


def vggish(path: Path) -> Path:
    """VGGish at its own size, with its whitening."""
    torch.save(vggish_tensors() | {f"pproc.{name}": tensor for name, tensor in pca_tensors().items()}, path)
    return path
