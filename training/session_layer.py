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
    "imitation_error",
    "pool_turns",
]

ROLE_NUMBERS: Final = {role: number for number, role in enumerate(ROLES)}


class RecurrentLayer(nn.Module):
    """From the encoder's features of turns in a row to logits of the codes.

    Args:
        size: features of a turn.
        config: the layer's sizes; ``hidden`` is above 0.
        even: evens the features out before anything else, (turns, any) to (turns, size); unless
            told, to mean 0 and variance 1.
    """

    def __init__(self, size: int, config: SessionConfig, *, even: nn.Module | None = None) -> None:
        super().__init__()
        self.size = size
        self._even = even or nn.LayerNorm(size, elementwise_affine=False)
        self._narrow = nn.Linear(size, config.width)
        self._role = nn.Embedding(len(ROLE_NUMBERS), config.width)
        self._length = nn.Linear(1, config.width)
        self._drop_features = nn.Dropout(config.feature_dropout)
        self._drop = nn.Dropout(config.dropout)
        self._recurrent = nn.GRU(config.width, config.hidden, bidirectional=True)
        self._codes = nn.Linear(config.width + 2 * config.hidden, len(MARKER_ORDER))

    def forward(self, features: Tensor, roles: Tensor, lengths: Tensor) -> Tensor:
        """Logits (turns, 21) of one session: features (turns, size), roles and lengths (turns,)."""
        turns = self._turns(features, roles, lengths)
        context, _ = self._recurrent(turns)
        return self._logits(context, turns)

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
        return self._logits(torch.cat(rows), turns)

    def _turns(self, features: Tensor, roles: Tensor, lengths: Tensor) -> Tensor:
        said = self._narrow(self._drop_features(self._even(features)))
        told = said + self._role(roles) + self._length(lengths.log1p().unsqueeze(1))
        turns: Tensor = self._drop(nn.functional.gelu(told))
        return turns

    def _logits(self, context: Tensor, turns: Tensor) -> Tensor:
        logits: Tensor = self._codes(torch.cat([self._drop(context), turns], dim=-1))
        return logits


class SessionNetwork(nn.Module):
    """An encoder, and the layer over the session that reads its features.

    The encoder's own head is trained beside the layer, so that the encoder learns as if there were
    none, and in stages where the layer takes no part; it is not exported.

    Args:
        encoder: with a linear head ``classifier`` over the codes.
        layer: gives the logits.
        imitated: how many numbers a turn the encoder learns to imitate; 0 for none.
    """

    def __init__(self, encoder: nn.Module, layer: RecurrentLayer, *, imitated: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.layer = layer
        self.imitating = nn.Linear(layer.size, imitated) if imitated else None

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        turn_of_token: Tensor,
        roles: Tensor,
        lengths: Tensor,
        counts: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """What is said of the turns of one batch.

        Args:
            input_ids: shape (windows, tokens).
            attention_mask: likewise.
            turn_of_token: as in :func:`pool_turns`.
            roles: of the turns, as ``ROLE_NUMBERS``, shape (turns,).
            lengths: their tokens, shape (turns,).
            counts: turns of each part of a session, parts in order, shape (parts,).

        Returns:
            The logits, those of the encoder's own head, both (turns, 21), and what the encoder says
            in imitation, (turns, components).
        """
        hidden = hidden_states(self.encoder, input_ids, attention_mask)
        features = pool_turns(hidden, turn_of_token, len(roles))
        # The layer is small, and sums up over many turns: in full precision.
        with torch.autocast(features.device.type, enabled=False):
            logits = self.layer.of_parts(features, roles, lengths, counts.tolist())
            alone = self.head(nn.functional.dropout(features, _HEAD_DROPOUT, self.training))
            said = None if self.imitating is None else self.imitating(features)
        return logits, alone, said

    @property
    def head(self) -> nn.Linear:
        """The encoder's own head."""
        head = self.encoder.classifier
        assert isinstance(head, nn.Linear)
        return head


_HEAD_DROPOUT: Final = 0.1


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


def imitation_error(said: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Mean squared error over turns and components, each component weighted; a scalar."""
    return ((said - wanted).square() * weights).mean()


class TorchLayer:
    """The layer in training, behind the interface that labelling uses."""

    def __init__(self, layer: RecurrentLayer) -> None:
        self._layer = layer

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
