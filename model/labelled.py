"""Labelled turns and sessions: what comes out of the classifier."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from alliance.model.codebook import CODEBOOK_VERSION, LABELS, Label, Marker, Role
from alliance.model.session import Session, Turn
from alliance.model.text import has_words

_CAUSAL: Final = "causal"


class UnlabelledReason(StrEnum):
    """Why a turn carries no label."""

    NO_WORDS = "no_words"
    ROLE_OTHER = "role_other"


def unlabelled_reason(turn: Turn) -> UnlabelledReason | None:
    """Why a turn can get no label, or None if it can: another person's, or without words."""
    if turn.role is Role.OTHER:
        return UnlabelledReason.ROLE_OTHER
    return None if has_words(turn.text) else UnlabelledReason.NO_WORDS


class Purpose(StrEnum):
    """What the labels are wanted for; chooses the decision thresholds.

    ``screening`` finds as many ruptures as it can, ``research`` balances the labels, ``teaching``
    shows only what is likely to be right.
    """

    SCREENING = "screening"
    RESEARCH = "research"
    TEACHING = "teaching"


@dataclass(frozen=True, slots=True)
class Probabilities:
    """Four calibrated probabilities (0-1) that sum to 1.

    Raises:
        ValueError: if one lies outside 0-1 or the sum is off by more than 1e-3.
    """

    alliance_positive: float
    withdrawal: float
    confrontation: float
    neutral: float

    def __post_init__(self) -> None:
        values = self.as_tuple()
        if not all(0.0 <= value <= 1.0 for value in values):
            raise ValueError(f"probabilities lie between 0 and 1, got {values}")
        if abs(math.fsum(values) - 1.0) > 1e-3:
            raise ValueError(f"probabilities sum to 1, got {math.fsum(values):.4f}")

    def as_tuple(self) -> tuple[float, float, float, float]:
        """The four values in the order of ``codebook.LABELS``."""
        return (self.alliance_positive, self.withdrawal, self.confrontation, self.neutral)

    def of(self, label: Label) -> float:
        """The probability of one label."""
        return self.as_tuple()[LABELS.index(label)]

    @property
    def rupture(self) -> float:
        """p(withdrawal) + p(confrontation), at most 1."""
        return min(1.0, self.withdrawal + self.confrontation)


