"""What a timeline's view shows: everything decided, nothing yet drawn.

A view holds one session with its labels under one or several purposes, so that thresholds can be
switched where it is shown, without a server.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from alliance.model.codebook import Label, Marker, Role
from alliance.model.episodes import RuptureEpisode
from alliance.model.explanation import TurnExplanation
from alliance.model.labelled import LabelledTurn, Probabilities, Purpose, UnlabelledReason
from alliance.model.level import LevelSeries
from alliance.model.timeline import Timeline
from alliance.serve.report.names import Names, shown_names

__all__ = [
    "EpisodeView",
    "LabellingView",
    "Piece",
    "SpeakerView",
    "TimelineView",
    "TurnView",
]

# Nothing that HTML cannot hold as text: control characters, and halves of surrogate pairs. Each is
# replaced by one character, so that places in the text stay what they were.
_UNSHOWABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def showable(text: str) -> str:
    """A text that HTML can hold, as long as it was (in code points)."""
    return _UNSHOWABLE.sub("\ufffd", text)


@dataclass(frozen=True, slots=True)
class SpeakerView:
    """Someone who speaks in the session.

    Attributes:
        key: ``client``, ``therapist``, ``other1``, … in order of appearance.
        name: for display.
        role: the role.
    """

    key: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a turn's text.

    Attributes:
        text: the part; a turn's parts in a row are its text.
        why: whether the label rests on these words (:mod:`alliance.model.explain`).
    """

    text: str
    why: bool = False


@dataclass(frozen=True, slots=True)
class TurnView:
    """A turn, with all that does not depend on the purpose.

    Attributes:
        index: its place in the session, from 0.
        speaker: who speaks.
        pieces: what was said; empty if nothing was or the text is left out.
        start_ms: when it starts, in milliseconds from the recording's start, if known.
        end_ms: when it ends, in milliseconds, if known.
        probabilities: the four calibrated probabilities (0-1), or None without a label.
        reason: why it has no label, or None if it has one.
        truncated: the model read it without its middle.
        explanation: what its label rests on, if that was asked for.
    """

    index: int
    speaker: SpeakerView
    pieces: tuple[Piece, ...]
    start_ms: int | None
    end_ms: int | None
    probabilities: Probabilities | None
    reason: UnlabelledReason | None
    truncated: bool
    explanation: TurnExplanation | None

    @property
    def text(self) -> str:
        """What was said, as it is shown."""
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class EpisodeView:
    """An episode of one labelling.

    Attributes:
        number: counted from 1.
        episode: the episode.
        letters: the labels of its kind, as letters: ``W``, ``C`` or ``WC``.
        markers: its codes with how often each occurs, in order of appearance.
        course: from the turn before it to the end of its window, one letter a turn (small if the
            model abstains, ``-`` without a label).
    """

    number: int
    episode: RuptureEpisode
    letters: str
    markers: tuple[tuple[Marker, int], ...]
    course: str


@dataclass(frozen=True, slots=True)
class LabellingView:
    """The labels under one purpose, and what follows from them.

    Attributes:
        timeline: the timeline that these labels make.
        letters: one character per turn: the label's letter, small if the model abstains, ``-``
            for a turn without a label.
        episodes: the rupture episodes.
    """

    timeline: Timeline
    letters: str
    episodes: tuple[EpisodeView, ...]

    @property
    def purpose(self) -> Purpose:
        """Whose thresholds decided."""
        return self.timeline.model.purpose

    @classmethod
    def of(cls, timeline: Timeline) -> "LabellingView":
        """The view of a timeline."""
        letters = "".join(_letter(turn) for turn in timeline.turns)
        return cls(
            timeline,
            letters,
            tuple(
                _episode(number, episode, timeline, letters)
                for number, episode in enumerate(timeline.episodes, start=1)
            ),
        )


