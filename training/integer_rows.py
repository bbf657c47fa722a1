"""Products of a network's matrices in 8-bit integers, with a scale of its own for every token.

A token's numbers are divided by the largest of them and rounded to steps of 1/127, a matrix's
weights likewise for each column; the integers' products are summed exactly and multiplied by both
scales. One scale for all tokens, as dynamic int8 has it (``onnxruntime.quantization``), is no
choice: a few tokens say numbers a hundred times as large as the others', and those would be left
with a step or two.

Weights get steps of 1/63, half as fine as they could be: without VNNI a processor adds the products
of neighbours in 16 bits, and two of 255 times 127 do not fit.

All is written with plain ONNX operators. What is made of weights alone ONNX Runtime computes once,
when the model is loaded, and keeps as bytes.
"""

from collections.abc import Collection
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "INTEGERS", "column_scales", "multiply_in_floats", "multiply_in_integers"]

_STEPS: Final = 127
_WEIGHT_STEPS: Final = 63
_MIDDLE: Final = 128
"""The unsigned byte that stands for 0."""

_LEAST: Final = 1e-9  # of the largest number of a token or column
_AXES_ARE_INPUTS: Final = 18  # the version of ONNX from which ReduceMax takes them so

_ROWS: Final = "_rows"

INTEGERS: Final = "_integers"
"""Added to a matrix's name: its weights in steps of their columns' scales."""

COLUMNS: Final = "_columns"
"""Likewise: the scales of its columns."""


def column_scales(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """By what the columns of a matrix (in, out) are divided to be integers; (out,)."""
    largest = np.maximum(np.abs(matrix).max(axis=0), _LEAST)
    return np.asarray(largest / _WEIGHT_STEPS, dtype=np.float32)


def multiply_in_integers(graph: Any, matrices: Collection[str], *, opset: int) -> None:
    """Compute the products with some matrices in integers, in place.

    Args:
        graph: an ``onnx.GraphProto``.
        matrices: names of the matrices (in, out). Of each, the graph has the :data:`INTEGERS`
            (int8) and the scales of the :data:`COLUMNS`, (out,), by the names of these.
        opset: the version of ONNX that the graph is written in.
    """
    products = [
        node for node in graph.node if node.op_type == "MatMul" and node.input[1] in matrices
    ]
    if not products:
        return
    writer = _Writer(opset)
    steps: list[Any] = []
    known: set[str] = set()
    for node in graph.node:
        if node not in products:
            steps.append(node)
            continue
        numbers, matrix = node.input
        if numbers not in known:
            writer.rows(numbers)
            known.add(numbers)
        writer.product(numbers, matrix, node.output[0], name=node.name)
        steps.extend(writer.written())
    del graph.node[:]
    graph.node.extend(steps)
    graph.initializer.extend(writer.constants())


def multiply_in_floats(graph: Any) -> None:
    """Undo :func:`multiply_in_integers`, in place; what nothing uses any more stays for a pruning.

    Args:
        graph: an ``onnx.GraphProto``; of one without such products nothing changes.
    """
    from onnx import helper

    for place, node in enumerate(graph.node):
        if node.op_type == "Mul" and node.input[0].endswith("_of_rows"):
            result = node.output[0]
            numbers, matrix = _factors(graph, result)
            back = helper.make_node("MatMul", [numbers, matrix], [result], name=node.name)
            graph.node[place].CopyFrom(back)


def _factors(graph: Any, result: str) -> tuple[str, str]:
    (product,) = [node for node in graph.node if node.output[0] == f"{result}_sums"]
    return product.input[0].removesuffix(_ROWS), product.input[1].removesuffix(INTEGERS)


class _Writer:
    """Nodes and constants by the names of what they make."""

    def __init__(self, opset: int) -> None:
        self._opset = opset
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}

    def written(self) -> list[Any]:
        """The nodes since this was last asked for, in order."""
        nodes, self._nodes = self._nodes, []
        return nodes

    def constants(self) -> list[Any]:
        """All constants, each once."""
        from onnx import numpy_helper

        return [numpy_helper.from_array(value, name) for name, value in self._constants.items()]

    def rows(self, numbers: str) -> None:
        """A token's numbers as unsigned bytes, and their scale."""
        from onnx import TensorProto

        self._node("Abs", [numbers], f"{numbers}_sizes")
        if self._opset < _AXES_ARE_INPUTS:
            self._node("ReduceMax", [f"{numbers}_sizes"], f"{numbers}_size", axes=[-1], keepdims=1)
        else:
            last = self._constant("last", np.array([-1]))
            self._node("ReduceMax", [f"{numbers}_sizes", last], f"{numbers}_size", keepdims=1)
        least = self._float("least", _LEAST)
        self._node("Max", [f"{numbers}_size", least], f"{numbers}_largest")
        steps = self._float("steps", _STEPS)
        self._node("Div", [steps, f"{numbers}_largest"], f"{numbers}_times")
        self._node("Div", [f"{numbers}_largest", steps], f"{numbers}_row_scales")
        self._node("Mul", [numbers, f"{numbers}_times"], f"{numbers}_in_steps")
        # A cast drops the fraction, so half a step more rounds to the nearest.
        middle = self._float("middle_and_half", _MIDDLE + 0.5)
        self._node("Add", [f"{numbers}_in_steps", middle], f"{numbers}_above_0")
        self._node("Cast", [f"{numbers}_above_0"], f"{numbers}{_ROWS}", to=TensorProto.UINT8)

    def product(self, numbers: str, matrix: str, result: str, *, name: str) -> None:
        """Their product, whose last node bears the name of the one that it stands for."""
        from onnx import TensorProto

        zero = self._constant("middle", np.array(_MIDDLE, dtype=np.uint8))
        factors = [f"{numbers}{_ROWS}", f"{matrix}{INTEGERS}", zero]
        self._node("MatMulInteger", factors, f"{result}_sums")
        self._node("Cast", [f"{result}_sums"], f"{result}_floats", to=TensorProto.FLOAT)
        # A scale that is itself a product (of both scales, or of the largest number and a step)
        # ONNX Runtime would take for one of all tokens, in an operator of its own.
        self._node("Mul", [f"{result}_floats", f"{numbers}_row_scales"], f"{result}_of_rows")
        self._node("Mul", [f"{result}_of_rows", f"{matrix}{COLUMNS}"], result, name=name)

    def _node(self, kind: str, inputs: list[str], output: str, **facts: Any) -> None:
        from onnx import helper

        self._nodes.append(helper.make_node(kind, inputs, [output], **facts))

    def _float(self, name: str, value: float) -> str:
        return self._constant(name, np.array(value, dtype=np.float32))

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants[f"integer_rows_{name}"] = value
        return f"integer_rows_{name}"
