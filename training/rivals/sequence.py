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
from alliance.model.codebook import LABELS
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session
from alliance.training.config import ImitationConfig, LossConfig, SessionConfig
from alliance.training.corpora import CodedSession
from alliance.training.embeddings import Embedding
from alliance.training.imitation import reader
from alliance.training.layer_fitting import Example, descend, mean_loss
from alliance.training.rivals.plain import labelled_by_largest
from alliance.training.session_layer import ROLE_NUMBERS, RecurrentLayer
from alliance.training.targets import code_targets, label_weights, turn_weights

__all__ = ["ENCODER", "LAYERS", "SequenceRival", "Settings", "fit"]

ENCODER: Final = reader(ImitationConfig())
"""What reads the turns: what a smaller encoder imitates unless told otherwise."""

LAYERS: Final = ImitationConfig().layers
"""Whose hidden states are kept; a learnt mean of them goes on."""

_WARMUP: Final = 0.1  # share of the steps over which the rate rises


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


class _Mixed(nn.Module):
    """A learnt mean of the states of several layers, each evened out: (turns, layers * size)."""

    def __init__(self, layers: int, size: int) -> None:
        super().__init__()
        self._shape = (layers, size)
        self._even = nn.LayerNorm(size, elementwise_affine=False)
        self._mix = nn.Parameter(torch.zeros(layers))

    def forward(self, states: Tensor) -> Tensor:
        """Shape (turns, size)."""
        layers = self._even(states.view(len(states), *self._shape))
        mixed: Tensor = (layers * self._mix.softmax(0)[None, :, None]).sum(1) * 2
        return mixed


def _read(session: Session, states: Embedding) -> tuple[Tensor, Tensor, Tensor]:
    """A session as the layer reads it: states, roles, and lengths in words."""
    words = [len(turn.text.split()) for turn in session.turns]
    return (
        torch.from_numpy(np.asarray(states, dtype=np.float32)),
        torch.tensor([ROLE_NUMBERS[turn.role] for turn in session.turns]),
        torch.tensor(words, dtype=torch.float32),
    )


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
        read = _read(session, self._states[session.id])
        roles = [turn.role for turn in session.turns]
        with torch.inference_mode():
            logits = [layer(*read) for layer in self._layers]
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
) -> list[Example]:
    by_label = label_weights(sessions, balance=loss.balance)
    out = []
    for coded in sessions:
        targets = code_targets(coded, settled_share=loss.settled_share)
        out.append(
            Example(
                *_read(coded.session, states[coded.id]),
                torch.from_numpy(legal_codes([turn.role for turn in coded.session.turns])),
                torch.from_numpy(targets),
                torch.from_numpy(turn_weights(coded, targets, by_label)),
            )
        )
    return out


def _train(
    sessions: Sequence[Example],
    own: Sequence[Example],
    size: int,
    layers: int,
    loss: LossConfig,
    settings: Settings,
    seed: int,
) -> nn.Module:
    generator = np.random.default_rng(seed)
    batches = _batches(sessions, own, settings, generator)
    config = SessionConfig(
        hidden=settings.hidden,
        width=settings.width,
        dropout=settings.dropout,
        feature_dropout=settings.input_dropout,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = RecurrentLayer(size, config, even=_Mixed(layers, size))

        def loss_of(batch: Sequence[Example]) -> Tensor:
            parts = [_part(example, settings, generator) for example in batch]
            logits = [layer(part.features, part.roles, part.lengths) for part in parts]
            return mean_loss(torch.cat(logits), parts, loss.code_weight)

        average = descend(
            layer,
            batches,
            loss_of,
            rate=settings.rate,
            weight_decay=settings.weight_decay,
            warmup=_WARMUP,
            average=settings.average,
        )
    return average.eval()


def _batches(
    sessions: Sequence[Example],
    own: Sequence[Example],
    settings: Settings,
    generator: np.random.Generator,
) -> list[list[Example]]:
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


def _part(example: Example, settings: Settings, generator: np.random.Generator) -> Example:
    """The session, or some of its turns in a row: it may begin and end anywhere."""
    turns = len(example.weights)
    if turns <= _LONG or generator.random() >= settings.cut_share:
        return example
    first = int(generator.integers(0, turns - _SHORTEST_PART))
    stop = int(generator.integers(first + _SHORTEST_PART, turns + 1))
    return example.part(first, stop)
