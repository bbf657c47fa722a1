"""A session that goes on: turns come one by one, and each is answered at once.

A turn is answered in two steps. Its label *from the past alone*, as in causal evaluation
(``RuptureClassifier.label(..., causal=True)``), needs one window and is there at once: it is what
the model could have said at that moment. The *full view*, in which every turn is seen with what
followed it until now, needs one or two longer windows and comes when there is time; where it
decides otherwise than was last told, it brings a revision. Turns that come meanwhile are answered
meanwhile, and the next full view takes them all in.

So whoever applies answers and revisions in the order in which they are told holds, after a full
view of everything said so far, the labels of ``RuptureClassifier.label`` on the turns so far, and
at the end those of the whole session.
"""

import threading
from collections.abc import Callable, Sequence
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

__all__ = ["MAX_CHARACTERS", "MAX_TURNS", "LiveAnswer", "LiveRevision", "LiveSession"]

MAX_TURNS: Final = 2_000
"""Turns of a live session, at most; an hour of talk has some hundreds."""

MAX_CHARACTERS: Final = 1_000_000
"""Characters of a live session, at most."""


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """What one turn brings at once.

    Attributes:
        seq: the number of the turn, or of its correction, among all that were sent.
        newest: the turn, labelled by what had been said until then.
        episodes: the rupture episodes so far, each turn as it is known best: by the full view
            where that has reached it, else by its past alone.
    """

    seq: int
    newest: LabelledTurn
    episodes: tuple[RuptureEpisode, ...]


@dataclass(frozen=True, slots=True)
class LiveRevision:
    """What a full view brings.

    Attributes:
        seq: the view is of the session as it was after this turn or correction.
        revisions: turns, in order, whose label, marker or abstention is no longer what was last
            told of them, as they are now; a turn that was corrected since is left out.
        episodes: the rupture episodes so far, each turn as it is known best.
    """

    seq: int
    revisions: tuple[LabelledTurn, ...]
    episodes: tuple[RuptureEpisode, ...]


Tell = Callable[[LiveAnswer | LiveRevision], None]


def _tell_nobody(_: LiveAnswer | LiveRevision) -> None:
    pass


