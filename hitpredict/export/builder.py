"""ONNX graphs written by hand, node by node."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper


class GraphBuilder:
    """Nodes and constants in the making; their names begin with `prefix`, and numbers tell them apart.

    Each call adds one node and gives the name of its output.
    """

    def __init__(self, prefix: str):
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """The name of an array that is part of the graph."""
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def integers(self, *values: int) -> str:
        """The name of a list of whole numbers that is part of the graph."""
        return self.constant(values, np.int64)

    def __call__(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = f"{self.prefix}{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output or name], name=name, **attributes))
        return output or name

    def before(self, graph: Any) -> None:
        """Put what was made before the nodes of a graph."""
        self.nodes += graph.node
        del graph.node[:]
        self.after(graph)

    def after(self, graph: Any) -> None:
        """Put what was made behind the nodes of a graph."""
        graph.node.extend(self.nodes)
        graph.initializer.extend(self.constants)


def floats(shapes: Mapping[str, Sequence[int]]) -> list[Any]:
    """Inputs or outputs of a graph by name: float32, any number of rows of these shapes."""
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in shapes.items()]
