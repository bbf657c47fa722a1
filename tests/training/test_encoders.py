"""Encoders of other kinds than BERT: built, exported, and told how far they can count."""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForMaskedLM as AnyEncoder
from transformers import (
    BertConfig,
    ModernBertConfig,
    MPNetConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from alliance.model.backend import OnnxBackend
from alliance.model.errors import ConfigError
from alliance.training import forms
from alliance.training.config import EncoderConfig
from alliance.training.forms import write_onnx
from alliance.training.network import Network, TorchBackend, build_network, strip_specials

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TEXT = ["you are not listening to me", "I would rather talk about work", "thanks, that helps"]
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
KINDS: dict[str, Callable[[int], PretrainedConfig]] = {
    "mpnet": lambda words: MPNetConfig(vocab_size=words, max_position_embeddings=66, **SIZES),
    "roberta": lambda words: RobertaConfig(
        vocab_size=words, max_position_embeddings=66, type_vocab_size=1, **SIZES
    ),
    # Every other layer looks no further than 16 tokens; words beyond the tokenizer's are padding.
    "modernbert": lambda words: ModernBertConfig(
        vocab_size=words + 8,
        max_position_embeddings=4096,
        local_attention=16,
        global_attn_every_n_layers=2,
        cls_token_id=0,
        sep_token_id=2,
        **SIZES,
    ),
}


def _bytes_tokenizer() -> Tokenizer:
    """A byte-level BPE tokenizer, as RoBERTa's and ModernBERT's are."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def _save(folder: Path, kind: str) -> EncoderConfig:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_bytes_tokenizer(),
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    AnyEncoder.from_config(KINDS[kind](len(tokenizer))).save_pretrained(folder)
    return EncoderConfig(
        base=str(folder), max_tokens=64, max_turn_tokens=24, overlap_tokens=16, hidden_dropout=0.25
    )


@pytest.fixture(params=list(KINDS))
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> EncoderConfig:
    return _save(tmp_path / "base", request.param)


def _ids(network: Network, length: int) -> np.ndarray:
    draw = np.random.default_rng(length).integers(10, 250, length)
    draw[0], draw[-1] = network.packing.opening_id, network.packing.closing_id
    draw[1] = list(network.packing.role_ids.values())[1]
    return draw


def test_any_encoder_is_built_and_exported(encoder: EncoderConfig, tmp_path: Path) -> None:
    network = build_network(encoder)
    assert sorted(network.packing.role_ids.values()) == [300, 301, 302]
    assert (network.packing.opening_id, network.packing.closing_id) == (0, 2)
    rates = {m.p for m in network.model.modules() if isinstance(m, torch.nn.Dropout)}
    assert rates <= {0.0, 0.25}  # of attention, and of all else
    assert 0.25 in rates
    write_onnx(network, tmp_path / "model.onnx")
    onnx, plain = OnnxBackend(tmp_path / "model.onnx"), TorchBackend(network)
    for length in (3, 17, 64):
        ids = _ids(network, length)
        assert onnx(ids) == pytest.approx(plain(ids), abs=1e-4)


def test_padding_changes_no_logits(encoder: EncoderConfig) -> None:
    network = build_network(encoder)
    network.model.eval()
    ids = torch.from_numpy(_ids(network, 20)).unsqueeze(0)
    padded = torch.nn.functional.pad(ids, (0, 9), value=network.model.config.pad_token_id)
    with torch.no_grad():
        mask = torch.ones_like(ids)
        alone = network.model(input_ids=ids, attention_mask=mask).logits
        mask = torch.nn.functional.pad(mask, (0, 9))
        beside = network.model(input_ids=padded, attention_mask=mask).logits[:, :20]
    assert torch.allclose(alone, beside, atol=1e-5)


def test_windows_are_no_longer_than_the_encoder_can_count(encoder: EncoderConfig) -> None:
    kind = build_network(encoder).model.config.model_type
    limit = 4096 if kind == "modernbert" else 64
    network = build_network(dataclasses.replace(encoder, max_tokens=limit))
    # The longest window really does go through.
    assert TorchBackend(network)(_ids(network, min(limit, 600))).shape[1] == 21
    with pytest.raises(ConfigError, match=f"has positions for {limit} tokens; set max_tokens to"):
        build_network(dataclasses.replace(encoder, max_tokens=limit + 1))


def test_long_windows_can_be_exported(tmp_path: Path) -> None:
    encoder = _save(tmp_path / "base", "modernbert")
    network = build_network(dataclasses.replace(encoder, max_tokens=2048))
    write_onnx(network, tmp_path / "model.onnx")
    ids = _ids(network, 2048)
    found = OnnxBackend(tmp_path / "model.onnx")(ids)
    assert found == pytest.approx(TorchBackend(network)(ids), abs=1e-4)


def test_special_tokens_typed_in_a_transcript_stay_text(encoder: EncoderConfig) -> None:
    network = build_network(encoder)
    (ids,) = network.turn_tokenizer([" ".join(SPECIALS) + " [CLIENT]"])
    assert len(ids) > len(SPECIALS)
    assert ids.min() >= len(SPECIALS)
    assert ids.max() < min(network.packing.role_ids.values())


def test_special_pieces_of_a_unigram_tokenizer_are_never_found() -> None:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=60, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([*TEXT, "<> / s"], trainer)
    typed = "<s> helps </s>"
    assert {0, 2} <= set(tokenizer.encode(typed).ids)
    assert not {0, 1, 2, 4} & set(strip_specials(tokenizer).encode(typed).ids)


def test_a_tokenizer_without_edges_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    PreTrainedTokenizerFast(tokenizer_object=_bytes_tokenizer()).save_pretrained(tmp_path)
    AnyEncoder.from_config(BertConfig(vocab_size=300, **SIZES)).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="tokens that open and close a text"):
        build_network(EncoderConfig(base=str(tmp_path)))


def test_an_export_that_computes_something_else_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_network(_save(tmp_path / "base", "roberta"))

    def wrong(graph: forms.Graph, path: Path) -> None:
        class Shifted(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = graph.module

            def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
                return self.inner(input_ids) + 1.0

        forms._trace(dataclasses.replace(graph, module=Shifted().eval()), path)

    def failing(graph: forms.Graph, path: Path) -> None:
        warnings.warn("about its internals", stacklevel=1)
        raise RuntimeError("unsupported")

    monkeypatch.setattr(forms, "EXPORTERS", (failing, wrong))
    with pytest.raises(ConfigError, match="gives RuntimeError and logits that differ by"):
        write_onnx(network, tmp_path / "model.onnx")
    monkeypatch.setattr(forms, "EXPORTERS", (failing, forms._trace))
    write_onnx(network, tmp_path / "model.onnx")