class LiveSession:
    """One session, from its first turn to its end.

    One thread at a time may add and revise turns; others may look at the whole meanwhile. A call
    that fails leaves the session as it was. However long the session is, a turn that is added or
    revised runs one window through the encoder; :meth:`look` runs the one that ends with the
    newest turn, and those that were filled since the last call (see
    :mod:`alliance.serve.remembering`).

    Args:
        classifier: what labels the turns; it may serve others at the same time.
        session_id: the identifier in the timeline.
        purpose: chooses the decision thresholds.
        config: how turns become episodes.
        max_turns: turns, at most.
        max_characters: characters of all turns together, at most.
        tell: told of every answer and revision in the order in which they have to be applied, by
            the thread that made it; it has to be quick.
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
        tell: Tell = _tell_nobody,
    ) -> None:
        self.purpose = purpose
        self._classifier = classifier
        self._whole = RememberingClassifier(classifier)
        self._config = config
        self._max_turns = max_turns
        self._max_characters = max_characters
        self._tell = tell
        self._turns: tuple[Turn, ...] = ()
        self._seq = 0
        self._told: list[LabelledTurn] = []
        self._best: list[LabelledTurn] = []  # as told, but with the newest probabilities
        self._labelled = self._whole.label(Session(session_id, ()), purpose=purpose)
        self._looked = 0  # what the full view has taken in: up to this number
        self._ended = False
        self._episodes: dict[RuptureEpisode, RuptureEpisode] = {}
        self._lock = threading.Lock()  # held for moments
        self._viewing = threading.Lock()  # held while windows are read

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns so far, as they were last revised."""
        return self._turns

    @property
    def labelled(self) -> LabelledSession:
        """The last full view."""
        return self._labelled

    @property
    def told(self) -> tuple[LabelledTurn, ...]:
        """Every turn as it was last told of."""
        return tuple(self._told)

    @property
    def behind(self) -> bool:
        """Whether something was said since the last full view."""
        return self._looked < self._seq

    @property
    def ended(self) -> bool:
        """Whether :meth:`end` has been called."""
        return self._ended

    def add(self, turn: Turn, *, seq: int | None = None) -> LiveAnswer:
        """Append a turn.

        Args:
            turn: the turn.
            seq: its number; higher than those before. None counts on from them.

        Raises:
            InputError: if the session has ended or would grow beyond its limits.
        """
        self._check_open()
        if len(self._turns) >= self._max_turns:
            raise InputError(
                f"expected at most {self._max_turns:,} turns in a live session, found one more; "
                f"end it and start another"
            )
        return self._answer((*self._turns, turn), seq)

    def revise_last(self, turn: Turn, *, seq: int | None = None) -> LiveAnswer:
        """Put ``turn`` in the place of the newest one, as a speech recogniser corrects itself.

        Its label is the one that :meth:`add` would have given, had the turn been said so from the
        start.

        Raises:
            InputError: if the session has ended, has no turn, or would grow beyond its limits.
        """
        self._check_open()
        if not self._turns:
            raise InputError("expected a turn before its revision, found none; send the turn first")
        return self._answer((*self._turns[:-1], turn), seq)

    def look(self) -> LiveRevision | None:
        """Take the full view of the turns so far.

        None if nothing was said since the last one, or the session has ended.
        Turns may be added and revised meanwhile, by another thread.
        """
        with self._viewing:
            with self._lock:
                turns, seq = self._turns, self._seq
            if self._ended or seq == self._looked:
                return None
            labelled = self._view(turns)
            with self._lock:
                self._labelled, self._looked = labelled, seq
                revision = LiveRevision(seq, self._revise(labelled), self._find(self._best))
                self._tell(revision)
        return revision

    def end(self) -> Timeline:
        """End the session.

        Returns:
            The timeline of the whole session by the full view, the same as if it had been sent
            whole. Calling it again returns it again.
        """
        with self._viewing:
            if self.behind:
                self._labelled, self._looked = self._view(self._turns), self._seq
            self._ended = True
        return timeline_of(self._labelled, self._config)

    def _check_open(self) -> None:
        if self._ended:
            raise InputError("expected an open live session, found an ended one; start another")

    def _answer(self, turns: tuple[Turn, ...], seq: int | None) -> LiveAnswer:
        characters = sum(len(turn.text) for turn in turns)
        if characters > self._max_characters:
            raise InputError(
                f"expected at most {self._max_characters:,} characters in a live session, found "
                f"{characters:,}; end it and start another"
            )
        newest = self._classifier.label_last(turns, purpose=self.purpose)
        before = len(turns) - 1
        with self._lock:
            self._turns = turns
            self._seq = self._seq + 1 if seq is None else seq
            for known in (self._told, self._best):
                known[before:] = [newest]
            answer = LiveAnswer(self._seq, newest, self._find(self._best))
            self._tell(answer)
        return answer

    def _revise(self, labelled: LabelledSession) -> tuple[LabelledTurn, ...]:
        """Take a full view over; the turns of which it decides otherwise than was told."""
        revisions = []
        last = len(labelled) - 1
        for now in labelled:
            place = now.index
            if place == last and self._turns[place] != now.turn:
                continue  # corrected meanwhile
            self._best[place] = now
            if _decided(self._told[place]) != _decided(now):
                self._told[place] = now
                revisions.append(now)
        return tuple(revisions)

    def _view(self, turns: tuple[Turn, ...]) -> LabelledSession:
        session = Session(self._labelled.session.id, turns)
        return self._whole.label(session, purpose=self.purpose)

    def _find(self, turns: Sequence[LabelledTurn]) -> tuple[RuptureEpisode, ...]:
        episodes = find_episodes(
            turns, gap_turns=self._config.gap_turns, repair_turns=self._config.repair_turns
        )
        # Answers are kept for a while by whoever may have to repeat them: they share what they can.
        shared = {episode: self._episodes.get(episode, episode) for episode in episodes}
        self._episodes = {episode: episode for episode in shared.values()}
        return tuple(shared.values())


def _decided(turn: LabelledTurn) -> tuple[object, ...]:
    return turn.label, turn.marker, turn.abstained
