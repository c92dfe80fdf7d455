"""Graphs by hand: named nodes and constants, before or behind those of another graph."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import hitpredict
from hitpredict.export.builder import GraphBuilder, floats


def answer(graph, x):
    proto = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["score"], {"x": x})[0]


@pytest.mark.parametrize("before", [True, False])
def test_nodes_go_before_or_behind_those_of_a_graph(before):
    names = ("x", "middle", "score")
    own, given = (names[:2], names[1:]) if before else (names[1:], names[:2])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Neg", [given[0]], [given[1]])], "g", floats({"x": [2]}), floats({"score": [2]})
    )
    builder = GraphBuilder("own/")
    doubled = builder("Mul", own[0], builder.constant([2, 3]))
    builder("Reshape", doubled, builder.integers(-1, 2), output=own[1])
    (builder.before if before else builder.after)(graph)
    assert [node.name for node in graph.node if node.name] == ["own/Mul_0", "own/Reshape_1"]
    np.testing.assert_array_equal(answer(graph, np.ones((4, 2), np.float32)), np.tile([-2.0, -3.0], (4, 1)))


def test_nodes_are_written_in_one_way():
    found = {path.name for path in Path(hitpredict.__file__).parent.rglob("*.py") if "make_node" in path.read_text()}
    assert found == {"builder.py"}
