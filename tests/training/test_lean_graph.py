import collections
from pathlib import Path

import numpy as np
import pytest

from alliance.model.backend import OnnxBackend
from alliance.model.classifier import shipped_weights

onnx = pytest.importorskip("onnx", reason="needs the [train] extra")


def test_a_lean_graph_computes_the_same_with_less(tmp_path: Path) -> None:
    from alliance.training.lean_graph import write_lean

    source, target = shipped_weights() / "model.onnx", tmp_path / "lean.onnx"
    write_lean(source, target)
    kinds = collections.Counter(node.op_type for node in onnx.load(str(target)).graph.node)
    assert not {"IsNaN", "MatMulNBits"} & kinds.keys()
    before, after = OnnxBackend(source, threads=1), OnnxBackend(target, threads=1)
    for length in (3, 40, 200):
        ids = np.random.default_rng(length).integers(1000, 10_000, length)
        assert np.abs(before(ids) - after(ids)).max() < 1e-4
    again = tmp_path / "again.onnx"
    write_lean(target, again)
    assert again.read_bytes() == target.read_bytes()
    assert abs(target.stat().st_size - source.stat().st_size) < 100_000
