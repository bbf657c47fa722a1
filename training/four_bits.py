"""Weights in 4 bits: two to a byte, each one of sixteen levels times its block's scale.

The levels are those of a normal distribution's quantiles ("NF4", Dettmers et al. 2023, "QLoRA"),
which suit what trained matrices hold better than even steps. The graph turns the weights back to
float32 once, when the model is loaded, with plain ONNX operators that any ONNX Runtime knows; it
then computes as a float32 network does.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alliance.training.lean_graph import lean_graph, write_lean

__all__ = ["BLOCK", "LEVELS", "nearest", "quantise_nibbles", "rounded", "unpack"]

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
    _pack(model.graph)
    onnx.save(model, str(target))


def unpack(graph: Any) -> None:
    """Turn packed weights back to float32 in the file, in place; of other graphs nothing changes.

    Args:
        graph: an ``onnx.GraphProto``.
    """
    from onnx import numpy_helper

    tables = {entry.name: entry for entry in graph.initializer}
    if _PAIRS not in tables:
        return
    pairs = numpy_helper.to_array(tables[_PAIRS])
    for split in [name for name in tables if name.endswith("_split")]:
        name = split.removesuffix("_split")
        packed, scales, shape = (
            numpy_helper.to_array(tables[f"{name}_{part}"]) for part in ("bytes", "scales", "shape")
        )
        blocks = pairs[packed].reshape(numpy_helper.to_array(tables[split]))
        weights = (blocks * scales.astype(np.float32)).reshape(shape)
        (last,) = [node for node in graph.node if name in node.output]
        graph.node.remove(last)
        graph.initializer.append(numpy_helper.from_array(weights, name))
    lean_graph(graph)  # takes out what nothing uses any more


def _pack(graph: Any) -> None:
    from onnx import numpy_helper

    entries = {entry.name: entry for entry in graph.initializer}
    steps: list[Any] = []
    for name, axis in _large(graph):
        weights = numpy_helper.to_array(entries[name]).astype(np.float32)
        graph.initializer.remove(entries[name])
        constants, nodes = _unpacking(name, weights, axis)
        graph.initializer.extend(constants)
        steps.extend(nodes)
    if steps:
        pairs = np.stack([np.repeat(LEVELS, 16), np.tile(LEVELS, 16)], axis=1)
        graph.initializer.append(numpy_helper.from_array(pairs, _PAIRS))
    for place, node in enumerate(steps):
        graph.node.insert(place, node)


def _large(graph: Any) -> Iterator[tuple[str, int]]:
    """Names of the arrays that are packed, with the axis along which blocks lie."""
    shapes = {entry.name: tuple(entry.dims) for entry in graph.initializer}
    used = [(node.input[1], 0) for node in graph.node if node.op_type == "MatMul"]
    used += [(node.input[0], 1) for node in graph.node if node.op_type == "Gather"]
    for name, axis in dict(used).items():
        shape = shapes.get(name, ())
        if len(shape) == 2 and shape[axis] % BLOCK == 0 and math.prod(shape) >= _SMALLEST:
            yield name, axis


def _unpacking(name: str, weights: Floats, axis: int) -> tuple[list[Any], list[Any]]:
    """Constants, and the nodes that make the float32 array ``name`` of them.

    A byte stands for a pair of neighbours in a row, whose levels are looked up together.
    """
    from onnx import TensorProto, helper, numpy_helper

    turned = np.moveaxis(weights, axis, -1)
    found, sizes = rounded(np.ascontiguousarray(turned).reshape(-1, BLOCK))
    places = np.moveaxis(found.reshape(turned.shape), -1, axis)
    scales = np.moveaxis(sizes.reshape(*turned.shape[:-1], -1), -1, axis)
    # With an axis of its own for the places within a block, on which a scale has one place.
    split = (*weights.shape[:axis], -1, BLOCK, *weights.shape[axis + 1 :])
    constants = [
        numpy_helper.from_array((places[:, ::2] << 4) | places[:, 1::2], f"{name}_bytes"),
        numpy_helper.from_array(
            np.expand_dims(scales, axis + 1).astype(np.float16), f"{name}_scales"
        ),
        numpy_helper.from_array(np.array(split), f"{name}_split"),
        numpy_helper.from_array(np.array(weights.shape), f"{name}_shape"),
    ]
    made = helper.make_node
    nodes = [
        made("Cast", [f"{name}_bytes"], [f"{name}_places"], to=TensorProto.INT32),
        made("Gather", [_PAIRS, f"{name}_places"], [f"{name}_pairs"]),
        made("Reshape", [f"{name}_pairs", f"{name}_split"], [f"{name}_levels"]),
        made("Cast", [f"{name}_scales"], [f"{name}_sizes"], to=TensorProto.FLOAT),
        made("Mul", [f"{name}_levels", f"{name}_sizes"], [f"{name}_blocks"]),
        made("Reshape", [f"{name}_blocks", f"{name}_shape"], [name]),
    ]
    return constants, nodes
