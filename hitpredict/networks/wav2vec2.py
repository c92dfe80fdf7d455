"""wav2vec 2.0 under a regression or classification head, as DH-401 put it on FMA."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining, Wav2Vec2Model

from hitpredict.errors import UsageError
from hitpredict.features.embeddings.loading import preprocessing, transformer
from hitpredict.networks.stage import Stage
from hitpredict.registry import check_known

_RATE = 16000
_LIKELY = 1e-7


class Wav2Vec2(nn.Module):
    """wav2vec 2.0 (Baevski et al. 2020, arXiv:2006.11477) to outputs, after github.com/Glorf/DH-401 (EPFL 2021).

    Input: a waveform (samples,), mono at 16 kHz, published as 480,000; it is brought to mean 0 and variance 1 here.
    The hidden states of the last layer are pooled, then dropout and Linear.

    checkpoint: a folder or a hub id in the local cache; None starts from random weights, of transformers'
    `Wav2Vec2Config` with the fields of `config`. pooling: `mean` over the frames, or `first`, the first frame alone,
    as DH-401 did, whose predictions collapsed to a constant. freeze_encoder: the convolutions keep their weights.
    frozen: all of wav2vec keeps its weights (a probe). normalise: None does as the checkpoint asks for.
    mask_probability, mask_length: share of the frames hidden in training, in spans of so many (base model's 0.05, 10).
    pretrain_epochs: continued pre-training on the training audio first, with wav2vec's contrastive and diversity loss
    (DH-401: 2); it hides 0.65 of the frames, and needs a checkpoint that holds the quantiser.

    DH-401 published neither masking nor the rates of its pre-training: they are the base model's. Random masks are
    drawn by torch, so that its seed fixes them.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        checkpoint: str | None = None,
        config: Mapping[str, Any] | None = None,
        pooling: str = "mean",
        freeze_encoder: bool = True,
        frozen: bool = False,
        normalise: bool | None = None,
        dropout: float = 0.2,
        mask_probability: float = 0.05,
        mask_length: int = 10,
        pretrain_epochs: int = 0,
        pretrain_lr: float = 5e-5,
        pretrain_mask_probability: float = 0.65,
    ) -> None:
        super().__init__()
        if len(shapes) != 1 or len(shapes[0]) != 1:
            raise UsageError(f"wav2vec2 takes one input, a waveform (samples,); the shapes are {list(shapes)}")
        check_known("pooling", [pooling], ("mean", "first"))
        self.pooling, self.frozen = pooling, frozen
        self.mask_probability, self.mask_length = mask_probability, mask_length
        self.pretrain_epochs, self.pretrain_lr = pretrain_epochs, pretrain_lr
        self.pretrain_mask_probability = pretrain_mask_probability
        self.normalise = _normalises(checkpoint) if normalise is None else normalise
        self.network = _network(checkpoint, config or {}, pretrain_epochs > 0)
        if _frames(self.body.config, shapes[0][0]) < 1:
            raise UsageError(f"wav2vec2: a waveform of {shapes[0][0]} samples is shorter than one frame")
        self.dropout = nn.Dropout(dropout)
        settings = self.body.config
        self.head = nn.Linear(settings.output_hidden_size if settings.add_adapter else settings.hidden_size, outputs)
        if freeze_encoder:
            self.body.freeze_feature_encoder()
        if frozen:
            self.network.requires_grad_(False).eval()
        if pretrain_epochs and not hasattr(self.body, "masked_spec_embed"):
            raise UsageError("wav2vec2: continued pre-training needs a checkpoint with a vector for hidden frames")

    @property
    def body(self) -> Any:
        """The `Wav2Vec2Model`."""
        return self.network.wav2vec2 if self.pretrain_epochs else self.network

    @property
    def network_state(self) -> dict[str, Any]:
        """Options that build this network again without the checkpoint it started from."""
        return {"checkpoint": None, "config": self.network.config.to_diff_dict(), "normalise": self.normalise}

    def train(self, mode: bool = True) -> "Wav2Vec2":
        """Frozen parts stay as in evaluation."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
        return self

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, samples) to (B, outputs)."""
        prepared = self._prepared(waveform)
        # In training there is always a mask, or transformers would draw its own from NumPy's global state.
        mask = self._mask(prepared, self.mask_probability) if self.training and not self.frozen else None
        states = self.body(prepared, mask_time_indices=mask).last_hidden_state
        pooled = states.mean(dim=1) if self.pooling == "mean" else states[:, 0]
        result: Tensor = self.head(self.dropout(pooled))
        return result

    def stages(self) -> list[Stage]:
        """Continued pre-training, if it was asked for."""
        if not self.pretrain_epochs or self.frozen:
            return []
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        stage = Stage(
            "contrastive",
            lambda: parameters,
            lambda inputs, _: self.contrastive_loss(inputs[0]),
            epochs=self.pretrain_epochs,
            lr=self.pretrain_lr,
            freeze=False,
        )
        return [stage]

    def contrastive_loss(self, waveform: Tensor) -> Tensor:
        """wav2vec's pre-training loss per hidden frame of a batch (B, samples), the same number for each, (B,)."""
        prepared = self._prepared(waveform)
        mask = self._mask(prepared, self.pretrain_mask_probability)
        negatives = distractors(mask, self.network.config.num_negatives)
        loss = self.network(prepared, mask_time_indices=mask, sampled_negative_indices=negatives).loss
        each: Tensor = loss / mask.sum()
        return each.expand(len(waveform))

    def _prepared(self, waveform: Tensor) -> Tensor:
        if not self.normalise:
            return waveform
        centred = waveform - waveform.mean(dim=1, keepdim=True)
        return centred / (centred.square().mean(dim=1, keepdim=True) + _LIKELY).sqrt()

    def _mask(self, waveform: Tensor, probability: float) -> Tensor:
        frames = _frames(self.body.config, waveform.shape[1])
        if not probability or not hasattr(self.body, "masked_spec_embed"):
            return torch.zeros(len(waveform), frames, dtype=torch.bool, device=waveform.device)
        return span_mask(len(waveform), frames, probability, self.mask_length, waveform.device)


