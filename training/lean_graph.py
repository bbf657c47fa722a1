"""The same network with less to compute: what an exporter leaves in its graph without need.

A window carries no padding, so the mask that the exporter writes is all ones: what adds it to the
attention scores adds nothing, and what guards the softmax against rows that are wholly masked finds
none. Both pass over arrays of (heads, tokens, tokens) in every layer; together they took a sixth of
the time (``python -m alliance.serve.batch.benchmark profile``). And weights in 8 bits whose node
turns them back to float32 in every call cost a sixth more: written as bytes times scales, ONNX
Runtime turns them back once, when the model is loaded. The logits are those of the float32 network
to the bit but for the order of sums; the file keeps its size.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from alliance.model.errors import ConfigError

__all__ = ["lean_graph", "write_lean"]

_BLOCK_NODE: Final = "MatMulNBits"


def write_lean(source: Path, target: Path) -> None:
    """Read a network, make it lean, and write it.

    Args:
        source: an ONNX file that ``alliance train`` or ``alliance export`` wrote, float32 or
            weights8.
        target: the file to write.

    Raises:
        ConfigError: as :func:`lean_graph`.
    """
    import onnx

    model = onnx.load(str(source))
    lean_graph(model.graph)
    onnx.save(model, str(target))


def lean_graph(graph: Any) -> None:
    """Take what need not be computed out of a graph, in place.

    Args:
        graph: an ``onnx.GraphProto`` whose input is one window without padding.

    Raises:
        ConfigError: if weights are packed in another way than ``weights8``.
    """
    _drop_mask(graph)
    _unpack_weights(graph)
    _prune(graph)


def _drop_mask(graph: Any) -> None:
    made_by = {name: node for node in graph.node for name in node.output}
    for softmax in [node for node in graph.node if node.op_type == "Softmax"]:
        addition = made_by.get(softmax.input[0])
        if addition is None or addition.op_type != "Add":
            continue
        scores = [
            name
            for name in addition.input
            if name in made_by and made_by[name].op_type in ("MatMul", "Div", "Mul")
        ]
        if len(scores) != 1:
            continue  # not the additive mask that we know; it stays
        _bypass(graph, addition, scores[0])
        for node in list(graph.node):
            guard = node.op_type == "Where" and softmax.output[0] in node.input
            if guard and made_by[node.input[0]].op_type == "IsNaN":
                _bypass(graph, node, softmax.output[0])


def _bypass(graph: Any, node: Any, source: str) -> None:
    """Let all that used a node's output use ``source`` instead."""
    (result,) = node.output
    for user in graph.node:
        for place, name in enumerate(user.input):
            if name == result:
                user.input[place] = source
    graph.node.remove(node)


def _unpack_weights(graph: Any) -> None:
    from onnx import TensorProto, helper, numpy_helper

    tables = {entry.name: entry for entry in graph.initializer}
    for node in [node for node in graph.node if node.op_type == _BLOCK_NODE]:
        facts = {fact.name: fact.i for fact in node.attribute}
        if facts["bits"] != 8 or len(node.input) != 3 or facts["K"] % facts["block_size"]:
            raise ConfigError(
                f"expected weights in whole blocks of 8 bits without zero points, found "
                f"{facts['bits']} bits and {len(node.input)} inputs at {node.name}; export the "
                f"model as weights8 or float32 first"
            )
        rows, columns, block = facts["K"], facts["N"], facts["block_size"]
        packed = numpy_helper.to_array(tables[node.input[1]]).reshape(columns, -1, block)
        scales = numpy_helper.to_array(tables[node.input[2]]).reshape(columns, -1)
        # Packed bytes stand for themselves less 128.
        signed = (packed.astype(np.int16) - 128).astype(np.int8).transpose(1, 2, 0)
        name = node.output[0]
        graph.initializer.extend(
            [
                numpy_helper.from_array(np.ascontiguousarray(signed), f"{name}_bytes"),
                numpy_helper.from_array(
                    np.ascontiguousarray(scales.T[:, np.newaxis, :], dtype=np.float32),
                    f"{name}_scales",
                ),
                numpy_helper.from_array(np.array([rows, columns]), f"{name}_shape"),
            ]
        )
        # Of constants all, so that it is computed once, when the model is loaded.
        steps = (
            helper.make_node("Cast", [f"{name}_bytes"], [f"{name}_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_float", f"{name}_scales"], [f"{name}_blocks"]),
            helper.make_node("Reshape", [f"{name}_blocks", f"{name}_shape"], [f"{name}_weights"]),
            helper.make_node(
                "MatMul",
                [node.input[0], f"{name}_weights"],
                [name],
                name=node.name.removesuffix("_Q8"),
            ),
        )
        at = list(graph.node).index(node)
        graph.node.remove(node)
        for offset, step in enumerate(steps):
            graph.node.insert(at + offset, step)


def _prune(graph: Any) -> None:
    """Take out what nothing uses any more."""
    wanted = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    for entry in [entry for entry in graph.initializer if entry.name not in wanted]:
        graph.initializer.remove(entry)
