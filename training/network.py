"""The network: any Hugging Face encoder with a token-classification head over the codes."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from alliance.model.backend import Logits
from alliance.model.calibration import LABEL_OF_CODE
from alliance.model.codebook import LABELS, MARKER_ORDER, Role
from alliance.model.errors import ConfigError
from alliance.model.packing import PackingConfig
from alliance.model.tokens import TokenIds, TurnTokenizer
from alliance.training.base import find_base
from alliance.training.config import EncoderConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Encoders name them differently.
_ATTENTION_DROPOUTS: Final = ("attention_probs_dropout_prob", "attention_dropout")
_HIDDEN_DROPOUTS: Final = ("hidden_dropout_prob", "dropout", "mlp_dropout", "embedding_dropout")

_SECTIONS_OF_OTHERS: Final = ("added_tokens", "post_processor", "truncation", "padding")


@dataclass(frozen=True, slots=True)
class Network:
    """An encoder with its head, the tokenizer stripped of special tokens, and the packing."""

    model: "PreTrainedModel"
    tokenizer: Tokenizer
    packing: PackingConfig

    @property
    def turn_tokenizer(self) -> TurnTokenizer:
        """The tokenizer as labelling uses it."""
        return TurnTokenizer(self.tokenizer)


def build_network(config: EncoderConfig) -> Network:
    """Load the base, give it a fresh head over the codes and one new token per role.

    The role tokens are new rows of the embedding table; they start at its mean, near which an
    untrained token disturbs its neighbours least. Where the embeddings stay frozen, that would
    hide who speaks: there a role token is the mean of what its role's name is made of.
    """
    base = find_base(config.base)
    settings = AutoConfig.from_pretrained(base, local_files_only=True)
    settings.num_labels = len(MARKER_ORDER)
    settings.id2label = {number: code.value for number, code in enumerate(MARKER_ORDER)}
    settings.label2id = {code.value: number for number, code in enumerate(MARKER_ORDER)}
    for names, dropout in (
        (_ATTENTION_DROPOUTS, config.attention_dropout),
        (_HIDDEN_DROPOUTS, config.hidden_dropout),
    ):
        for name in names:
            if hasattr(settings, name):
                setattr(settings, name, dropout)
    model = AutoModelForTokenClassification.from_pretrained(
        base, config=settings, local_files_only=True, dtype=torch.float32
    )
    positions = usable_positions(model)
    if positions is not None and config.max_tokens > positions:
        raise ConfigError(
            f"[encoder] max_tokens = {config.max_tokens}, but {config.base} has positions for "
            f"{positions} tokens; set max_tokens to {positions} or less"
        )
    full = AutoTokenizer.from_pretrained(base, local_files_only=True)
    opening, closing = _edge_tokens(full, config.base)
    words = max(full.get_vocab().values()) + 1
    model.resize_token_embeddings(words + len(Role), mean_resizing=False)
    table = model.get_input_embeddings().weight
    with torch.no_grad():
        table[words:] = table[:words].mean(dim=0, keepdim=True)
        if config.frozen_layers:
            for place, role in enumerate(Role):
                name = full(role.value, add_special_tokens=False)["input_ids"]
                table[words + place] = table[name].mean(dim=0)
    packing = PackingConfig(
        role_ids={role: words + place for place, role in enumerate(Role)},
        opening_id=opening,
        closing_id=closing,
        max_tokens=config.max_tokens,
        max_turn_tokens=config.max_turn_tokens,
        overlap_tokens=config.overlap_tokens,
    )
    return Network(model, strip_specials(full.backend_tokenizer), packing)


def usable_positions(model: "PreTrainedModel") -> int | None:
    """How many tokens the encoder can tell apart by their place; None if it sets no limit.

    RoBERTa, MPNet and their kin count places from the padding token's number, so the first rows
    of their table are never used: 514 rows are 512 places.
    """
    for name, module in model.base_model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - unused
    limit: int | None = getattr(model.config, "max_position_embeddings", None)
    return limit


def _edge_tokens(full: "PreTrainedTokenizerBase", base: str) -> tuple[int, int]:
    """The tokens that open and close a window."""
    opening = full.bos_token_id if full.cls_token_id is None else full.cls_token_id
    closing = full.eos_token_id if full.sep_token_id is None else full.sep_token_id
    if opening is None or closing is None:
        raise ConfigError(
            f"[encoder] base = {base!r}: expected a tokenizer with tokens that open and close a "
            f"text, found one without; choose an encoder of the BERT kind"
        )
    return int(opening), int(closing)


def strip_specials(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer without special tokens: ``[SEP]`` typed in a transcript stays text."""
    content = json.loads(tokenizer.to_str())
    specials = {token["content"] for token in content["added_tokens"] if token["special"]}
    for section in _SECTIONS_OF_OTHERS:
        content[section] = [] if section == "added_tokens" else None
    if content["model"]["type"] == "Unigram":
        # Its pieces are matched as they stand, special or not. No text holds a line break when it
        # is tokenised (alliance.model.text.normalise), so such a piece is never found.
        content["model"]["vocab"] = [
            [f"\n{piece}" if piece in specials else piece, score]
            for piece, score in content["model"]["vocab"]
        ]
    return Tokenizer.from_str(json.dumps(content))


class TorchBackend:
    """The network in training, behind the interface that labelling uses."""

    def __init__(self, model: "PreTrainedModel") -> None:
        self._model = model

    def __call__(self, ids: TokenIds) -> Logits:
        """Logits of one window's tokens, shape (tokens, 21)."""
        tokens = torch.from_numpy(ids).unsqueeze(0).to(self._model.device)
        with torch.inference_mode():
            logits = self._model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
        return logits[0].float().cpu().numpy()  # type: ignore[no-any-return]


def pool_turns(logits: Tensor, turn_of_token: Tensor, turns: int) -> Tensor:
    """A turn's logits are the mean of its tokens' logits (as ``scores.pool_turns``).

    Args:
        logits: shape (windows, tokens, 21).
        turn_of_token: the turn each token belongs to, counted over the batch, or -1; shape
            (windows, tokens).
        turns: number of turns in the batch.

    Returns:
        Shape (turns, 21), in float32.
    """
    inside = turn_of_token >= 0
    places = turn_of_token[inside]
    sums = torch.zeros(turns, logits.shape[-1], device=logits.device)
    sums = sums.index_add(0, places, logits[inside].float())
    counts = torch.bincount(places, minlength=turns).clamp(min=1).unsqueeze(1)
    return sums / counts


def turn_loss(
    logits: Tensor, targets: Tensor, legal: Tensor, weights: Tensor, *, code_weight: float
) -> Tensor:
    """Cross-entropy on the four labels plus ``code_weight`` times that on the fine codes.

    Args:
        logits: of the turns, shape (turns, 21).
        targets: distribution over the codes that the codings give, shape (turns, 21).
        legal: which codes each turn's role may carry, shape (turns, 21).
        weights: weight of each turn, 0 for turns without a label, shape (turns,).
        code_weight: weight of the fine codes.

    Returns:
        The weighted mean over turns, a scalar.
    """
    codes = logits.masked_fill(~legal, -1e4).log_softmax(dim=1)
    members = torch.from_numpy(LABEL_OF_CODE).to(logits.device)
    labels = torch.stack(
        [codes[:, members == place].logsumexp(dim=1) for place in range(len(LABELS))], dim=1
    )
    label_targets = torch.zeros_like(labels).index_add(1, members, targets)
    loss = -(label_targets * labels).sum(dim=1) - code_weight * (targets * codes).sum(dim=1)
    return (loss * weights).sum() / weights.sum().clamp(min=1e-6)
