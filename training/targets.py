"""What is learnt from coded sessions: a session as numbers, its targets and its turns' weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alliance.model.calibration import LABEL_OF_CODE
from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Marker, Role
from alliance.model.labelled import unlabelled_reason
from alliance.model.packing import EncodedTurn, PackingConfig, Window, encode_turns
from alliance.model.tokens import TurnTokenizer
from alliance.training.config import LossConfig
from alliance.training.corpora import CodedSession
from alliance.training.disturb import disturb_coded, legal_code

__all__ = [
    "PreparedSession",
    "code_targets",
    "disturber",
    "label_weights",
    "prepare",
    "taught_targets",
    "turn_weights",
]

_RUPTURE_CODES: Final = np.array([LABELS[place].is_rupture for place in LABEL_OF_CODE])


def _legal_moves(role: Role) -> NDArray[np.float32]:
    """Which code becomes which when a turn is given to ``role``, as a matrix of ones."""
    places = [MARKER_ORDER.index(legal_code(code, role)) for code in MARKER_ORDER]
    return np.eye(len(MARKER_ORDER), dtype=np.float32)[places]


_LEGAL_MOVES: Final = {role: _legal_moves(role) for role in (Role.CLIENT, Role.THERAPIST)}

# What training is disturbed with; milder than what robustness is measured with.
_WORD_ERRORS: Final = 0.1
_SWAPPED_ROLES: Final = 0.02


@dataclass(frozen=True, slots=True)
class PreparedSession:
    """A coded session as numbers.

    Attributes:
        encoded: token numbers of each turn.
        roles: role of each turn.
        targets: distribution over the codes, shape (turns, 21); all zero without a code.
        weights: weight of each turn in the loss, 0 for a turn that gets no label.
        imitated: what is to be imitated of each turn, shape (turns, components), if anything is.
    """

    encoded: list[EncodedTurn]
    roles: tuple[Role, ...]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    imitated: NDArray[np.float32] | None = None

    @property
    def lengths(self) -> list[int]:
        """Tokens of each turn."""
        return [len(turn.ids) for turn in self.encoded]

    def has_rupture(self, window: Window) -> bool:
        """Whether a turn of the window is, by at least half its target, a rupture."""
        return bool(
            (self.targets[window.first : window.stop, _RUPTURE_CODES].sum(axis=1) >= 0.5).any()
        )


def code_targets(coded: CodedSession, *, settled_share: float) -> NDArray[np.float32]:
    """Soft targets from the settled code and the two codings, shape (turns, 21).

    A coding that is missing, or that the codebook does not allow for the turn's role, leaves its
    share to the settled code. A label alone is shared out evenly among its codes that the turn's
    speaker may carry.
    """
    targets = np.zeros((len(coded.codes), len(MARKER_ORDER)), dtype=np.float32)
    for row, turn in enumerate(coded.session.turns):
        settled = coded.codes[row]
        if settled is None or unlabelled_reason(turn) is not None:
            continue
        targets[row] += settled_share * _share_of_codes(settled, turn.role)
        for coding in (coded.coder_a[row], coded.coder_b[row]):
            code = coding if _allowed(coding, turn.role) else settled
            assert code is not None
            targets[row] += (1 - settled_share) / 2 * _share_of_codes(code, turn.role)
    return targets


def taught_targets(
    coded: CodedSession,
    targets: NDArray[np.float32],
    taught: NDArray[np.float32],
    *,
    teacher_share: float,
) -> NDArray[np.float32]:
    """Targets of which the teachers have a share, shape (turns, 21).

    Only turns that have a target get one from the teachers. What they gave to a code that the
    turn's speaker cannot carry, since poor transcription swapped the roles, goes to the code that
    such a turn's own code would become.
    """
    out = targets.copy()
    for row, turn in enumerate(coded.session.turns):
        if targets[row].any() and turn.role in _LEGAL_MOVES:
            heard = taught[row] @ _LEGAL_MOVES[turn.role]
            out[row] = (1 - teacher_share) * targets[row] + teacher_share * heard
    return out


def _share_of_codes(code: Marker | Label, role: Role) -> NDArray[np.float32]:
    shares = np.array(
        [
            marker is code or (marker.label is code and marker.may_be_said_by(role))
            for marker in MARKER_ORDER
        ],
        dtype=np.float32,
    )
    return np.asarray(shares / shares.sum(), dtype=np.float32)


def _allowed(code: Marker | Label | None, role: Role) -> bool:
    return code is not None and code.may_be_said_by(role)


def label_weights(sessions: Sequence[CodedSession], *, balance: float) -> NDArray[np.float64]:
    """Weight of a turn by its settled label: (1 / frequency) ** balance, mean 1 over turns."""
    counts = np.ones(len(LABELS))
    for coded in sessions:
        for code in coded.codes:
            if code is not None:
                counts[LABELS.index(code.label)] += 1
    weights = (counts.sum() / counts) ** balance
    return np.asarray(weights * counts.sum() / (weights * counts).sum())


def turn_weights(
    coded: CodedSession, targets: NDArray[np.float32], by_label: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Weight of each turn in the loss: that of its label, 0 where it has no target; (turns,).

    Args:
        coded: the session.
        targets: of its turns, shape (turns, 21).
        by_label: from :func:`label_weights`.
    """
    weights = np.zeros(len(targets), dtype=np.float32)
    for row, label in enumerate(coded.labels):
        if label is not None and targets[row].any():
            weights[row] = by_label[LABELS.index(label)]
    return weights


