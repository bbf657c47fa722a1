from pathlib import Path

import numpy as np
import pytest

from alliance.model.backend import OnnxBackend
from alliance.model.codebook import MARKER_ORDER, Marker
from alliance.model.errors import ModelError


def test_one_row_of_logits_per_token(stub: Path) -> None:
    # The stub's "dunno" is number 8 and votes for W2; number 0 is the unknown word.
    logits = OnnxBackend(stub / "model.onnx")(np.array([8, 0, 8], dtype=np.int64))
    assert logits.shape == (3, len(MARKER_ORDER))
    assert logits.dtype == np.float32
    assert [MARKER_ORDER[place] for place in logits.argmax(axis=1)] == [
        Marker.W2,
        Marker.N,
        Marker.W2,
    ]


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x89PNG\r\n\x1a\n" * 40])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx: expected an ONNX model, found a file that"):
        OnnxBackend(path)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx: expected an ONNX model, found no file"):
        OnnxBackend(tmp_path / "absent.onnx")


def gather(path: Path, *, codes: int, source: str = "input_ids", axes: int = 2) -> None:
    """A network that looks tokens up in a table, with another shape or name than it should."""
    onnx = pytest.importorskip("onnx", reason="builds a network ([train])")
    helper, numbers, floats = onnx.helper, onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
    inputs = [1, "tokens"][-axes:]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["votes", source], ["logits"], axis=0)],
        "g",
        [helper.make_tensor_value_info(source, numbers, inputs)],
        [helper.make_tensor_value_info("logits", floats, [*inputs, codes])],
        [onnx.numpy_helper.from_array(np.zeros((9, codes), dtype=np.float32), "votes")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), str(path))


@pytest.mark.parametrize("codes", [len(MARKER_ORDER), 4])
def test_a_model_of_the_right_shape_is_taken(tmp_path: Path, codes: int) -> None:
    gather(tmp_path / "model.onnx", codes=codes)
    backend = OnnxBackend(tmp_path / "model.onnx")
    assert backend(np.array([1, 2])).shape == (2, codes)
    assert backend.width == codes


@pytest.mark.parametrize(
    ("codes", "source", "axes", "message"),
    [
        (21, "input_ids", 1, r"\(1, tokens, width\), found shape \['tokens', 21\]"),
        (21, "words", 2, "expected one input, input_ids, found words"),
    ],
)
def test_a_model_of_another_shape_is_refused(
    tmp_path: Path, codes: int, source: str, axes: int, message: str
) -> None:
    gather(tmp_path / "model.onnx", codes=codes, source=source, axes=axes)
    with pytest.raises(ModelError, match=message):
        OnnxBackend(tmp_path / "model.onnx")
