"""Networks of published size with random weights, as torch modules and as ONNX graphs: what speed is measured on."""

import io
import logging
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import torch

from hitpredict.networks.registry import build_network

# Specification, the shape of one window, its seconds of sound.
NETWORKS: Mapping[str, tuple[Mapping[str, Any], tuple[int, int], float]] = {
    "AST-base": ({"name": "ast", "size": "base"}, (1024, 128), 10.24),
    "CRNN": ({"name": "hiphop-crnn"}, (1292, 128), 30.0),
}
SMALL: Mapping[str, tuple[Mapping[str, Any], tuple[int, int], float]] = {
    "AST-tiny": (
        {"name": "ast", "size": "tiny", "config": {"num_hidden_layers": 1}, "strides": [16, 16]},
        (64, 32),
        0.64,
    )
}


def network(spec: Mapping[str, Any], shape: tuple[int, int], attention: str = "sdpa") -> torch.nn.Module:
    """The network, for inference. attention: how transformers' layers compute it."""
    torch.manual_seed(0)
    made = build_network(spec, [shape], 1).eval()
    if hasattr(made, "body"):
        made.body.set_attn_implementation(attention)
    return made


def graph(made: torch.nn.Module, shape: tuple[int, int]) -> bytes:
    """It as ONNX, in single precision: `features` (N, frames, bins) to `score`."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            made,
            (torch.zeros(2, *shape),),
            input_names=["features"],
            output_names=["score"],
            dynamic_shapes=({0: torch.export.Dim("N", min=1, max=2**20)},),
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def half(data: bytes) -> bytes:
    """An ONNX graph whose arithmetic is in half precision, its input and output in single."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = convert_float_to_float16(onnx.load_from_string(data), keep_io_types=True)
    return bytes(found.SerializeToString())