@dataclass(frozen=True, slots=True)
class LabelledTurn:
    """A turn with what the model (or a coder) says of it.

    Attributes:
        index: the turn's place in its session, counted from 0.
        turn: the turn itself.
        label: the decided label, or None for a turn that gets none.
        probabilities: the four calibrated probabilities, or None with the label.
        marker: the likeliest fine code within ``label``.
        p_marker: that code's probability (0-1), at most the label's.
        abstained: the model says not to trust the label; it is kept all the same.
        truncated: the turn was longer than the token budget and its middle was cut.
        unlabelled_reason: why there is no label; None exactly when there is one.

    Raises:
        ValueError: if these contradict each other.
    """

    index: int
    turn: Turn
    label: Label | None = None
    probabilities: Probabilities | None = None
    marker: Marker | None = None
    p_marker: float | None = None
    abstained: bool = False
    truncated: bool = False
    unlabelled_reason: UnlabelledReason | None = None

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ValueError(f"turns count from 0, got {self.index}")
        if (self.label is None) == (self.unlabelled_reason is None):
            raise ValueError("a turn has either a label or a reason for having none")
        if (self.label is None) != (self.probabilities is None):
            raise ValueError("label and probabilities come together")
        if self.label is None and (self.marker is not None or self.abstained):
            raise ValueError("a turn without a label has no marker and cannot be abstained")
        if self.marker is not None and self.marker.label is not self.label:
            raise ValueError(f"marker {self.marker} does not belong to label {self.label}")
        if (self.marker is None) != (self.p_marker is None):
            raise ValueError("marker and p_marker come together")

    @property
    def is_rupture(self) -> bool:
        """A rupture turn: labelled withdrawal or confrontation, and not abstained."""
        return self.label is not None and self.label.is_rupture and not self.abstained

    @property
    def p_rupture(self) -> float:
        """p(withdrawal) + p(confrontation); 0 for a turn without a label."""
        return 0.0 if self.probabilities is None else self.probabilities.rupture

    def to_dict(self, *, include_text: bool = True) -> dict[str, Any]:
        """The turn as JSON-ready values, keys in the order of the table's columns."""
        p = self.probabilities
        out: dict[str, Any] = {
            "turn": self.index,
            "utterance_id": self.turn.utterance_id,
            "speaker": self.turn.speaker,
            "start_ms": self.turn.start_ms,
            "end_ms": self.turn.end_ms,
        }
        if include_text:
            out["text"] = self.turn.text
        out["label"] = None if self.label is None else self.label.value
        for name in LABELS:
            out[f"p_{name.value}"] = None if p is None else p.of(name)
        out["marker"] = None if self.marker is None else self.marker.value
        out["p_marker"] = self.p_marker
        out["abstained"] = self.abstained
        out["truncated"] = self.truncated
        reason = self.unlabelled_reason
        out["unlabelled_reason"] = None if reason is None else reason.value
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "LabelledTurn":
        """The inverse of :meth:`to_dict`; a text that was left out comes back empty."""
        label, marker, reason = data["label"], data["marker"], data["unlabelled_reason"]
        return cls(
            index=data["turn"],
            turn=Turn.from_dict(data),
            label=None if label is None else Label(label),
            probabilities=(
                None if label is None else Probabilities(*(data[f"p_{n.value}"] for n in LABELS))
            ),
            marker=None if marker is None else Marker(marker),
            p_marker=data["p_marker"],
            abstained=data["abstained"],
            truncated=data["truncated"],
            unlabelled_reason=None if reason is None else UnlabelledReason(reason),
        )


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What made the labels: written into every result.

    Attributes:
        name: the model's name and version, e.g. ``alliance-minilm-1``; goes into the
            ``model`` column.
        codebook: version of the codebook.
        purpose: the purpose whose thresholds decided the labels.
        causal: whether each turn was labelled by what had been said until then, as in live use.
    """

    name: str
    purpose: Purpose = Purpose.RESEARCH
    codebook: str = CODEBOOK_VERSION
    causal: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; ``mode`` is there, and says ``causal``, only in that mode."""
        out = {"name": self.name, "codebook": self.codebook, "purpose": self.purpose.value}
        return {**out, "mode": _CAUSAL} if self.causal else out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ModelInfo":
        """The inverse of :meth:`to_dict`."""
        return cls(
            name=data["name"],
            purpose=Purpose(data["purpose"]),
            codebook=data["codebook"],
            causal=data.get("mode") == _CAUSAL,
        )


@dataclass(frozen=True, slots=True)
class LabelledSession:
    """A session whose turns have been labelled; one labelled turn per turn, in order.

    Attributes:
        session: the session as it was read.
        turns: one :class:`LabelledTurn` per turn of the session, in order.
        model: what made the labels.

    Raises:
        ValueError: if the turns are not those of the session, in order.
    """

    session: Session
    turns: tuple[LabelledTurn, ...]
    model: ModelInfo

    def __post_init__(self) -> None:
        if not isinstance(self.turns, tuple):
            object.__setattr__(self, "turns", tuple(self.turns))
        if len(self.turns) != len(self.session.turns):
            raise ValueError(
                f"{len(self.turns)} labelled turns for {len(self.session.turns)} turns"
            )
        for index, (labelled, turn) in enumerate(zip(self.turns, self.session.turns, strict=True)):
            if labelled.index != index or labelled.turn != turn:
                raise ValueError(f"labelled turn {labelled.index} does not match turn {index}")

    def __iter__(self) -> Iterator[LabelledTurn]:
        return iter(self.turns)

    def __len__(self) -> int:
        return len(self.turns)
