"""The layer over a session, as it is trained: a bidirectional GRU over what the encoder says.

An encoder reads a window of some twenty turns; whether a session goes well shows over all of them.
The layer reads the features of a session's turns in order, in both directions (GRU: Cho et al.
2014, "Learning phrase representations using RNN encoder-decoder"). Labelling runs its exported
form (:mod:`alliance.model.session_layer`).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from alliance.model.backend import Features, Logits
from alliance.model.codebook import MARKER_ORDER, Role
from alliance.model.session_layer import ROLES
from alliance.training.config import SessionConfig

__all__ = [
    "ROLE_NUMBERS",
    "RecurrentLayer",
    "SessionNetwork",
    "TorchLayer",
    "hidden_states",
    "pool_turns",
]

ROLE_NUMBERS: Final = {role: number for number, role in enumerate(ROLES)}


class RecurrentLayer(nn.Module):
    """From the encoder's features of turns in a row to what its own logits are corrected by.

    Args:
        size: features of a turn.
        config: the layer's sizes; ``hidden`` is above 0.
    """

    def __init__(self, size: int, config: SessionConfig) -> None:
        super().__init__()
        self.size = size
        self._even = nn.LayerNorm(size, elementwise_affine=False)
        self._narrow = nn.Linear(size, config.width)
        self._role = nn.Embedding(len(ROLE_NUMBERS), config.width)
        self._length = nn.Linear(1, config.width)
        self._drop_features = nn.Dropout(config.feature_dropout)
        self._drop = nn.Dropout(config.dropout)
        self._recurrent = nn.GRU(config.width, config.hidden, bidirectional=True)
        self._codes = nn.Linear(config.width + 2 * config.hidden, len(MARKER_ORDER))
        nn.init.zeros_(self._codes.weight)
        nn.init.zeros_(self._codes.bias)

    def forward(self, features: Tensor, roles: Tensor, lengths: Tensor) -> Tensor:
        """Corrections (turns, 21) of one session: features (turns, size), the rest (turns,)."""
        turns = self._turns(features, roles, lengths)
        context, _ = self._recurrent(turns)
        return self._corrections(context, turns)

    def of_parts(
        self, features: Tensor, roles: Tensor, lengths: Tensor, counts: Sequence[int]
    ) -> Tensor:
        """The same of several parts of sessions, one after the other; ``counts`` turns each."""
        turns = self._turns(features, roles, lengths)
        packed = nn.utils.rnn.pack_sequence(
            list(torch.split(turns, list(counts))), enforce_sorted=False
        )
        context, _ = nn.utils.rnn.pad_packed_sequence(self._recurrent(packed)[0])
        rows = [context[:count, part] for part, count in enumerate(counts)]
        return self._corrections(torch.cat(rows), turns)

    def _turns(self, features: Tensor, roles: Tensor, lengths: Tensor) -> Tensor:
        said = self._narrow(self._drop_features(self._even(features)))
        told = said + self._role(roles) + self._length(lengths.log1p().unsqueeze(1))
        turns: Tensor = self._drop(nn.functional.gelu(told))
        return turns

    def _corrections(self, context: Tensor, turns: Tensor) -> Tensor:
        logits: Tensor = self._codes(torch.cat([self._drop(context), turns], dim=-1))
        return logits


class SessionNetwork(nn.Module):
    """An encoder with its head, and the layer over the session.

    Args:
        encoder: with a linear head ``classifier`` over the codes.
        layer: corrects what that head says of a turn.
    """

    def __init__(self, encoder: nn.Module, layer: RecurrentLayer) -> None:
        super().__init__()
        self.encoder = encoder
        self.layer = layer

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        turn_of_token: Tensor,
        roles: Tensor,
        lengths: Tensor,
        counts: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """What is said of the turns of one batch.

        Args:
            input_ids: shape (windows, tokens).
            attention_mask: likewise.
            turn_of_token: as in :func:`pool_turns`.
            roles: of the turns, as ``ROLE_NUMBERS``, shape (turns,).
            lengths: their tokens, shape (turns,).
            counts: turns of each part of a session, parts in order, shape (parts,).

        Returns:
            The logits, and those before they are corrected, both (turns, 21).
        """
        hidden = hidden_states(self.encoder, input_ids, attention_mask)
        features = pool_turns(hidden, turn_of_token, len(roles))
        # The layer is small, and sums up over many turns: in full precision.
        with torch.autocast(features.device.type, enabled=False):
            dropout = _HEAD_DROPOUT if self.training else 0.0
            alone = self.head(nn.functional.dropout(features, dropout))
            return alone + self.layer.of_parts(features, roles, lengths, counts.tolist()), alone

    @property
    def head(self) -> nn.Linear:
        """The encoder's own."""
        head = self.encoder.classifier
        assert isinstance(head, nn.Linear)
        return head


_HEAD_DROPOUT: Final = 0.1


class SessionHead(nn.Module):
    """What comes after the encoder, as it is exported: features of a session's turns to logits."""

    def __init__(self, network: SessionNetwork) -> None:
        super().__init__()
        self._alone = network.head
        self._layer = network.layer

    def forward(self, features: Tensor, roles: Tensor, lengths: Tensor) -> Tensor:
        """Logits (turns, 21) of features (turns, size), roles and lengths (turns,)."""
        logits: Tensor = self._alone(features) + self._layer(features, roles, lengths)
        return logits


def hidden_states(encoder: nn.Module, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """What an encoder with a head gives before its head, shape (windows, tokens, size)."""
    base: nn.Module = encoder.base_model  # type: ignore[assignment]
    states: Tensor = base(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return states


def pool_turns(states: Tensor, turn_of_token: Tensor, turns: int) -> Tensor:
    """A turn's row is the mean of its tokens' rows (as ``scores.pool_turns``).

    Args:
        states: logits or features, shape (windows, tokens, width).
        turn_of_token: the turn each token belongs to, counted over the batch, or -1; shape
            (windows, tokens).
        turns: number of turns in the batch.

    Returns:
        Shape (turns, width), in float32.
    """
    inside = turn_of_token >= 0
    places = turn_of_token[inside]
    sums = torch.zeros(turns, states.shape[-1], device=states.device)
    sums = sums.index_add(0, places, states[inside].float())
    counts = torch.bincount(places, minlength=turns).clamp(min=1).unsqueeze(1)
    return sums / counts


class TorchLayer:
    """The layer in training, behind the interface that labelling uses."""

    def __init__(self, network: SessionNetwork) -> None:
        self._layer = SessionHead(network)

    def __call__(self, features: Features, roles: Sequence[Role], lengths: Sequence[int]) -> Logits:
        """Logits of the turns, shape (turns, 21)."""
        device = next(self._layer.parameters()).device
        with torch.inference_mode():
            logits = self._layer(
                torch.from_numpy(np.asarray(features, dtype=np.float32)).to(device),
                torch.tensor([ROLE_NUMBERS[role] for role in roles], device=device),
                torch.tensor(lengths, dtype=torch.float32, device=device),
            )
        return np.asarray(logits.cpu().numpy(), dtype=np.float32)