def span_mask(batch: int, frames: int, probability: float, length: int, device: torch.device) -> Tensor:
    """Which frames to hide, (batch, frames) booleans: random spans of `length` frames, which may overlap.

    There are probability · frames / length of them, at least one.
    """
    length = min(length, max(1, frames // 2))
    starts = frames - length + 1
    count = min(starts, max(1, round(probability * frames / length)))
    first = torch.rand(batch, starts, device=device).argsort(dim=1)[:, :count]
    places = (first[:, :, None] + torch.arange(length, device=device)).flatten(1)
    return torch.zeros(batch, frames, dtype=torch.bool, device=device).scatter(1, places, True)


def distractors(mask: Tensor, count: int) -> Tensor:
    """For each frame `count` other hidden frames of its own sound: (B, T) booleans to indices (B, T, count) into B · T.

    A sound with a single hidden frame gets that frame itself.
    """
    batch, frames = mask.shape
    hidden = mask[:, None, :].expand(-1, frames, -1).float()
    chances = hidden * (1 - torch.eye(frames, device=mask.device)) + _LIKELY * hidden
    drawn = torch.multinomial(chances.flatten(0, 1), count, replacement=True).reshape(batch, frames, count)
    result: Tensor = drawn + frames * torch.arange(batch, device=mask.device)[:, None, None]
    return result


def _normalises(checkpoint: str | None) -> bool:
    return checkpoint is None or bool(preprocessing(checkpoint, _RATE).get("do_normalize", True))


def _frames(config: Any, samples: int) -> int:
    """How many frames the convolutions make of a waveform."""
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        samples = (samples - kernel) // stride + 1
    return samples


def _network(checkpoint: str | None, config: Mapping[str, Any], pretraining: bool) -> Any:
    cls = Wav2Vec2ForPreTraining if pretraining else Wav2Vec2Model
    if checkpoint is None:
        # The vector for hidden frames is there only where this is not 0.
        return cls(Wav2Vec2Config(**{"mask_time_prob": 0.05, **config, "mask_feature_prob": 0.0}))
    network = copy.deepcopy(transformer(cls.__name__, checkpoint, "cpu"))
    network.config.mask_feature_prob = 0.0
    return network
