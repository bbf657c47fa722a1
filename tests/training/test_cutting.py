"""A base encoder cut to its lower layers and commoner word pieces."""

import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from alliance.model.codebook import Role
from alliance.model.errors import ConfigError
from alliance.training.config import EncoderConfig
from alliance.training.network import Network, TorchBackend, build_network
from alliance.training.session_layer import hidden_states
from tests.training.test_encoders import _save

WORDS = ["okay", "therapist", "client", "##s", "xenolith", "[unused1]", "é", "the"]
LETTERS = [*"aeioxnlth,.", *(f"##{letter}" for letter in "aeioxnlth")]


@pytest.fixture
def encoder(tmp_path: Path) -> EncoderConfig:
    """Three layers, and a vocabulary of which our own sessions use some words."""
    vocabulary = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *LETTERS]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(vocabulary), num_hidden_layers=3, **sizes)
    BertModel(config).save_pretrained(tmp_path)
    return EncoderConfig(base=str(tmp_path))


def _states(network: Network, text: str) -> torch.Tensor:
    (ids,) = network.turn_tokenizer([text])
    edges = network.packing.opening_id, network.packing.closing_id
    tokens = torch.tensor([[edges[0], *ids.tolist(), edges[1]]])
    network.model.eval()
    with torch.no_grad():
        return hidden_states(network.model, tokens, torch.ones_like(tokens))


def _pieces(network: Network) -> list[str]:
    vocabulary = network.tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def test_the_lower_layers_are_kept(encoder: EncoderConfig) -> None:
    cut = build_network(dataclasses.replace(encoder, layers=2))
    assert cut.model.config.num_hidden_layers == 2
    whole = build_network(encoder)
    kept = cut.model.base_model.encoder.layer
    assert len(kept) == 2
    for number, layer in enumerate(kept):
        expected = whole.model.base_model.encoder.layer[number].state_dict()
        for name, value in layer.state_dict().items():
            assert torch.equal(value, expected[name])
    assert TorchBackend(cut)(torch.tensor([2, 7, 3]).numpy()).shape == (3, 21)
    with pytest.raises(ConfigError, match=r"layers lies between 0 and the encoder's 3, got 4"):
        build_network(dataclasses.replace(encoder, layers=4))


def test_a_word_that_stays_reads_as_before(encoder: EncoderConfig) -> None:
    whole, cut = build_network(encoder), build_network(dataclasses.replace(encoder, vocabulary=30))
    assert cut.model.get_input_embeddings().num_embeddings == 30 + len(Role)
    assert sorted(cut.packing.role_ids.values()) == [30, 31, 32]
    text = "okay, the therapists"
    assert torch.equal(_states(whole, text), _states(cut, text))
    left_out = set(_pieces(whole)) - set(_pieces(cut))
    assert {"xenolith", "[unused0]", "[unused1]"} <= left_out  # nobody says them
    assert not left_out & {"okay", "therapist", "##s", *LETTERS, "[PAD]", "[UNK]", "[CLS]"}
    (spelt,) = cut.turn_tokenizer(["xenolith"])
    assert [_pieces(cut)[at] for at in spelt] == ["x", *(f"##{letter}" for letter in "enolith")]


def test_role_tokens_of_a_frozen_encoder_are_their_names(encoder: EncoderConfig) -> None:
    network = build_network(dataclasses.replace(encoder, vocabulary=30, frozen_layers=1))
    table = network.model.get_input_embeddings().weight
    name = network.tokenizer.get_vocab()["client"]
    assert torch.equal(table[network.packing.role_ids[Role.CLIENT]], table[name])


def test_a_vocabulary_that_could_not_spell_is_refused(encoder: EncoderConfig) -> None:
    for count in (20, 99):
        with pytest.raises(ConfigError, match=rf"vocabulary lies between \d+ .* got {count}"):
            build_network(dataclasses.replace(encoder, vocabulary=count))


def test_other_kinds_of_vocabulary_are_refused(tmp_path: Path) -> None:
    encoder = _save(tmp_path / "base", "roberta")
    with pytest.raises(ConfigError, match="of the kind WordPiece, found BPE; set it to 0"):
        build_network(dataclasses.replace(encoder, vocabulary=280))
