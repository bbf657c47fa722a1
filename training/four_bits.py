"""Weights in 4 bits: two to a byte, each one of sixteen levels times its block's scale.

The levels are those of a normal distribution's quantiles ("NF4", Dettmers et al. 2023, "QLoRA"),
which suit what trained matrices hold better than even steps. The graph turns the weights back once,
when the model is loaded, with plain ONNX operators that any ONNX Runtime knows: tables to float32,
and matrices to 8-bit integers, in which their products are computed
(:mod:`alliance.training.integer_rows`).
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alliance.training.integer_rows import (
    COLUMNS,
    INTEGERS,
    column_scales,
    multiply_in_floats,
    multiply_in_integers,
)
from alliance.training.lean_graph import lean_graph, write_lean

__all__ = [
    "BLOCK",
    "LEVELS",
    "nearest",
    "packable",
    "quantise_nibbles",
    "rounded",
    "unpack",
    "write_unpacked",
]

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

BLOCK: Final = 64
"""Weights, along the axis that is summed over, that share a scale."""

LEVELS: Final[Floats] = np.array(
    (
        "-1 -.69619280 -.52507305 -.39491749 -.28444138 -.18477343 -.09105004 0 .07958030 "
        ".16093020 .24611230 .33791524 .44070983 .56261700 .72295684 1"
    ).split(),
    dtype=np.float32,
)

_SMALLEST: Final = 64 * BLOCK  # smaller arrays stay as they are
_MIDDLES: Final = (LEVELS[1:] + LEVELS[:-1]) / 2
_OUTER: Final = 3  # levels of either sign that the largest weight of a block may lie on
_LEAST: Final = 1e-6  # of a scale
_PAIRS: Final = "pairs_of_levels"
_ONE: Final = "one"
_ZERO: Final = "zero"
_BYTES: Final = "_pairs"


def nearest(weights: Floats) -> Bytes:
    """Places of the nearest levels of weights that are divided by their scale."""
    return np.searchsorted(_MIDDLES, weights).astype(np.uint8)


def rounded(blocks: Floats) -> tuple[Bytes, Floats]:
    """The nearest levels, with the scales by which they come nearest in the mean square.

    Weights that lie on levels already, as :mod:`alliance.training.rounding` leaves them, are found
    as they are: the largest of a block lies on one of the outer levels.

    Args:
        blocks: weights, shape (blocks, BLOCK).

    Returns:
        Places in :data:`LEVELS`, shape (blocks, BLOCK), and scales, shape (blocks, 1), as float16
        keeps them.
    """
    rows = np.arange(len(blocks))
    largest = blocks[rows, np.abs(blocks).argmax(axis=1)][:, np.newaxis]
    best, kept = np.full(len(blocks), np.inf), np.zeros((len(blocks), 1), dtype=np.float32)
    places = np.zeros(blocks.shape, dtype=np.uint8)

    def try_scales(scales: Floats) -> Floats:
        scales = np.maximum(scales, _LEAST).astype(np.float16).astype(np.float32)
        found = nearest(blocks / scales)
        levels = LEVELS[found]
        error = np.square(levels * scales - blocks).sum(axis=1)
        better = error < best
        best[better], kept[better], places[better] = error[better], scales[better], found[better]
        squares = np.maximum(np.square(levels).sum(axis=1, keepdims=True), _LEAST)
        return np.asarray((blocks * levels).sum(axis=1, keepdims=True) / squares)

    for outer in range(_OUTER):
        level = np.where(largest < 0, LEVELS[outer], LEVELS[-1 - outer])
        fitted = try_scales(largest / level)
        if outer == 0:
            try_scales(fitted)
    return places, kept


def packable(shape: Sequence[int], axis: int) -> bool:
    """Whether an array of this shape is kept in 4 bits, its blocks lying along ``axis``."""
    whole = len(shape) == 2 and shape[axis] % BLOCK == 0 and shape[1] % 2 == 0
    return whole and math.prod(shape) >= _SMALLEST


def quantise_nibbles(source: Path, target: Path) -> None:
    """Write a float32 network with its large matrices and tables in 4 bits.

    Matrices share a scale along the axis that is summed over, tables along a token's numbers.
    What no block of :data:`BLOCK` divides, and all that is small, stays in float32.

    Args:
        source: the float32 export.
        target: the file to write.
    """
    import onnx

    write_lean(source, target)
    model = onnx.load(str(target))
    matrices = _pack(model.graph)
    (opset,) = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    multiply_in_integers(model.graph, matrices, opset=opset)
    onnx.save(model, str(target))


def write_unpacked(source: Path, target: Path) -> None:
    """Write a network with packed weights as one in float32; see :func:`unpack`.

    Args:
        source: what :func:`quantise_nibbles` wrote.
        target: the file to write.
    """
    import onnx

    model = onnx.load(str(source))
    unpack(model.graph)
    onnx.save(model, str(target))


def unpack(graph: Any) -> None:
    """Turn packed weights back to float32 in the file, and let it compute in float32, in place.

    Other graphs stay as they are.

    Args:
        graph: an ``onnx.GraphProto``.
    """
    from onnx import numpy_helper

    tables = {entry.name: entry for entry in graph.initializer}
    if _PAIRS not in tables:
        return
    multiply_in_floats(graph)
    pairs = numpy_helper.to_array(tables[_PAIRS])
    for packed in [name for name in tables if name.endswith(_BYTES)]:
        name = packed.removesuffix(_BYTES)
        places, scales, shape = (
            numpy_helper.to_array(tables[name + part]) for part in (_BYTES, "_scales", "_shape")
        )
        weights = (pairs[places] * scales.astype(np.float32)).reshape(shape)
        for node in [node for node in graph.node if name in node.output]:
            graph.node.remove(node)
        graph.initializer.append(numpy_helper.from_array(weights, name))
    lean_graph(graph)  # takes out what nothing uses any more


def _pack(graph: Any) -> set[str]:
    """Pack what is large, in place; returns the names of matrices."""
    from onnx import numpy_helper

    entries = {entry.name: entry for entry in graph.initializer}
    large = dict(_large(graph))
    if not large:
        return set()
    pairs = np.stack([np.repeat(LEVELS, 16), np.tile(LEVELS, 16)], axis=1)
    constants = {
        _PAIRS: pairs,
        _ONE: np.array(1, dtype=np.float32),
        _ZERO: np.array(0, dtype=np.int8),
    }
    steps: list[Any] = []
    for name, axis in large.items():
        weights = numpy_helper.to_array(entries[name]).astype(np.float32)
        graph.initializer.remove(entries[name])
        packed, nodes = (_packed_matrix if axis == 0 else _packed_table)(name, weights)
        constants |= packed
        steps += nodes
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    for place, node in enumerate(steps):
        graph.node.insert(place, node)
    return {name for name, axis in large.items() if axis == 0}


def _large(graph: Any) -> Iterator[tuple[str, int]]:
    """Names of the arrays that are packed, with the axis along which blocks lie."""
    shapes = {entry.name: tuple(entry.dims) for entry in graph.initializer}
    used = [(node.input[1], 0) for node in graph.node if node.op_type == "MatMul"]
    used += [(node.input[0], 1) for node in graph.node if node.op_type == "Gather"]
    for name, axis in dict(used).items():
        if packable(shapes.get(name, ()), axis):
            yield name, axis


def _packed_table(name: str, table: Floats) -> tuple[dict[str, NDArray[Any]], list[Any]]:
    """Constants, and the nodes that make a float32 table of them; its blocks lie along rows."""
    from onnx import helper

    places, scales = rounded(table.reshape(-1, BLOCK))
    constants = _constants(
        name,
        places.reshape(len(table), -1, BLOCK),
        scales.reshape(len(table), -1, 1, 1),
        table.shape,
    )
    nodes = [
        *_levels_and_sizes(name),
        helper.make_node("Mul", [f"{name}_levels", f"{name}_sizes"], [f"{name}_blocks"]),
        helper.make_node("Reshape", [f"{name}_blocks", f"{name}_shape"], [name]),
    ]
    return constants, nodes


def _packed_matrix(name: str, matrix: Floats) -> tuple[dict[str, NDArray[Any]], list[Any]]:
    """The same for a matrix, of which integers are made; its blocks lie along columns."""
    from onnx import helper

    found, sizes = rounded(np.ascontiguousarray(matrix.T).reshape(-1, BLOCK))
    places = np.moveaxis(found.reshape(matrix.shape[1], -1, BLOCK), 0, -1)
    scales = np.moveaxis(sizes.reshape(matrix.shape[1], -1, 1), 0, -1)
    by_pair = (*scales.shape[:-1], -1, 2)
    constants = _constants(name, places, scales.reshape(by_pair), matrix.shape)
    constants[f"{name}{COLUMNS}"] = column_scales((LEVELS[places] * scales).reshape(matrix.shape))
    constants[f"{name}_by_pair"] = np.array((1, 1, -1, 2))
    # As few steps as can be: ONNX Runtime keeps what each makes of all matrices until the last.
    nodes = [
        *_levels_and_sizes(name),
        helper.make_node("Reshape", [f"{name}{COLUMNS}", f"{name}_by_pair"], [f"{name}_units"]),
        helper.make_node("Div", [f"{name}_sizes", f"{name}_units"], [f"{name}_factors"]),
        helper.make_node("Mul", [f"{name}_levels", f"{name}_factors"], [f"{name}_blocks"]),
        helper.make_node("QuantizeLinear", [f"{name}_blocks", _ONE, _ZERO], [f"{name}_whole"]),
        helper.make_node("Reshape", [f"{name}_whole", f"{name}_shape"], [f"{name}{INTEGERS}"]),
    ]
    return constants, nodes


def _constants(
    name: str, places: Bytes, scales: Floats, shape: tuple[int, ...]
) -> dict[str, NDArray[Any]]:
    # A byte stands for a pair of neighbours in a row, whose levels are looked up together.
    return {
        f"{name}{_BYTES}": (places[..., ::2] << 4) | places[..., 1::2],
        f"{name}_scales": scales.astype(np.float16),
        f"{name}_shape": np.array(shape),
    }


def _levels_and_sizes(name: str) -> list[Any]:
    from onnx import TensorProto, helper

    return [
        helper.make_node("Cast", [f"{name}{_BYTES}"], [f"{name}_places"], to=TensorProto.INT32),
        helper.make_node("Gather", [_PAIRS, f"{name}_places"], [f"{name}_levels"]),
        helper.make_node("Cast", [f"{name}_scales"], [f"{name}_sizes"], to=TensorProto.FLOAT),
    ]