@dataclass(frozen=True, slots=True)
class TimelineView:
    """One session as it is shown.

    Attributes:
        session_id: the session's identifier.
        speakers: client and therapist, as far as they speak, then others; each once.
        turns: every turn, in order.
        labellings: one per purpose, in the order of :class:`~alliance.model.labelled.Purpose`.
        chosen: the purpose that is shown first.
        names: whether speakers' names are shown.
        include_text: whether what was said is shown.
    """

    session_id: str
    speakers: tuple[SpeakerView, ...]
    turns: tuple[TurnView, ...]
    labellings: Mapping[Purpose, LabellingView]
    chosen: Purpose
    names: Names = Names.HIDE
    include_text: bool = True

    @classmethod
    def from_timelines(
        cls,
        timelines: Iterable[Timeline],
        *,
        chosen: Purpose | None = None,
        names: Names = Names.HIDE,
        include_text: bool = True,
    ) -> "TimelineView":
        """The view of one session.

        Args:
            timelines: of the same session and model, one for each purpose that can be chosen.
                Explanations may come with any of them; the chosen one's take precedence.
            chosen: the purpose that is shown first; None takes research if it is there, else
                the first.
            names: whether speakers' names are shown as in the transcript. The identifier, and
                names within what was said, are never changed.
            include_text: whether what was said is shown.

        Raises:
            ValueError: if there is no timeline, two of one purpose, none of the chosen purpose,
                or they are not of one session read by one model.
        """
        given = list(timelines)
        by_purpose = {timeline.model.purpose: timeline for timeline in given}
        if not given or len(by_purpose) != len(given):
            raise ValueError(
                f"expected one timeline for each purpose, at least one; found "
                f"{[timeline.model.purpose.value for timeline in given]}"
            )
        if chosen is None:
            research = Purpose.RESEARCH in by_purpose
            chosen = Purpose.RESEARCH if research else given[0].model.purpose
        if chosen not in by_purpose:
            raise ValueError(f"expected a timeline for {chosen.value}, found none")
        first = by_purpose[chosen]
        for timeline in given:
            _check_same(first, timeline)
        explained = {
            one.turn: one
            for timeline in (*given, first)  # the chosen one last: it overrules
            for one in timeline.explanations
        }
        speakers = _speakers(first.turns, names)
        return cls(
            session_id=showable(first.session_id),
            speakers=tuple(speakers.values()),
            turns=tuple(
                _turn(
                    turn,
                    speakers[turn.turn.speaker],
                    explanation=explained.get(turn.index),
                    include_text=include_text,
                )
                for turn in first.turns
            ),
            labellings={
                purpose: LabellingView.of(by_purpose[purpose])
                for purpose in Purpose
                if purpose in by_purpose
            },
            chosen=chosen,
            names=names,
            include_text=include_text,
        )

    @property
    def labelling(self) -> LabellingView:
        """The labels under the chosen purpose."""
        return self.labellings[self.chosen]

    @property
    def timeline(self) -> Timeline:
        """The chosen purpose's timeline."""
        return self.labelling.timeline

    @property
    def level(self) -> LevelSeries:
        """The running alliance level of both; no purpose changes it."""
        return self.timeline.alliance_level.together

    @property
    def level_scale(self) -> float:
        """The level that the drawing's upper edge stands for: the least quarter that holds all."""
        ends = [end for end in (*self.level.low, *self.level.high) if end is not None]
        return max(1, math.ceil(4 * max(map(abs, ends), default=1.0))) / 4

    @property
    def has_clock(self) -> bool:
        """Whether turns can be placed by clock: every start is known and none runs backwards."""
        starts = [turn.start_ms for turn in self.turns if turn.start_ms is not None]
        return bool(starts) and len(starts) == len(self.turns) and starts == sorted(starts)

    @property
    def has_times(self) -> bool:
        """Whether any turn's start is known, so that a recording can be played from there."""
        return any(turn.start_ms is not None for turn in self.turns)


def _check_same(one: Timeline, other: Timeline) -> None:
    same = (
        one.session_id == other.session_id
        and one.model.name == other.model.name
        and len(one.turns) == len(other.turns)
        and all(
            a.turn == b.turn and a.probabilities == b.probabilities
            for a, b in zip(one.turns, other.turns, strict=True)
        )
    )
    if not same:
        raise ValueError("expected timelines of one session, read by one model; found others")


def _speakers(turns: Iterable[LabelledTurn], names: Names) -> dict[str, SpeakerView]:
    """The speakers by their name in the transcript, client and therapist first."""
    speakers: dict[str, SpeakerView] = {}
    others = 0
    for speaker, shown in shown_names((turn.turn.speaker for turn in turns), names).items():
        role = Role(speaker) if speaker in set(Role) - {Role.OTHER} else Role.OTHER
        others += role is Role.OTHER
        key = f"other{others}" if role is Role.OTHER else speaker
        speakers[speaker] = SpeakerView(key, showable(shown), role)
    return speakers


def _turn(
    turn: LabelledTurn,
    speaker: SpeakerView,
    *,
    explanation: TurnExplanation | None,
    include_text: bool,
) -> TurnView:
    return TurnView(
        index=turn.index,
        speaker=speaker,
        pieces=_pieces(showable(turn.turn.text), explanation) if include_text else (),
        start_ms=turn.turn.start_ms,
        end_ms=turn.turn.end_ms,
        probabilities=turn.probabilities,
        reason=turn.unlabelled_reason,
        truncated=turn.truncated,
        explanation=explanation,
    )


def _pieces(text: str, explanation: TurnExplanation | None) -> tuple[Piece, ...]:
    """A text cut where the words begin and end that its label rests on."""
    pieces = []
    done = 0
    for word in sorted(explanation.words if explanation else (), key=lambda word: word.start):
        start, end = max(done, word.start), min(len(text), word.end)
        if start >= end:
            continue  # of a text that was left out, or told already
        pieces += [Piece(text[done:start]), Piece(text[start:end], why=True)]
        done = end
    pieces.append(Piece(text[done:]))
    return tuple(piece for piece in pieces if piece.text)


def _letter(turn: LabelledTurn) -> str:
    if turn.label is None:
        return "-"
    return turn.label.letter.lower() if turn.abstained else turn.label.letter


def _episode(number: int, episode: RuptureEpisode, timeline: Timeline, letters: str) -> EpisodeView:
    inside = {timeline.turns[place].label for place in episode.rupture_turns}
    counts = Counter(timeline.turns[place].marker for place in episode.rupture_turns)
    first = episode.onset if episode.trigger is None else episode.trigger
    return EpisodeView(
        number=number,
        episode=episode,
        letters="".join(label.letter for label in Label if label in inside),
        markers=tuple((marker, counts[marker]) for marker in episode.markers),
        course=letters[first : episode.window_end + 1],
    )