def prepare(
    sessions: Sequence[CodedSession],
    tokenizer: TurnTokenizer,
    packing: PackingConfig,
    loss: LossConfig,
    taught: Sequence[NDArray[np.float32]] | None = None,
) -> list[PreparedSession]:
    """Turn coded sessions into numbers, ready to be cut into windows.

    Args:
        sessions: the coded sessions.
        tokenizer: of the network.
        packing: of the network.
        loss: which targets and weights turns get.
        taught: the teachers' probabilities of the codes, one array (turns, 21) per session.
    """
    by_label = label_weights(sessions, balance=loss.balance)
    return [
        _prepared(
            coded, tokenizer, packing, loss, by_label, None if taught is None else taught[place]
        )
        for place, coded in enumerate(sessions)
    ]


def disturber(
    sessions: Mapping[str, Sequence[CodedSession]],
    tokenizer: TurnTokenizer,
    packing: PackingConfig,
    loss: LossConfig,
    taught: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
) -> Callable[[str, int, int], PreparedSession]:
    """A function of corpus name, place in the corpus and seed: that session as poorly transcribed.

    The weights of turns are those of the undisturbed corpus, and teachers (``taught``, by corpus
    name as in :func:`prepare`; a corpus that is missing is learnt from its codes) have heard the
    undisturbed session.
    """
    by_label = {
        name: label_weights(coded, balance=loss.balance) for name, coded in sessions.items()
    }

    def disturbed(name: str, place: int, seed: int) -> PreparedSession:
        coded = disturb_coded(
            sessions[name][place],
            seed=seed,
            word_errors=_WORD_ERRORS,
            swapped_roles=_SWAPPED_ROLES,
        )
        heard = taught[name][place] if taught and name in taught else None
        return _prepared(coded, tokenizer, packing, loss, by_label[name], heard)

    return disturbed


def _prepared(
    coded: CodedSession,
    tokenizer: TurnTokenizer,
    packing: PackingConfig,
    loss: LossConfig,
    by_label: NDArray[np.float64],
    taught: NDArray[np.float32] | None,
) -> PreparedSession:
    targets = code_targets(coded, settled_share=loss.settled_share)
    if taught is not None:
        targets = taught_targets(coded, targets, taught, teacher_share=loss.teacher_share)
    return PreparedSession(
        encode_turns(coded.session.turns, tokenizer, packing),
        tuple(turn.role for turn in coded.session.turns),
        targets,
        turn_weights(coded, targets, by_label),
    )
