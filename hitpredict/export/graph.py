"""ONNX graphs of trained models: weights and arithmetic, without metadata."""

import io
import logging
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from hitpredict.export.builder import GraphBuilder, floats
from hitpredict.export.parity import random_inputs
from hitpredict.files.owned import scratch_folder
from hitpredict.model_folder.folder import ModelFolder

_LARGE = 64


def estimator_graph(folder: ModelFolder) -> bytes:
    """The estimator, preceded where needed by what makes its one vector of several inputs, or of arrays."""
    import onnx

    proto = folder.read("estimator.onnx", onnx.load)
    shapes = dict(zip(_input_names(folder), (each.shape for each in folder.config.features), strict=True))
    if [len(shape) for shape in shapes.values()] == [1]:
        return bytes(proto.SerializeToString(deterministic=True))
    for node in proto.graph.node:
        node.input[:] = ["summary" if name == "features" else name for name in node.input]
    graph = GraphBuilder("summary/")
    vectors = [_summary(graph, name) if len(shape) > 1 else name for name, shape in shapes.items()]
    graph("Concat", *vectors, output="summary", axis=1)
    graph.before(proto.graph)
    del proto.graph.input[:]
    proto.graph.input.extend(floats(shapes))
    return bytes(proto.SerializeToString(deterministic=True))


def _summary(graph: GraphBuilder, name: str) -> str:
    """Means and deviations over the first axis of an array, as `windows.summary_of` takes them."""
    flat = graph("Reshape", name, graph.integers(0, 0, -1))
    mean = graph("ReduceMean", flat, axes=[1], keepdims=1)
    centred = graph("Sub", flat, mean)
    variance = graph("ReduceMean", graph("Mul", centred, centred), axes=[1], keepdims=0)
    row = graph("ReduceMean", mean, axes=[1], keepdims=0)
    return graph("Concat", row, graph("Sqrt", variance), axis=1)


def network_graph(folder: ModelFolder) -> bytes:
    import torch

    model = folder.network
    names = _input_names(folder)
    example = tuple(torch.as_tensor(batch) for batch in random_inputs(folder, 2, seed=0))
    batch = torch.export.Dim("N", min=1, max=2**20)
    # It tells of packages that it could use and does not need.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Positional(model),
            example,
            input_names=names,
            output_names=list(model.outputs),
            dynamic_shapes=(tuple({0: batch} for _ in example),),
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _tidy(proto.graph)
    return bytes(proto.SerializeToString(deterministic=True))


def _tidy(graph: Any) -> None:
    """Remove what differs from one export of the same model to the next: numbering, order of weights, traces."""
    fixed = {each.name for each in (*graph.input, *graph.output)}
    weights = {each.name for each in graph.initializer}
    names: dict[str, str] = {}

    def renamed(name: str) -> str:
        if not name or name in fixed or name.startswith("model."):
            return name
        kind = "constant" if name in weights else "value"
        return names.setdefault(name, f"{kind}_{len(names)}")

    def visit(nodes: Any) -> None:
        for number, node in enumerate(nodes):
            # What tracing leaves behind names files of the machine it ran on.
            del node.metadata_props[:]
            node.doc_string, node.name = "", f"{node.op_type}_{number}"
            node.input[:] = [renamed(name) for name in node.input]
            for attribute in node.attribute:
                for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                    for each in (*inner.input, *inner.output, *inner.initializer):
                        each.name = renamed(each.name)
                    visit(inner.node)
            node.output[:] = [renamed(name) for name in node.output]

    visit(graph.node)
    for each in (graph, *graph.input, *graph.output, *graph.initializer):
        del each.metadata_props[:]
    for each in graph.initializer:
        each.name = renamed(each.name)
    ordered = sorted(graph.initializer, key=lambda each: each.name)
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(ordered)


def _Positional(model: Any) -> Any:
    import torch

    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: torch.Tensor) -> Any:
            outputs = self.model(*inputs)
            return outputs[0] if len(outputs) == 1 else outputs

    return Positional().eval()


def _input_names(folder: ModelFolder) -> list[str]:
    count = len(folder.config.features)
    return ["features"] if count == 1 else [f"features_{number}" for number in range(count)]


def half_precision(graph: bytes) -> bytes:
    """Large weights stored at half precision and widened when the file is loaded; all arithmetic stays as it is."""
    import onnx
    from onnx import TensorProto, numpy_helper

    proto = onnx.load_from_string(graph)
    casts = GraphBuilder("Widen_")
    for each in _large(proto):
        values = numpy_helper.to_array(each)
        if values.dtype != np.float32 or not np.abs(values).max() < np.finfo(np.float16).max:
            continue
        name = each.name
        each.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}halved"))
        casts("Cast", each.name, output=name, to=TensorProto.FLOAT)
    casts.before(proto.graph)
    return bytes(proto.SerializeToString(deterministic=True))


def _large(proto: Any) -> list[Any]:
    """The weights that it pays to store smaller."""
    return [each for each in proto.graph.initializer if int(np.prod(each.dims)) >= _LARGE]


def quantized(data: bytes) -> bytes:
    """The model with 8-bit weights (dynamic quantization of ONNX Runtime); metadata kept.

    Linear models and trees, which hold no weight matrices, are given back as they are.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    if not any(each.data_type == onnx.TensorProto.FLOAT for each in _large(onnx.load_from_string(data))):
        return data
    level = logging.root.manager.disable
    with scratch_folder() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        before.write_bytes(data)
        # It advises steps that make no difference to these graphs.
        logging.disable(logging.WARNING)
        try:
            quantize_dynamic(before, after, weight_type=QuantType.QInt8)
        finally:
            logging.disable(level)
        proto = onnx.load(after)
    metadata = {each.key: each.value for each in onnx.load_from_string(data).metadata_props}
    onnx.helper.set_model_props(proto, metadata)
    return bytes(proto.SerializeToString(deterministic=True))
