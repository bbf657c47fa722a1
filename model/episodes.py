"""Rupture episodes: which rupture turns belong together, and what followed them.

Labels are given per turn; a supervisor speaks of "a rupture", a stretch of a session. The unit
follows the idea of rupture episodes in the observer tradition (3RS: Eubanks, Muran & Safran 2015;
CIS: Colli & Lingiardi 2009); how far apart two turns may lie, and how long one waits for repair,
are settings of our own (:class:`alliance.model.timeline.TimelineConfig`).

No coder judged how an episode ended, so an outcome names the signal that was seen, nothing more.
A turn on which the model abstains is no evidence: it is neither a rupture turn nor a repair
attempt nor a positive client turn. It still counts as a labelled turn where turns are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alliance.model.codebook import Label, Marker, Role
from alliance.model.labelled import LabelledTurn

__all__ = ["Kind", "Outcome", "RuptureEpisode", "find_episodes", "group_ruptures"]


class Kind(StrEnum):
    """Which ruptures an episode holds; ``mixed`` when both labels occur."""

    WITHDRAWAL = Label.WITHDRAWAL.value
    CONFRONTATION = Label.CONFRONTATION.value
    MIXED = "mixed"


class Outcome(StrEnum):
    """What was seen after an episode's last rupture turn.

    ``repair_signal``: a client's alliance-positive turn inside the repair window. ``open``: none,
    and the session ends before the window does. ``none_seen``: none, and the window has ended.
    """

    REPAIR_SIGNAL = "repair_signal"
    OPEN = "open"
    NONE_SEEN = "none_seen"


@dataclass(frozen=True, slots=True)
class RuptureEpisode:
    """Rupture turns that lie close together, and the repair that was seen after them.

    Turns are places in the session, counted from 0. The episode begins and ends with a rupture
    turn; between two of them may lie turns of any other label. The *repair window* reaches from
    after the onset to ``window_end``.

    Attributes:
        rupture_turns: the rupture turns, in order; at least one.
        peak: the rupture turn where p(withdrawal) + p(confrontation) is highest, the earlier on
            ties.
        intensity: that sum at the peak (0-1).
        kind: withdrawal, confrontation, or mixed.
        speakers: whose rupture turns these are, in order of appearance.
        markers: the fine codes of the rupture turns, each once, in order of appearance.
        start_ms: when the onset starts, in milliseconds from the recording's start, if known.
        peak_ms: when the peak starts, in milliseconds, if known.
        end_ms: when the last rupture turn ends, in milliseconds, if known.
        window_end: the last labelled turn in the repair window as far as the session goes; the
            last rupture turn itself when no labelled turn follows.
        repair_attempts: the therapist's repair turns (PR) in the window.
        positive_client_turns: the client's alliance-positive turns in the window that follow the
            last rupture turn.
        outcome: what was seen after the last rupture turn.

    Raises:
        ValueError: if these contradict each other.
    """

    rupture_turns: tuple[int, ...]
    peak: int
    intensity: float
    kind: Kind
    speakers: tuple[Role, ...]
    markers: tuple[Marker, ...]
    start_ms: int | None
    peak_ms: int | None
    end_ms: int | None
    window_end: int
    repair_attempts: tuple[int, ...]
    positive_client_turns: tuple[int, ...]
    outcome: Outcome

    def __post_init__(self) -> None:
        turns = self.rupture_turns
        if not turns or turns[0] < 0 or list(turns) != sorted(set(turns)):
            raise ValueError(f"rupture turns are places in the session, in order, got {turns}")
        if self.peak not in turns:
            raise ValueError(f"the peak is one of the rupture turns {turns}, got {self.peak}")
        if not 0.0 <= self.intensity <= 1.0:
            raise ValueError(f"the intensity lies between 0 and 1, got {self.intensity}")
        if not self.speakers:
            raise ValueError("an episode has a speaker")
        if self.window_end < self.last:
            raise ValueError(f"the window ends at {self.last} or later, got {self.window_end}")
        for name, start, places in (
            ("repair attempts", self.onset, self.repair_attempts),
            ("positive client turns", self.last, self.positive_client_turns),
        ):
            if not all(start < place <= self.window_end for place in places):
                raise ValueError(
                    f"{name} lie after turn {start} and up to {self.window_end}, got {places}"
                )
        if (self.outcome is Outcome.REPAIR_SIGNAL) != bool(self.positive_client_turns):
            raise ValueError(
                f"outcome {self.outcome} with positive client turns {self.positive_client_turns}"
            )

    @property
    def onset(self) -> int:
        """The first rupture turn."""
        return self.rupture_turns[0]

    @property
    def last(self) -> int:
        """The last rupture turn."""
        return self.rupture_turns[-1]

    @property
    def trigger(self) -> int | None:
        """The turn directly before the onset, whoever spoke; None at the session's start."""
        return self.onset - 1 if self.onset else None

    @property
    def repair_attempted(self) -> bool:
        """Whether the therapist made a repair turn inside the repair window."""
        return bool(self.repair_attempts)

    def __str__(self) -> str:
        """One line without transcript text."""
        span = (
            f"turn {self.onset}" if self.onset == self.last else f"turns {self.onset}-{self.last}"
        )
        parts = [f"{self.kind.value} rupture, {span}, intensity {self.intensity:.2f}"]
        if self.markers:
            parts.append(", ".join(marker.entry.name for marker in self.markers))
        parts.append("repair attempted" if self.repair_attempted else "no repair attempt seen")
        parts.append(_OUTCOMES[self.outcome])
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, those that follow from others included."""
        return {
            "onset": self.onset,
            "last": self.last,
            "peak": self.peak,
            "intensity": self.intensity,
            "kind": self.kind.value,
            "speakers": [role.value for role in self.speakers],
            "markers": [marker.value for marker in self.markers],
            "start_ms": self.start_ms,
            "peak_ms": self.peak_ms,
            "end_ms": self.end_ms,
            "rupture_turns": list(self.rupture_turns),
            "trigger": self.trigger,
            "window_end": self.window_end,
            "repair_attempted": self.repair_attempted,
            "repair_attempts": list(self.repair_attempts),
            "positive_client_turns": list(self.positive_client_turns),
            "outcome": self.outcome.value,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "RuptureEpisode":
        """The inverse of :meth:`to_dict`; values that follow from others are not read."""
        return cls(
            rupture_turns=tuple(data["rupture_turns"]),
            peak=data["peak"],
            intensity=float(data["intensity"]),
            kind=Kind(data["kind"]),
            speakers=tuple(Role(name) for name in data["speakers"]),
            markers=tuple(Marker(code) for code in data["markers"]),
            start_ms=data["start_ms"],
            peak_ms=data["peak_ms"],
            end_ms=data["end_ms"],
            window_end=data["window_end"],
            repair_attempts=tuple(data["repair_attempts"]),
            positive_client_turns=tuple(data["positive_client_turns"]),
            outcome=Outcome(data["outcome"]),
        )


_OUTCOMES = {
    Outcome.REPAIR_SIGNAL: "client turned positive",
    Outcome.OPEN: "session ended before the repair window",
    Outcome.NONE_SEEN: "no repair signal",
}


def group_ruptures(ruptures: Sequence[bool], *, gap_turns: int) -> list[list[int]]:
    """Which rupture turns form one episode: the rule alone, for any coding of a session.

    Args:
        ruptures: for each labelled turn of a session, in order, whether it is a rupture turn.
        gap_turns: at most so many labelled turns lie between two rupture turns of one episode.

    Returns:
        For each episode, in order, the places of its rupture turns in ``ruptures``.
    """
    groups: list[list[int]] = []
    for place, rupture in enumerate(ruptures):
        if not rupture:
            continue
        if groups and place - groups[-1][-1] - 1 <= gap_turns:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def find_episodes(
    turns: Sequence[LabelledTurn], *, gap_turns: int, repair_turns: int
) -> tuple[RuptureEpisode, ...]:
    """The episodes of a session, in order; every rupture turn is in exactly one.

    Args:
        turns: all turns of the session, in order, those without a label included. Only turns
            with a label are counted; the others neither separate ruptures nor use up the window.
        gap_turns: at most so many labelled turns lie between two rupture turns of one episode.
        repair_turns: the repair window ends so many labelled turns after the last rupture turn,
            or before the next episode's onset, whichever comes first.
    """
    labelled = [turn for turn in turns if turn.label is not None]
    groups = group_ruptures([turn.is_rupture for turn in labelled], gap_turns=gap_turns)
    ends = [group[0] for group in groups[1:]]
    episodes = [
        _episode(labelled, group, next_onset=end, repair_turns=repair_turns)
        for group, end in zip(groups, [*ends, None], strict=False)
    ]
    return tuple(episodes)


def _episode(
    labelled: list[LabelledTurn], group: list[int], *, next_onset: int | None, repair_turns: int
) -> RuptureEpisode:
    ruptures = [labelled[place] for place in group]
    onset, last = group[0], group[-1]
    due = last + 1 + repair_turns  # the first place after a window that nothing cuts short
    stop = min(due, len(labelled) if next_onset is None else next_onset)
    trusted = [turn for turn in labelled[onset + 1 : stop] if not turn.abstained]
    attempts = [
        turn.index
        for turn in trusted
        if turn.turn.role is Role.THERAPIST and turn.marker is Marker.PR
    ]
    positive = [
        turn.index
        for turn in trusted
        if turn.index > ruptures[-1].index
        and turn.turn.role is Role.CLIENT
        and turn.label is Label.ALLIANCE_POSITIVE
    ]
    if positive:
        outcome = Outcome.REPAIR_SIGNAL
    elif next_onset is None and due > len(labelled):
        outcome = Outcome.OPEN
    else:
        outcome = Outcome.NONE_SEEN
    peak = max(ruptures, key=lambda turn: turn.p_rupture)  # max keeps the first of equals
    labels = {turn.label for turn in ruptures if turn.label is not None}
    return RuptureEpisode(
        rupture_turns=tuple(turn.index for turn in ruptures),
        peak=peak.index,
        intensity=peak.p_rupture,
        kind=Kind(labels.pop().value) if len(labels) == 1 else Kind.MIXED,
        speakers=tuple(dict.fromkeys(turn.turn.role for turn in ruptures)),
        markers=tuple(dict.fromkeys(t.marker for t in ruptures if t.marker is not None)),
        start_ms=ruptures[0].turn.start_ms,
        peak_ms=peak.turn.start_ms,
        end_ms=ruptures[-1].turn.end_ms,
        window_end=labelled[stop - 1].index,
        repair_attempts=tuple(attempts),
        positive_client_turns=tuple(positive),
        outcome=outcome,
    )
