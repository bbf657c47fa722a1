"""A rival that is more than ours: a large encoder as it came, and a recurrent layer over sessions.

All-mpnet-base-v2 is too large to be fine-tuned on a processor, or to ship. Read once, its hidden
states of every turn are kept, and what is trained is small: a bidirectional GRU (Cho et al. 2014,
"Learning phrase representations using RNN encoder-decoder") that reads a whole session's turns, so
that what a session is like as a whole counts for each of them. Several such layers, from different
draws, give the mean of their probabilities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from alliance.model.agreement import Floats
from alliance.model.calibration import code_probabilities, label_probabilities, legal_codes
from alliance.model.codebook import LABELS, MARKER_ORDER, Role
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session
from alliance.training.config import EncoderConfig, LossConfig
from alliance.training.corpora import CodedSession
from alliance.training.embeddings import Embedding
from alliance.training.layer_fitting import running_average
from alliance.training.network import turn_loss
from alliance.training.rivals.plain import labelled_by_largest
from alliance.training.windows import code_targets, label_weights, turn_weights

__all__ = ["ENCODER", "LAYERS", "SequenceRival", "Settings", "fit"]

ENCODER: Final = EncoderConfig(base="mpnet", frozen_layers=12, overlap_tokens=96)
"""What reads the turns; its role tokens are what the roles' names are."""

LAYERS: Final = (6, 9, 11, 12)
"""Whose hidden states are kept; a learnt mean of them goes on."""

