"""What a model said of coded turns, beside what the coders said: the raw matter of evaluation."""

import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from alliance.model.agreement import Bools, Floats, Ints
from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Marker, Role
from alliance.model.decision import Rules
from alliance.model.errors import InputError
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session
from alliance.training.corpora import CodedSession
from alliance.training.files import write_whole

ROLES: Final[tuple[Role, ...]] = (Role.CLIENT, Role.THERAPIST)
"""Order of :attr:`Predictions.role`."""

NONE: Final = -1
"""In arrays of labels and markers: there is none."""

_FORMAT: Final = 1


class Classifier(Protocol):
    """What is evaluated: :class:`alliance.model.RuptureClassifier`, or anything alike."""

    name: str

    def label(self, session: Session, *, purpose: Purpose = ...) -> LabelledSession:
        """Labels every turn of a session."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The scored turns: those that have a settled code and that the model labelled.

    Holds no words. One entry per scored turn in all arrays; labels are places in
    ``codebook.LABELS``, markers places in ``codebook.MARKER_ORDER``, -1 stands for none.

    Attributes:
        model: what made the predictions.
        session_ids: the sessions' identifiers.
        session: each turn's session, a place in ``session_ids``.
        turn: its place in the session, from 0.
        role: its speaker, a place in :data:`ROLES`.
        gold: the label of the settled code.
        coder_a: the label that the first coder gave, or -1.
        coder_b: the label that the second coder gave, or -1.
        probabilities: the calibrated probabilities of the labels, shape ``(n, 4)``.
        predicted: the decided label.
        abstained: whether the model abstained; the label is kept all the same.
        gold_marker: the settled code, or -1 where the coding names the label alone.
        predicted_marker: the likeliest code within the decided label, or -1.
        no_words: how many coded turns were left out because they hold no words.

    Raises:
        ValueError: if the arrays differ in length or hold values out of their range.
    """

    model: str
    session_ids: tuple[str, ...]
    session: Ints
    turn: Ints
    role: Ints
    gold: Ints
    coder_a: Ints
    coder_b: Ints
    probabilities: Floats
    predicted: Ints
    abstained: Bools
    gold_marker: Ints
    predicted_marker: Ints
    no_words: int = 0

    def __post_init__(self) -> None:
        n, labels, markers = len(self.session), len(LABELS), len(MARKER_ORDER)
        if len(set(self.session_ids)) != len(self.session_ids):
            raise ValueError("a session id occurs twice")
        for name, low, size in (
            ("session", 0, len(self.session_ids)),
            ("turn", 0, None),
            ("role", 0, len(ROLES)),
            ("gold", 0, labels),
            ("coder_a", NONE, labels),
            ("coder_b", NONE, labels),
            ("predicted", 0, labels),
            ("abstained", 0, 2),
            ("gold_marker", NONE, markers),
            ("predicted_marker", NONE, markers),
        ):
            values = getattr(self, name)
            if values.shape != (n,):
                raise ValueError(f"{name} has shape {values.shape}, expected ({n},)")
            if n and (values.min() < low or (size is not None and values.max() >= size)):
                raise ValueError(f"{name} holds a value out of its range")
        if self.probabilities.shape != (n, labels):
            raise ValueError(f"probabilities have shape {self.probabilities.shape}")
        if n and not (np.abs(self.probabilities.sum(axis=1) - 1.0) < 1e-3).all():
            raise ValueError("the probabilities of a turn sum to 1")

    def __len__(self) -> int:
        return len(self.session)

    def said_by(self, role: Role) -> "Predictions":
        """The turns of one role; all sessions keep their places."""
        return self.where(self.role == ROLES.index(role))

    def where(self, chosen: Bools | Ints) -> "Predictions":
        """Only the chosen turns; all sessions keep their places."""
        return Predictions(
            model=self.model,
            session_ids=self.session_ids,
            no_words=self.no_words,
            **{name: getattr(self, name)[chosen] for name in _ARRAYS},
        )

    def decided_by(self, rules: Rules, *, purpose: Purpose = Purpose.RESEARCH) -> "Predictions":
        """The same turns calibrated and decided by rules, as a model that has them would.

        Args:
            rules: calibration and thresholds, for probabilities that are not yet calibrated.
            purpose: whose thresholds decide.

        Returns:
            With new probabilities and labels, and without markers: which code is likeliest within
            another label is not known any more.
        """
        probabilities = rules.calibration(self.probabilities)
        predicted, abstained = rules.decision.rule(purpose)(probabilities)
        return replace(
            self,
            probabilities=probabilities,
            predicted=predicted.astype(np.int64),
            abstained=abstained,
            predicted_marker=np.full(len(self), NONE, dtype=np.int64),
        )

    def save(self, path: Path) -> None:
        """Writes a ``.npz`` file, whole or not at all.

        Raises:
            InputError: if it cannot be written.
        """
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            format=np.array(_FORMAT),
            model=np.array(self.model),
            session_ids=np.array(self.session_ids, dtype=np.str_),
            no_words=np.array(self.no_words),
            **{name: getattr(self, name) for name in _ARRAYS},
        )
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """The inverse of :meth:`save`.

        Raises:
            InputError: if the file is missing or was not written by :meth:`save`.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                if int(stored["format"]) != _FORMAT:
                    raise ValueError(f"format {int(stored['format'])}")
                return cls(
                    model=str(stored["model"]),
                    session_ids=tuple(str(name) for name in stored["session_ids"]),
                    no_words=int(stored["no_words"]),
                    **{name: stored[name] for name in _ARRAYS},
                )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"expected predictions (format {_FORMAT}) in {path}, found something else "
                f"({error}); make them anew with alliance evaluate --predictions"
            ) from None


_ARRAYS: Final = tuple(
    field.name
    for field in fields(Predictions)
    if field.name not in ("model", "session_ids", "no_words")
)


def collect(
    classifier: Classifier,
    sessions: Iterable[CodedSession],
    *,
    purpose: Purpose = Purpose.RESEARCH,
    causal: bool = False,
    shown: Callable[[Session], Session] | None = None,
) -> Predictions:
    """Labels coded sessions and sets the result beside the codes.

    The classifier sees the transcripts alone. Turns without a settled code are left out; coded
    turns without words too, and counted.

    Args:
        classifier: what to evaluate.
        sessions: the coded sessions.
        purpose: whose thresholds decide the labels.
        causal: each turn by what had been said until then; for a classifier whose ``label`` takes
            ``causal``. The name of the predictions says so.
        shown: makes of each transcript the one that the classifier is shown in its place, turn for
            turn, e.g. one with errors; roles and codes stay those of the transcript itself.

    Raises:
        ValueError: if ``shown`` adds or drops turns.
    """
    ids: list[str] = []
    rows: list[tuple[int, ...]] = []
    probabilities: list[tuple[float, ...]] = []
    no_words = 0
    # A classifier without a causal mode is never asked about it.
    mode: dict[str, Any] = {"causal": True} if causal else {}
    for place, coded in enumerate(sessions):
        ids.append(coded.id)
        session = coded.session if shown is None else shown(coded.session)
        if len(session.turns) != len(coded):
            raise ValueError(f"{len(session.turns)} turns shown in place of {len(coded)}")
        labelled = classifier.label(session, purpose=purpose, **mode)
        for said, turn, code, a, b in zip(
            labelled, coded.session.turns, coded.codes, coded.coder_a, coded.coder_b, strict=True
        ):
            if code is None:
                continue
            if said.label is None or said.probabilities is None:
                no_words += 1
                continue
            rows.append(
                (
                    place,
                    said.index,
                    ROLES.index(turn.role),
                    _label(code),
                    _label(a),
                    _label(b),
                    LABELS.index(said.label),
                    said.abstained,
                    MARKER_ORDER.index(code) if isinstance(code, Marker) else NONE,
                    NONE if said.marker is None else MARKER_ORDER.index(said.marker),
                )
            )
            probabilities.append(said.probabilities.as_tuple())
    columns = np.array(rows, dtype=np.int64).reshape(len(rows), 10).T
    number, turns, role, gold, coder_a, coder_b, predicted, abstained, marker, best = columns
    return Predictions(
        model=f"{classifier.name}, causal" if causal else classifier.name,
        session_ids=tuple(ids),
        session=number,
        turn=turns,
        role=role,
        gold=gold,
        coder_a=coder_a,
        coder_b=coder_b,
        probabilities=np.array(probabilities, dtype=np.float64).reshape(len(rows), len(LABELS)),
        predicted=predicted,
        abstained=abstained.astype(np.bool_),
        gold_marker=marker,
        predicted_marker=best,
        no_words=no_words,
    )


def same_turns(one: Predictions, other: Predictions) -> bool:
    """Whether two models were scored on the same turns, in the same order."""
    return (
        one.session_ids == other.session_ids
        and np.array_equal(one.session, other.session)
        and np.array_equal(one.turn, other.turn)
    )


def concatenate(parts: Sequence[Predictions]) -> Predictions:
    """Joins predictions on different sessions, such as those of the folds of a cross-validation.

    Raises:
        ValueError: if there are none, or two parts share a session.
    """
    if not parts:
        raise ValueError("no predictions to join")
    offsets = np.cumsum([0, *(len(part.session_ids) for part in parts)])
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS
    }
    arrays["session"] = np.concatenate(
        [part.session + offset for part, offset in zip(parts, offsets, strict=False)]
    )
    return Predictions(
        model=" + ".join(dict.fromkeys(part.model for part in parts)),
        session_ids=tuple(name for part in parts for name in part.session_ids),
        no_words=sum(part.no_words for part in parts),
        **arrays,
    )


def _label(code: Marker | Label | None) -> int:
    return NONE if code is None else LABELS.index(code.label)
