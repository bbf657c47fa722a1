"""Weights in 4 bits: packed, unpacked by ONNX Runtime, and rounded with care before."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from transformers import BertConfig, BertModel, BertTokenizerFast

from alliance.model.backend import OnnxBackend
from alliance.training.config import EncoderConfig, SessionConfig
from alliance.training.forms import write_onnx
from alliance.training.four_bits import (
    BLOCK,
    LEVELS,
    packable,
    quantise_nibbles,
    rounded,
    write_unpacked,
)
from alliance.training.network import Network, TorchBackend, build_network
from alliance.training.rounding import round_weights, windows_to_read

onnx = pytest.importorskip("onnx", reason="needs the [train] extra")

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder = tmp_path_factory.mktemp("base")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += [*LETTERS, *(f"##{x}" for x in LETTERS), "you", "okay", "the", ".", ",", "?"]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
        initializer_range=0.2,  # of a trained encoder's order: what is said differs
    )
    BertModel(config).save_pretrained(folder)
    return build_network(EncoderConfig(base=str(folder)), SessionConfig(hidden=4))


@given(
    arrays(np.float32, (3, BLOCK), elements=st.floats(-4, 4, width=32)),
    st.floats(1e-3, 1e3),
)
def test_each_weight_gets_a_level_near_it(blocks: np.ndarray, size: float) -> None:
    blocks = (blocks * size).astype(np.float32)
    places, scales = rounded(blocks)
    found = LEVELS[places] * scales
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    # Half the widest gap between levels, of the largest weight; fitting the scale only improves it.
    error = np.sqrt(np.square(found - blocks).mean(axis=1, keepdims=True))
    assert (error <= 0.16 * largest + 1e-5).all()
    again, same = rounded(np.asarray(found, dtype=np.float32))
    assert LEVELS[again] * same == pytest.approx(found, rel=2e-3, abs=1e-6)


def test_what_lies_on_levels_is_found_as_it_is() -> None:
    draw = np.random.default_rng(0)
    places = draw.integers(0, 16, (500, BLOCK))
    scales = draw.uniform(0.01, 3, (500, 1)).astype(np.float16).astype(np.float32)
    weights = LEVELS[places] * scales
    found, kept = rounded(weights)
    assert np.array_equal(LEVELS[found] * kept, weights)


def test_the_packed_graph_computes_with_rounded_weights(network: Network, tmp_path: Path) -> None:
    rounded_network = _plainly_rounded(network)
    write_onnx(network, tmp_path / "plain.onnx")
    quantise_nibbles(tmp_path / "plain.onnx", tmp_path / "small.onnx")
    plain_size = (tmp_path / "plain.onnx").stat().st_size
    write_unpacked(tmp_path / "small.onnx", tmp_path / "unpacked.onnx")
    expected = TorchBackend(rounded_network)
    plain, small, unpacked = (
        OnnxBackend(tmp_path / f"{name}.onnx") for name in ("plain", "small", "unpacked")
    )
    for length in (1, 7, 300):
        ids = np.random.default_rng(length).integers(5, 60, length)
        assert unpacked(ids) == pytest.approx(expected(ids), abs=1e-4)
        rounding, integers = (
            np.linalg.norm(one(ids) - expected(ids)) / np.linalg.norm(expected(ids))
            for one in (plain, small)
        )
        assert 0.001 < integers < 0.5 * rounding  # what the products lose is little beside it
    assert (tmp_path / "unpacked.onnx").stat().st_size > 0.9 * plain_size
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("plain", "small")]
    assert sizes[1] < 0.3 * sizes[0]
    kinds = {node.domain for node in onnx.load(str(tmp_path / "small.onnx")).graph.node}
    assert kinds <= {"", "ai.onnx"}  # nothing that another runtime would not know


def test_rounding_with_care_changes_less(network: Network, tmp_path: Path) -> None:
    careful = copy.deepcopy(network)
    windows = windows_to_read(careful)
    assert sum(map(len, windows)) > 5_000
    round_weights(careful, windows)
    ids = np.random.default_rng(0).integers(5, 60, 400)
    whole = TorchBackend(network)(ids)
    errors = [
        np.square(TorchBackend(one)(ids) - whole).mean()
        for one in (careful, _plainly_rounded(network))
    ]
    assert 0 < errors[0] < 0.8 * errors[1]
    for weight in careful.model.base_model.parameters():
        if packable(weight.shape, 1):  # on its levels, where packing finds it
            blocks = weight.detach().numpy().reshape(-1, BLOCK)
            places, scales = rounded(blocks)
            assert np.array_equal(LEVELS[places] * scales, blocks)
    write_onnx(careful, tmp_path / "plain.onnx")
    quantise_nibbles(tmp_path / "plain.onnx", tmp_path / "small.onnx")
    write_unpacked(tmp_path / "small.onnx", tmp_path / "unpacked.onnx")
    unpacked = OnnxBackend(tmp_path / "unpacked.onnx")
    assert unpacked(ids) == pytest.approx(TorchBackend(careful)(ids), abs=1e-4)  # tables, too
    again = copy.deepcopy(careful)
    round_weights(again, windows[:2])
    for before, after in zip(careful.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(before, after)


def _plainly_rounded(network: Network) -> Network:
    """All that is packed, rounded to the nearest level."""
    copied = copy.deepcopy(network)
    for weight in copied.model.base_model.parameters():
        if packable(weight.shape, 1):
            blocks = weight.detach().numpy().reshape(-1, BLOCK)
            places, scales = rounded(blocks)
            weight.data = torch.from_numpy((LEVELS[places] * scales).reshape(weight.shape))
    return copied
