"""What a session holds, counted. Counts of each kind, and no single score of anybody."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alliance.model.codebook import LABELS, Label, Marker, Role
from alliance.model.episodes import Kind, Outcome, RuptureEpisode
from alliance.model.labelled import LabelledTurn, UnlabelledReason

__all__ = ["POSITIVE_CODES", "SessionSummary", "SpeakerSummary", "summarise"]

POSITIVE_CODES: Final = (Marker.PB, Marker.PT, Marker.PG, Marker.PR)
"""Bond, task and goal (Bordin 1979), and repair."""


@dataclass(frozen=True, slots=True)
class SpeakerSummary:
    """What one speaker's turns hold.

    Attributes:
        labels: how many turns carry each label, abstained ones left out.
        abstained: how many labelled turns the model abstains on.
        positive_codes: how many turns carry each of ``POSITIVE_CODES``, abstained ones left out.
    """

    labels: Mapping[Label, int]
    abstained: int
    positive_codes: Mapping[Marker, int]

    @property
    def labelled(self) -> int:
        """How many turns carry a label, abstained ones included."""
        return sum(self.labels.values()) + self.abstained

    @property
    def rupture_turns(self) -> int:
        """How many turns are rupture turns."""
        return self.labels[Label.WITHDRAWAL] + self.labels[Label.CONFRONTATION]

    @property
    def rupture_share(self) -> float | None:
        """Rupture turns among the labelled turns (0-1); None if there are none."""
        return self.rupture_turns / self.labelled if self.labelled else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, those that follow from others included."""
        return {
            "labelled": self.labelled,
            "abstained": self.abstained,
            "labels": {label.value: self.labels[label] for label in LABELS},
            "rupture_share": self.rupture_share,
            "positive_codes": {code.value: self.positive_codes[code] for code in POSITIVE_CODES},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "SpeakerSummary":
        """The inverse of :meth:`to_dict`; values that follow from others are not read."""
        return cls(
            labels={label: data["labels"][label.value] for label in LABELS},
            abstained=data["abstained"],
            positive_codes={code: data["positive_codes"][code.value] for code in POSITIVE_CODES},
        )


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """What a session holds.

    Every turn is counted once: ``turns`` is the sum of both speakers' labelled turns and of the
    turns without a label.

    Attributes:
        turns: how many turns the session has.
        client: the client's turns.
        therapist: the therapist's turns.
        unlabelled: how many turns have no label, by reason.
        truncated: how many turns were longer than the model's budget and were cut.
        episodes: how many episodes of each kind.
        outcomes: how many episodes of each outcome.
    """

    turns: int
    client: SpeakerSummary
    therapist: SpeakerSummary
    unlabelled: Mapping[UnlabelledReason, int]
    truncated: int
    episodes: Mapping[Kind, int]
    outcomes: Mapping[Outcome, int]

    @property
    def labelled(self) -> int:
        """How many turns carry a label, abstained ones included."""
        return self.client.labelled + self.therapist.labelled

    @property
    def heard_codes(self) -> tuple[Marker, ...]:
        """Which of ``POSITIVE_CODES`` occur, whoever speaks."""
        return tuple(
            code
            for code in POSITIVE_CODES
            if self.client.positive_codes[code] + self.therapist.positive_codes[code]
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "turns": self.turns,
            "labelled": self.labelled,
            "unlabelled": {reason.value: self.unlabelled[reason] for reason in UnlabelledReason},
            "truncated": self.truncated,
            "speakers": {
                Role.CLIENT.value: self.client.to_dict(),
                Role.THERAPIST.value: self.therapist.to_dict(),
            },
            "heard_codes": [code.value for code in self.heard_codes],
            "episodes": {kind.value: self.episodes[kind] for kind in Kind},
            "outcomes": {outcome.value: self.outcomes[outcome] for outcome in Outcome},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "SessionSummary":
        """The inverse of :meth:`to_dict`; values that follow from others are not read."""
        return cls(
            turns=data["turns"],
            client=SpeakerSummary.from_dict(data["speakers"][Role.CLIENT.value]),
            therapist=SpeakerSummary.from_dict(data["speakers"][Role.THERAPIST.value]),
            unlabelled={reason: data["unlabelled"][reason.value] for reason in UnlabelledReason},
            truncated=data["truncated"],
            episodes={kind: data["episodes"][kind.value] for kind in Kind},
            outcomes={outcome: data["outcomes"][outcome.value] for outcome in Outcome},
        )


def summarise(turns: Sequence[LabelledTurn], episodes: Sequence[RuptureEpisode]) -> SessionSummary:
    """Count the turns and episodes of a session."""
    reasons = Counter(turn.unlabelled_reason for turn in turns)
    kinds = Counter(episode.kind for episode in episodes)
    outcomes = Counter(episode.outcome for episode in episodes)
    return SessionSummary(
        turns=len(turns),
        client=_speaker(turns, Role.CLIENT),
        therapist=_speaker(turns, Role.THERAPIST),
        unlabelled={reason: reasons[reason] for reason in UnlabelledReason},
        truncated=sum(turn.truncated for turn in turns),
        episodes={kind: kinds[kind] for kind in Kind},
        outcomes={outcome: outcomes[outcome] for outcome in Outcome},
    )


def _speaker(turns: Sequence[LabelledTurn], role: Role) -> SpeakerSummary:
    own = [turn for turn in turns if turn.label is not None and turn.turn.role is role]
    trusted = [turn for turn in own if not turn.abstained]
    labels = Counter(turn.label for turn in trusted)
    markers = Counter(turn.marker for turn in trusted)
    return SpeakerSummary(
        labels={label: labels[label] for label in LABELS},
        abstained=len(own) - len(trusted),
        positive_codes={code: markers[code] for code in POSITIVE_CODES},
    )