_ROLES: Final = list(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the recurrent layer is trained; chosen on development folds.

    Attributes:
        width: of a turn before the recurrent layer.
        hidden: of the recurrent layer, in each direction.
        dropout: between the layers (0-1).
        input_dropout: of the encoder's states (0-1).
        rate: peak learning rate of AdamW; it rises and falls once.
        weight_decay: AdamW's decay.
        first_epochs: passes over the sessions of our own alone.
        epochs: passes over AnnoMI's sessions with some of our own.
        own_share: which share (0-1) of our own sessions is drawn anew for each of these.
        batch: sessions in one step.
        cut_share: share (0-1) of sessions of which only a part is shown.
        average: decay per step of the running average of the weights that is kept.
        draws: how many layers are trained.
    """

    width: int = 192
    hidden: int = 96
    dropout: float = 0.4
    input_dropout: float = 0.2
    rate: float = 2e-3
    weight_decay: float = 0.02
    first_epochs: int = 2
    epochs: int = 8
    own_share: float = 0.2
    batch: int = 4
    cut_share: float = 0.5
    average: float = 0.99
    draws: int = 3


_SHORTEST_PART: Final = 20  # turns
_LONG: Final = 40  # turns from which a session may be cut


class _Layer(nn.Module):
    """From a session's hidden states to logits of the codes."""

    def __init__(self, size: int, layers: int, settings: Settings) -> None:
        super().__init__()
        self._shape = (layers, size)
        self._even = nn.LayerNorm(size, elementwise_affine=False)
        self._mix = nn.Parameter(torch.zeros(layers))
        self._narrow = nn.Linear(size, settings.width)
        self._role = nn.Embedding(len(_ROLES), settings.width)
        self._length = nn.Linear(1, settings.width)
        self._drop_input = nn.Dropout(settings.input_dropout)
        self._drop = nn.Dropout(settings.dropout)
        self._recurrent = nn.GRU(settings.width, settings.hidden, bidirectional=True)
        self._codes = nn.Linear(settings.width + 2 * settings.hidden, len(MARKER_ORDER))

    def forward(self, states: Tensor, roles: Tensor, lengths: Tensor) -> Tensor:
        """Logits (turns, 21) of states (turns, layers * size), roles and lengths (turns,)."""
        layers = self._even(states.view(len(states), *self._shape))
        mixed = (layers * self._mix.softmax(0)[None, :, None]).sum(1) * 2
        turns = self._narrow(self._drop_input(mixed)) + self._role(roles)
        turns = self._drop(nn.functional.gelu(turns + self._length(lengths[:, None])))
        context, _ = self._recurrent(turns)
        logits: Tensor = self._codes(torch.cat([self._drop(context), turns], dim=-1))
        return logits


@dataclass(frozen=True, slots=True)
class _Read:
    """A session as the layer reads it."""

    states: Tensor
    roles: Tensor
    lengths: Tensor
    legal: Tensor

    @classmethod
    def of(cls, session: Session, states: Embedding) -> "_Read":
        roles = [turn.role for turn in session.turns]
        words = [len(turn.text.split()) for turn in session.turns]
        return cls(
            torch.from_numpy(np.asarray(states, dtype=np.float32)),
            torch.tensor([_ROLES.index(role) for role in roles]),
            torch.tensor(words, dtype=torch.float32).log1p(),
            torch.from_numpy(legal_codes(roles)),
        )


@dataclass(frozen=True, slots=True)
class _Example:
    read: _Read
    targets: Tensor
    weights: Tensor


class SequenceRival:
    """Labels by the mean probability of the trained layers; made by :func:`fit`."""

    name = "mpnet as it came + a recurrent layer over the session"

    def __init__(self, states: Mapping[str, Embedding], layers: Sequence[nn.Module]) -> None:
        self._states = states
        self._layers = layers

    def probabilities(self, session: Session) -> Floats:
        """Uncalibrated probabilities of the labels, shape (turns, 4).

        Raises:
            KeyError: if the session was not read by the encoder.
        """
        if not session.turns:
            return np.zeros((0, len(LABELS)))
        read = _Read.of(session, self._states[session.id])
        roles = [turn.role for turn in session.turns]
        with torch.inference_mode():
            logits = [layer(read.states, read.roles, read.lengths) for layer in self._layers]
        codes = [code_probabilities(each.numpy(), roles) for each in logits]
        return label_probabilities(np.mean(codes, axis=0))

    def label(self, session: Session, *, purpose: Purpose = Purpose.RESEARCH) -> LabelledSession:
        """Labels every turn with words by its largest probability, whatever the purpose."""
        return labelled_by_largest(
            session, self.probabilities(session), name=self.name, purpose=purpose
        )


def fit(
    sessions: Sequence[CodedSession],
    own: Sequence[CodedSession],
    states: Mapping[str, Embedding],
    *,
    layers: int = len(LAYERS),
    loss: LossConfig | None = None,
    settings: Settings | None = None,
    seed: int = 0,
) -> SequenceRival:
    """Train the recurrent layers.

    Args:
        sessions: like those that will be labelled; trained on in every pass of the second part.
        own: others; the first part is theirs, and a share of them goes with the second.
        states: the encoder's hidden states by session id, shape (turns, layers * size); those of
            sessions to be labelled too.
        layers: how many layers of the encoder stand beside each other in a row of ``states``.
        loss: what is learnt from a coded turn; as the shipped recipe has it unless told.
        settings: how it is trained.
        seed: of the first layer's draws; the others follow.
    """
    settings, loss = settings or Settings(), loss or LossConfig()
    theirs, ours = (_examples(corpus, states, loss) for corpus in (sessions, own))
    size = next(iter(states.values())).shape[1] // layers
    trained = [
        _train(theirs, ours, size, layers, loss, settings, seed + draw)
        for draw in range(settings.draws)
    ]
    return SequenceRival(states, trained)


def _examples(
    sessions: Sequence[CodedSession], states: Mapping[str, Embedding], loss: LossConfig
) -> list[_Example]:
    by_label = label_weights(sessions, balance=loss.balance)
    out = []
    for coded in sessions:
        targets = code_targets(coded, settled_share=loss.settled_share)
        out.append(
            _Example(
                _Read.of(coded.session, states[coded.id]),
                torch.from_numpy(targets),
                torch.from_numpy(turn_weights(coded, targets, by_label)),
            )
        )
    return out


def _train(
    sessions: Sequence[_Example],
    own: Sequence[_Example],
    size: int,
    layers: int,
    loss: LossConfig,
    settings: Settings,
    seed: int,
) -> nn.Module:
    generator = np.random.default_rng(seed)
    batches = _batches(sessions, own, settings, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = _Layer(size, layers, settings)
        optimizer = torch.optim.AdamW(
            layer.parameters(), lr=settings.rate, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.rate, total_steps=max(2, len(batches)), pct_start=0.1
        )
        average = running_average(layer, settings.average)
        for batch in batches:
            parts = [_part(example, settings, generator) for example in batch]
            logits = [layer(p.read.states, p.read.roles, p.read.lengths) for p in parts]
            error = turn_loss(
                torch.cat(logits),
                torch.cat([part.targets for part in parts]),
                torch.cat([part.read.legal for part in parts]),
                torch.cat([part.weights for part in parts]),
                code_weight=loss.code_weight,
            )
            optimizer.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.update_parameters(layer)
    kept: nn.Module = average.module
    return kept.eval()


def _batches(
    sessions: Sequence[_Example],
    own: Sequence[_Example],
    settings: Settings,
    generator: np.random.Generator,
) -> list[list[_Example]]:
    passes = [list(own) for _ in range(settings.first_epochs)]
    for _ in range(settings.epochs):
        drawn = generator.permutation(len(own))[: round(settings.own_share * len(own))]
        passes.append([*sessions, *(own[place] for place in drawn)])
    out = []
    for examples in passes:
        order = generator.permutation(len(examples))
        for start in range(0, len(order), settings.batch):
            out.append([examples[place] for place in order[start : start + settings.batch]])
    return out


def _part(example: _Example, settings: Settings, generator: np.random.Generator) -> _Example:
    """The session, or some of its turns in a row: it may begin and end anywhere."""
    turns = len(example.weights)
    if turns <= _LONG or generator.random() >= settings.cut_share:
        return example
    first = int(generator.integers(0, turns - _SHORTEST_PART))
    stop = int(generator.integers(first + _SHORTEST_PART, turns + 1))
    read = example.read
    return _Example(
        _Read(*(part[first:stop] for part in (read.states, read.roles, read.lengths, read.legal))),
        example.targets[first:stop],
        example.weights[first:stop],
    )
