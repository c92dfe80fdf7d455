"""The networks by name, and how one is built from a recipe."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import signature
from typing import Any

from torch import nn

from hitpredict.registry import lookup, made

NETWORKS = {
    "mlp": "mlp:Mlp",
    "hitmusicnet": "hitmusicnet:HitMusicNet",
    "autoen-chorder": "autoen_chorder:AutoenChorder",
    "single-autoencoder": "autoen_chorder:SingleAutoencoder",
    "rnn": "autoen_chorder:RecurrentChorder",
    "hmn-vggish": "autoen_chorder:HmnVggish",
    "lossnet": "autoen_chorder:LossNet",
    "cs230": "cs230:Cs230",
    "hiphop-mlp": "hiphop:HipHopMlp",
    "hiphop-cnn": "hiphop:HipHopCnn",
    "hiphop-cnn2": "hiphop:HipHopCnn2",
    "hiphop-crnn": "hiphop:HipHopCrnn",
    "fcn": "fcn:Fcn",
    "vggish-finetuned": "vggish_finetuned:VggishFinetuned",
    "hsp-cnn": "hsp:HspCnn",
    "hsp-inception": "hsp:HspInception",
    "hsp-siamese": "hsp:HspSiamese",
    "wide-deep": "wide_deep:WideDeep",
    "ordinal-pairwise": "ordinal:PairwiseOrdinal",
    "ast": "ast:Ast",
    "wav2vec2": "wav2vec2:Wav2Vec2",
    "mp2": "mp2:Mp2",
    "mp3": "mp3:Mp3",
    "curves": "curves:CurveNet",
}


def build_network(
    spec: Mapping[str, Any], shapes: Sequence[tuple[int, ...]], outputs: int, kinds: Sequence[str | None] = ()
) -> nn.Module:
    """The network of a recipe for inputs of these shapes. Raises `UsageError` for an unknown name or parameter.

    kinds: the names of the inputs' kinds, for networks that take a parameter `kinds`.
    """
    name = spec["name"]
    module, attribute = lookup("network", name, NETWORKS).split(":")
    cls = getattr(import_module(f"hitpredict.networks.{module}"), attribute)
    parameters = {key: value for key, value in spec.items() if key != "name"}
    if "kinds" in signature(cls).parameters:
        parameters["kinds"] = tuple(kinds)
    network: nn.Module = made(f"network {name}", cls, parameters, shapes, outputs)
    return network
