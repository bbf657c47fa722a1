"""A session that goes on: turns come one by one, and each is answered at once.

Every answer rests on two readings. The newest turn's label comes *from the past alone*, as in
causal evaluation (``RuptureClassifier.label(..., causal=True)``), so it is what the model could
have said at that moment. The labels of the session so far come from the *full* reading, in which
every turn is seen with what followed it until now; where it decides otherwise than the client was
last told, the answer carries a revision. Episodes are made from the full reading. So whoever
applies every answer in turn holds, after each, the labels of ``RuptureClassifier.label`` on the
turns so far, and at the end those of the whole session.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alliance.model.classifier import RuptureClassifier
from alliance.model.episodes import RuptureEpisode, find_episodes
from alliance.model.errors import InputError
from alliance.model.labelled import LabelledSession, LabelledTurn, Purpose
from alliance.model.session import Session, Turn
from alliance.model.timeline import DEFAULT_CONFIG, Timeline, TimelineConfig
from alliance.model.timeline import timeline as timeline_of
from alliance.serve.remembering import RememberingClassifier

__all__ = ["MAX_CHARACTERS", "MAX_TURNS", "LiveAnswer", "LiveSession"]

MAX_TURNS: Final = 2_000
"""Turns of a live session, at most; an hour of talk has some hundreds."""

MAX_CHARACTERS: Final = 1_000_000
"""Characters of a live session, at most."""


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """What one turn brings.

    Attributes:
        newest: the newest turn, labelled by what had been said until then.
        revisions: turns, in order, whose label, marker or abstention is no longer what was last
            told of them, as they are now; the newest among them where the full reading, which
            sees more of the past, differs at once.
        episodes: the rupture episodes so far, by the full reading.
    """

    newest: LabelledTurn
    revisions: tuple[LabelledTurn, ...]
    episodes: tuple[RuptureEpisode, ...]


class LiveSession:
    """One session, from its first turn to its end; for one thread at a time.

    A call that fails leaves the session as it was. Of a turn that is appended or revised, at most
    three windows run through the encoder, however long the session is: its own causal one and two
    of the full reading (see :mod:`alliance.serve.remembering`).

    Args:
        classifier: what labels the turns; it may serve others at the same time.
        session_id: the identifier in the timeline.
        purpose: chooses the decision thresholds.
        config: how turns become episodes.
        max_turns: turns, at most.
        max_characters: characters of all turns together, at most.
    """

    def __init__(
        self,
        classifier: RuptureClassifier,
        *,
        session_id: str = "live",
        purpose: Purpose = Purpose.RESEARCH,
        config: TimelineConfig = DEFAULT_CONFIG,
        max_turns: int = MAX_TURNS,
        max_characters: int = MAX_CHARACTERS,
    ) -> None:
        self.purpose = purpose
        self._model = RememberingClassifier(classifier)
        self._config = config
        self._max_turns = max_turns
        self._max_characters = max_characters
        self._told: tuple[LabelledTurn, ...] = ()
        self._labelled = self._model.label(Session(session_id, ()), purpose=purpose)
        self._ended = False
        self._episodes: Mapping[RuptureEpisode, RuptureEpisode] = {}

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns so far, as they were last revised."""
        return self._labelled.session.turns

    @property
    def labelled(self) -> LabelledSession:
        """The full reading of the turns so far."""
        return self._labelled

    @property
    def told(self) -> tuple[LabelledTurn, ...]:
        """Every turn as an answer last told of it; labels are those of the full reading."""
        return self._told

    @property
    def ended(self) -> bool:
        """Whether :meth:`end` has been called."""
        return self._ended

    def add(self, turn: Turn) -> LiveAnswer:
        """Append a turn.

        Raises:
            InputError: if the session has ended or would grow beyond its limits.
        """
        self._check_open()
        if len(self.turns) >= self._max_turns:
            raise InputError(
                f"expected at most {self._max_turns:,} turns in a live session, found one more; "
                f"end it and start another"
            )
        return self._read((*self.turns, turn))

    def revise_last(self, turn: Turn) -> LiveAnswer:
        """Put ``turn`` in the place of the newest one, as a speech recogniser corrects itself.

        Label and episodes are those that :meth:`add` would have given, had the turn been said so
        from the start; revisions are from what was last told, as always.

        Raises:
            InputError: if the session has ended, has no turn, or would grow beyond its limits.
        """
        self._check_open()
        if not self.turns:
            raise InputError("expected a turn before its revision, found none; send the turn first")
        return self._read((*self.turns[:-1], turn))

    def end(self) -> Timeline:
        """End the session.

        Returns:
            The timeline of the whole session by the full reading, the same as if it had been sent
            whole. Calling it again returns it again.
        """
        self._ended = True
        return timeline_of(self._labelled, self._config)

    def _check_open(self) -> None:
        if self._ended:
            raise InputError("expected an open live session, found an ended one; start another")

    def _read(self, turns: tuple[Turn, ...]) -> LiveAnswer:
        before = turns[:-1]
        characters = sum(len(turn.text) for turn in turns)
        if characters > self._max_characters:
            raise InputError(
                f"expected at most {self._max_characters:,} characters in a live session, found "
                f"{characters:,}; end it and start another"
            )
        newest = self._model.label_last(turns, purpose=self.purpose)
        session = Session(self._labelled.session.id, turns)
        labelled = self._model.label(session, purpose=self.purpose)
        told = (*self._told[: len(before)], newest)
        revisions = tuple(
            now for then, now in zip(told, labelled, strict=True) if _decided(then) != _decided(now)
        )
        now_told = list(told)
        for turn in revisions:
            now_told[turn.index] = turn
        episodes = find_episodes(
            labelled.turns,
            gap_turns=self._config.gap_turns,
            repair_turns=self._config.repair_turns,
        )
        # Nothing is kept of a reading that failed on the way here.
        self._told = tuple(now_told)
        self._labelled = labelled
        # Answers are kept for a while by whoever may have to repeat them: they share what they can.
        shared = {episode: self._episodes.get(episode, episode) for episode in episodes}
        self._episodes = {episode: episode for episode in shared.values()}
        return LiveAnswer(newest, revisions, tuple(shared.values()))


def _decided(turn: LabelledTurn) -> tuple[object, ...]:
    return turn.label, turn.marker, turn.abstained
