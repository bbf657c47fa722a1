"""A base encoder cut down to what fits a small file: its lower layers, its commoner word pieces.

An encoder whose upper layers are left out keeps most of its worth once it is fine-tuned (Sajjad et
al. 2023, "On the effect of dropping layers of pre-trained transformer models"). Of a vocabulary of
thirty thousand pieces, talk needs a third; a word whose own piece is left out is spelt with shorter
ones.
"""

import json
from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

import torch
from tokenizers import Tokenizer

from alliance.model.errors import ConfigError
from alliance.model.tokens import TurnTokenizer
from alliance.training.adapting import encoder_layers
from alliance.training.corpora import authored, everyday, varied

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["cut_layers", "cut_vocabulary"]

_KIND: Final = "WordPiece"


def cut_layers(model: "PreTrainedModel", count: int) -> None:
    """Leave out all layers but the lowest, in place.

    Args:
        model: the encoder with its head.
        count: layers to keep.

    Raises:
        ConfigError: if the encoder has fewer, or does not keep its layers in one list.
    """
    layers = encoder_layers(model)
    if count > len(layers):
        raise ConfigError(
            f"[encoder] layers lies between 0 and the encoder's {len(layers)}, got {count}"
        )
    del layers[count:]
    model.config.num_hidden_layers = count


def cut_vocabulary(
    model: "PreTrainedModel", tokenizer: Tokenizer, special: Collection[int], count: int
) -> tuple[Tokenizer, dict[int, int]]:
    """Leave out all word pieces but the commonest.

    What stays: the special pieces and ASCII characters, with which any English word can be spelt;
    then the pieces of our own sessions that training may draw from, the commonest first; then the
    lowest numbers, which are the commonest words of what the vocabulary was made from.

    Args:
        model: the encoder, whose embedding table is cut in place.
        tokenizer: the whole vocabulary's, without special tokens.
        special: numbers of the pieces that are special.
        count: pieces to keep.

    Returns:
        The tokenizer of what stays, and the new number of each piece by its old one; their order
        is kept.

    Raises:
        ConfigError: if the vocabulary is not one of word pieces, is smaller, or could not spell
            every word with so few.
    """
    content = json.loads(tokenizer.to_str())
    if content["model"]["type"] != _KIND:
        raise ConfigError(
            f"[encoder] vocabulary cuts vocabularies of the kind {_KIND}, found "
            f"{content['model']['type']}; set it to 0"
        )
    pieces: dict[str, int] = content["model"]["vocab"]
    prefix = content["model"]["continuing_subword_prefix"]
    # Other single characters are those of other scripts.
    letters = {at for piece, at in pieces.items() if len(piece.removeprefix(prefix)) == 1}
    needed = {at for piece, at in pieces.items() if piece.isascii() and at in letters}
    needed |= {*special, pieces[content["model"]["unk_token"]]}
    if not len(needed) <= count <= len(pieces):
        raise ConfigError(
            f"[encoder] vocabulary lies between {len(needed)} (special pieces and ASCII "
            f"characters) and the encoder's {len(pieces)}, or is 0 for all, got {count}"
        )
    spoken = _counted(tokenizer)
    unused = {at for piece, at in pieces.items() if piece.startswith("[")} | letters
    order = sorted(
        pieces.values(), key=lambda at: (at not in needed, -spoken[at], at in unused, at)
    )
    kept = sorted(order[:count])
    numbers = {old: new for new, old in enumerate(kept)}
    table: Any = model.get_input_embeddings()  # a module, which the types do not say
    rows = table.weight[kept].detach().clone()
    model.resize_token_embeddings(count, mean_resizing=False)
    table = model.get_input_embeddings()
    with torch.no_grad():
        table.weight.copy_(rows)
    if model.config.pad_token_id is not None:
        model.config.pad_token_id = numbers[model.config.pad_token_id]
    content["model"]["vocab"] = {
        piece: numbers[at] for piece, at in pieces.items() if at in numbers
    }
    return Tokenizer.from_str(json.dumps(content)), numbers


def _counted(tokenizer: Tokenizer) -> Counter[int]:
    """How often each piece occurs in our own sessions, those left aside that only test."""
    counts: Counter[int] = Counter()
    for corpus in (authored(), everyday(), varied()):
        for coded in corpus:
            for ids in TurnTokenizer(tokenizer)([turn.text for turn in coded.session.turns]):
                counts.update(ids.tolist())
    return counts
