"""Products in 8-bit integers: a scale for each token, and the way back."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.backend import silent_runtime
from alliance.training.integer_rows import (
    COLUMNS,
    INTEGERS,
    column_scales,
    multiply_in_floats,
    multiply_in_integers,
)

onnx = pytest.importorskip("onnx", reason="needs the [train] extra")

Arrays = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def _product(matrix: Arrays, opset: int) -> "onnx.ModelProto":
    """A model: tokens (any, in) times a matrix, twice."""
    from onnx import TensorProto, helper, numpy_helper

    scales = column_scales(matrix)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["tokens", "matrix"], ["first"], name="layer/MatMul"),
            helper.make_node("MatMul", ["tokens", "other"], ["second"]),
            helper.make_node("Add", ["first", "second"], ["sum"]),
        ],
        "product",
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["any", len(matrix)])],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["any", matrix.shape[1]])],
        [
            numpy_helper.from_array(matrix, "matrix"),
            numpy_helper.from_array(np.round(matrix / scales).astype(np.int8), f"matrix{INTEGERS}"),
            numpy_helper.from_array(scales, f"matrix{COLUMNS}"),
            numpy_helper.from_array(np.zeros_like(matrix), "other"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def _run(model: "onnx.ModelProto", tokens: Arrays) -> Arrays:
    session = silent_runtime().InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (result,) = session.run(None, {"tokens": tokens})
    return np.asarray(result)


@pytest.mark.parametrize("opset", [17, 18])
def test_each_token_has_its_own_scale(opset: int) -> None:
    draw = np.random.default_rng(opset)
    matrix = draw.normal(size=(96, 32)).astype(np.float32)
    model = _product(matrix, opset)
    multiply_in_integers(model.graph, {"matrix"}, opset=opset)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("MatMulInteger") == 1
    assert kinds.count("MatMul") == 1
    tokens = draw.normal(size=(12, 96)).astype(np.float32)
    tokens[3] *= 1000
    tokens[4, 7] = -400
    tokens[5] = 0
    result, exact = _run(model, tokens), tokens @ matrix
    errors = np.linalg.norm(result - exact, axis=1)
    lengths = np.linalg.norm(tokens, axis=1) * np.linalg.norm(matrix) / np.sqrt(96)
    usual = np.delete(np.arange(12), [4, 5])
    assert (errors[usual] < 0.03 * lengths[usual]).all()  # however large its neighbours are
    assert errors[usual].max() > 0
    assert (result[5] == 0).all()
    alone = _run(model, tokens[:1])
    assert np.array_equal(alone, result[:1])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(1e-4, 1e4))
def test_integers_are_summed_exactly(seed: int, size: float) -> None:
    draw = np.random.default_rng(seed)
    matrix = (size * draw.normal(size=(64, 8))).astype(np.float32)
    scales = column_scales(matrix)
    whole = np.round(matrix / scales)
    assert np.abs(whole).max() == 63  # neighbours' products with 255 fit into 16 bits
    model = _product(matrix, 17)
    multiply_in_integers(model.graph, {"matrix"}, opset=17)
    tokens = draw.integers(-127, 128, (5, 64)).astype(np.float32)
    tokens[:, 0] = 127  # the largest of each: all are whole steps
    expected = (tokens.astype(np.int64) @ whole.astype(np.int64)) * scales.astype(np.float64)
    assert _run(model, tokens) == pytest.approx(expected, rel=1e-5, abs=1e-5 * size)


def test_saturated_numbers_do_not_overflow() -> None:
    """The largest sums there are: a processor that adds pairs in 16 bits would cut them."""
    matrix = np.ones((256, 4), dtype=np.float32)
    model = _product(matrix, 17)
    multiply_in_integers(model.graph, {"matrix"}, opset=17)
    assert _run(model, np.ones((2, 256), dtype=np.float32)) == pytest.approx(256, rel=1e-5)


def test_the_way_back_is_the_float_product(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    matrix = draw.normal(size=(64, 16)).astype(np.float32)
    tokens = draw.normal(size=(5, 64)).astype(np.float32)
    before = _product(matrix, 17)
    model = _product(matrix, 17)
    multiply_in_integers(model.graph, {"matrix"}, opset=17)
    multiply_in_floats(model.graph)
    assert [node.name for node in model.graph.node if "matrix" in node.input] == ["layer/MatMul"]
    assert np.array_equal(_run(model, tokens), _run(before, tokens))
    again = _product(matrix, 17)
    multiply_in_floats(again.graph)  # nothing to undo
    assert again == before
