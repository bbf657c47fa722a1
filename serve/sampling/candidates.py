"""What is known of each session, or turn, that might be coded next."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from alliance.model.arrays import Floats
from alliance.model.labelled import LabelledSession, LabelledTurn
from alliance.model.text import normalise

__all__ = ["Candidate", "of_session", "of_turns"]

_PLACES: Final = 512  # of a vector of words: 4 kB for each session of a corpus
_MOST_DOUBT: Final = float(np.log(4))


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A session, or a turn of one.

    Attributes:
        source: the file it is in.
        session: the session's identifier.
        turn: the turn's place, from 0; None for a whole session.
        speaker: who says it; empty for a whole session.
        text: what is said; empty for a whole session.
        turns: how many of its turns have a label.
        doubt: how unsure the model is, 0-1: mean entropy of the labels' probabilities over log 4.
        rupture: mean p(withdrawal) + p(confrontation), 0-1.
        words: what is talked about: square roots of word counts at places drawn by a hash, length
            1 (or 0 without words).
    """

    source: str
    session: str
    turn: int | None
    speaker: str
    text: str
    turns: int
    doubt: float
    rupture: float
    words: Floats

    @property
    def worth(self) -> float:
        """Doubt times rupture density, on the scale of probabilities (geometric mean).

        Turns that are surely neutral teach little, and so do those that are surely a rupture.
        """
        return float(np.sqrt(self.doubt * self.rupture))


def of_session(session: LabelledSession, *, source: str) -> Candidate | None:
    """A whole session; None if the model labelled nothing in it."""
    turns = [turn for turn in session if turn.probabilities is not None]
    if not turns:
        return None
    return Candidate(
        source,
        session.session.id,
        None,
        "",
        "",
        len(turns),
        float(np.mean([_doubt(turn) for turn in turns])),
        float(np.mean([_rupture(turn) for turn in turns])),
        _words(" ".join(turn.turn.text for turn in turns)),
    )


def of_turns(session: LabelledSession, *, source: str) -> Iterator[Candidate]:
    """Each turn with a label."""
    for turn in session:
        if turn.probabilities is not None:
            yield Candidate(
                source,
                session.session.id,
                turn.index,
                turn.turn.speaker,
                turn.turn.text,
                1,
                _doubt(turn),
                _rupture(turn),
                _words(turn.turn.text),
            )


def _probabilities(turn: LabelledTurn) -> Floats:
    assert turn.probabilities is not None
    return np.array(turn.probabilities.as_tuple())


def _doubt(turn: LabelledTurn) -> float:
    p = _probabilities(turn)
    return float(-(p * np.log(np.maximum(p, 1e-12))).sum() / _MOST_DOUBT)


def _rupture(turn: LabelledTurn) -> float:
    assert turn.probabilities is not None
    return turn.probabilities.withdrawal + turn.probabilities.confrontation


def _words(text: str) -> Floats:
    counts = np.zeros(_PLACES)
    for word in normalise(text).casefold().split():
        counts[zlib.crc32(word.encode("utf-8", "surrogatepass")) % _PLACES] += 1
    vector = np.sqrt(counts)
    length = float(np.sqrt((vector**2).sum()))
    return np.asarray(vector / length if length else vector)
