"""The network: any Hugging Face encoder with a token-classification head over the codes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from alliance.model.backend import Backend, Features
from alliance.model.calibration import LABEL_OF_CODE
from alliance.model.codebook import LABELS, MARKER_ORDER, Role
from alliance.model.errors import ConfigError
from alliance.model.packing import EncodedTurn, PackingConfig, plan_session, window_ids
from alliance.model.scores import chosen_rows, pool_turns
from alliance.model.tokens import TokenIds, TurnTokenizer
from alliance.training.base import find_base
from alliance.training.config import EncoderConfig, SessionConfig
from alliance.training.cutting import cut_layers, cut_vocabulary
from alliance.training.session_layer import (
    RecurrentLayer,
    SessionNetwork,
    TorchLayer,
    hidden_states,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Encoders name them differently.
_ATTENTION_DROPOUTS: Final = ("attention_probs_dropout_prob", "attention_dropout")
_HIDDEN_DROPOUTS: Final = ("hidden_dropout_prob", "dropout", "mlp_dropout", "embedding_dropout")

_SECTIONS_OF_OTHERS: Final = ("added_tokens", "post_processor", "truncation", "padding")


@dataclass(frozen=True, slots=True)
class Network:
    """An encoder with its head, the tokenizer stripped of special tokens, and the packing.

    Where there is a layer over the session (``session``), the logits are its.
    """

    model: "PreTrainedModel"
    tokenizer: Tokenizer
    packing: PackingConfig
    session: SessionNetwork | None = None

    @property
    def whole(self) -> torch.nn.Module:
        """All that is trained and kept: the encoder, with the session's layer if there is one."""
        return self.model if self.session is None else self.session

    @property
    def turn_tokenizer(self) -> TurnTokenizer:
        """The tokenizer as labelling uses it."""
        return TurnTokenizer(self.tokenizer)


def build_network(
    config: EncoderConfig, session: SessionConfig | None = None, *, imitated: int = 0
) -> Network:
    """Load the base, give it a fresh head over the codes and one new token per role.

    Args:
        config: the encoder.
        session: the layer over the session; none unless its ``hidden`` is above 0.
        imitated: how many numbers a turn the encoder learns to imitate; needs the layer.

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
    if config.layers:
        cut_layers(model, config.layers)
    positions = usable_positions(model)
    if positions is not None and config.max_tokens > positions:
        raise ConfigError(
            f"[encoder] max_tokens = {config.max_tokens}, but {config.base} has positions for "
            f"{positions} tokens; set max_tokens to {positions} or less"
        )
    full = AutoTokenizer.from_pretrained(base, local_files_only=True)
    opening, closing = _edge_tokens(full, config.base)
    tokenizer = strip_specials(full.backend_tokenizer)
    words = max(full.get_vocab().values()) + 1
    if config.vocabulary:
        tokenizer, numbers = cut_vocabulary(
            model, tokenizer, full.all_special_ids, config.vocabulary
        )
        opening, closing, words = numbers[opening], numbers[closing], config.vocabulary
    model.resize_token_embeddings(words + len(Role), mean_resizing=False)
    table = model.get_input_embeddings().weight
    with torch.no_grad():
        table[words:] = table[:words].mean(dim=0, keepdim=True)
        if config.frozen_layers:
            for place, role in enumerate(Role):
                pieces = tokenizer.encode(role.value, add_special_tokens=False).ids
                table[words + place] = table[pieces].mean(dim=0)
    packing = PackingConfig(
        role_ids={role: words + place for place, role in enumerate(Role)},
        opening_id=opening,
        closing_id=closing,
        max_tokens=config.max_tokens,
        max_turn_tokens=config.max_turn_tokens,
        overlap_tokens=config.overlap_tokens,
    )
    layered = None
    if session is not None and session.hidden:
        layer = RecurrentLayer(model.config.hidden_size, session)
        layered = SessionNetwork(model, layer, imitated=imitated)
    return Network(model, tokenizer, packing, layered)


def use_bf16(precision: str) -> bool:
    """Whether a recipe's ``precision`` means bfloat16 on this machine."""
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


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
    """The network's encoder in training, behind the interface that labelling uses."""

    def __init__(self, network: Network) -> None:
        self._model = network.model
        self._layered = network.session is not None

    def __call__(self, ids: TokenIds) -> Features:
        """Of one window's tokens: logits, (tokens, 21), or features, if there is a layer."""
        tokens = torch.from_numpy(ids).unsqueeze(0).to(self._model.device)
        mask = torch.ones_like(tokens)
        with torch.inference_mode():
            if self._layered:
                said = hidden_states(self._model, tokens, mask)
            else:
                said = self._model(input_ids=tokens, attention_mask=mask).logits
        return said[0].float().cpu().numpy()


def read_turns(
    backend: Backend, encoded: Sequence[EncodedTurn], packing: PackingConfig
) -> Features:
    """What an encoder says of a session's turns, in the windows that labelling reads.

    Args:
        backend: the encoder.
        encoded: the session's turns; at least one.
        packing: the packing.

    Returns:
        Shape (turns, width).
    """
    plan = plan_session(encoded, packing)
    pooled = [
        pool_turns(backend(window_ids(plan.encoded, window, packing)), plan.lengths(number))
        for number, window in enumerate(plan.windows)
    ]
    return chosen_rows(plan, pooled)


def torch_layer(network: Network) -> TorchLayer | None:
    """The layer over the session in training, if there is one."""
    return None if network.session is None else TorchLayer(network.session.layer)


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
