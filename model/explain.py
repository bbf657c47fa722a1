"""Explaining labels: which words and which neighbouring turns a turn's label rests on.

Each piece is left out in turn and the window that the label came from is read again
(:mod:`alliance.model.occlusion`); what the label's probability loses is the piece's effect. This
tells what the model went by, not why the speaker said it. Same session, same model: same result.
With a session layer the windows are read again that hold the piece, and the layer over them.

At most :data:`WORD_READINGS` + :data:`BEFORE` + :data:`AFTER` + 3 = 27 windows are read for a
turn, about as much work as labelling so many windows of a session. (With a session layer all
windows of the session are read once before, and two instead of one where windows overlap.) A long
turn's words cannot be tried one by one within that: they are tried in pieces of equal length, and
whichever piece has the greatest effect is halved again and again. Where no piece is missed, since
others say the same, the whole turn's words are one piece. Of a turn too long for the model only
what it read can have an effect, beyond that words from the cut middle move up when others are left
out.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final, TypeVar

from alliance.model.classifier import RuptureClassifier
from alliance.model.explanation import TurnEffect, TurnExplanation, WordEffect
from alliance.model.labelled import LabelledSession
from alliance.model.occlusion import Occlusion, Span

__all__ = [
    "AFTER",
    "BEFORE",
    "LEAST_EFFECT",
    "WORD_READINGS",
    "explain",
    "explain_turn",
    "neighbours",
    "words_of",
]

BEFORE: Final = 6
"""Turns before a turn that are tried, of any speaker."""

AFTER: Final = 2
"""Turns after it that are tried."""

WORD_READINGS: Final = 16
"""Pieces of a turn's own words that are tried; an even number."""

LEAST_EFFECT: Final = 0.001
"""A piece with a smaller effect than this difference of probabilities is not told."""

_WORD: Final = re.compile(r"\S+")

_Effect = TypeVar("_Effect", WordEffect, TurnEffect)


def explain(
    classifier: RuptureClassifier,
    labelled: LabelledSession,
    *,
    turns: Iterable[int] | None = None,
) -> tuple[TurnExplanation, ...]:
    """What the labels of a session's turns rest on.

    Args:
        classifier: the model that labelled the session.
        labelled: the session with its labels; in causal mode nothing after a turn is tried.
        turns: which turns, by their place in the session; None for all that were labelled
            withdrawal or confrontation, those included on which the model abstains.

    Returns:
        One explanation per turn, in the order of the session.

    Raises:
        ValueError: if a turn carries no label, or another model gave it.
    """
    occlusion = Occlusion(classifier, labelled)
    if turns is None:
        turns = [
            turn.index for turn in labelled if turn.label is not None and turn.label.is_rupture
        ]
    return tuple(explain_turn(occlusion, turn) for turn in sorted(set(turns)))


def explain_turn(occlusion: Occlusion, index: int) -> TurnExplanation:
    """What the label of one turn rests on.

    Args:
        occlusion: the session; turns that share a window share readings.
        index: the turn's place in the session.

    Raises:
        ValueError: if the turn carries no label, or another model gave it.
    """
    turn = occlusion.turn(index)
    assert turn.label is not None  # for mypy: turn() saw to it
    assert turn.probabilities is not None
    p = occlusion.probability(index)

    def loss(words: Sequence[Span] = (), turns: Sequence[int] = ()) -> float:
        return p - occlusion.probability(index, words=words, turns=turns)

    spans = words_of(turn.turn.text)
    words = _telling(_words(spans, lambda span: loss(words=[span])))
    if not words and spans:
        # Words that say the same stand in for each other: only all of them can be missed.
        whole = (spans[0][0], spans[-1][1])
        words = _telling([WordEffect(*whole, loss(words=[whole]))])
    around = _telling(
        [TurnEffect(other, loss([], [other])) for other in neighbours(occlusion, index)]
    )
    return TurnExplanation(
        turn=index,
        label=turn.label,
        p=turn.probabilities.of(turn.label),
        words=tuple(sorted(words, key=lambda word: (-word.effect, word.start))),
        neighbours=tuple(sorted(around, key=lambda other: (-other.effect, other.turn))),
        words_together=loss(words=[(word.start, word.end) for word in words]),
        neighbours_together=loss(turns=[other.turn for other in around]),
    )


def neighbours(occlusion: Occlusion, index: int) -> list[int]:
    """The turns around a turn that are tried: near it, with something said, and looked at."""
    reach = occlusion.reach(index)
    first, stop = max(reach.first, index - BEFORE), min(reach.stop, index + AFTER + 1)
    turns = occlusion.labelled.session.turns
    return [place for place in range(first, stop) if place != index and turns[place].text.strip()]


def words_of(text: str) -> list[Span]:
    """Where the words of a text are: what stands between white space."""
    return [word.span() for word in _WORD.finditer(text)]


def _telling(effects: list[_Effect]) -> list[_Effect]:
    return [one for one in effects if one.effect >= LEAST_EFFECT]


def _words(words: Sequence[Span], loss: Callable[[Span], float]) -> list[WordEffect]:
    """The effects of all words, one by one or, where they are many, in pieces."""

    def tried(first: int, stop: int) -> tuple[int, int, WordEffect]:
        span = (words[first][0], words[stop - 1][1])
        return first, stop, WordEffect(*span, loss(span))

    count = len(words)
    if count <= WORD_READINGS:
        return [tried(place, place + 1)[2] for place in range(count)]
    halves = WORD_READINGS // 2
    edges = [count * piece // halves for piece in range(halves + 1)]
    pieces = [tried(first, stop) for first, stop in pairwise(edges)]
    for _ in range(halves // 2):
        several = [piece for piece in pieces if piece[1] - piece[0] > 1]
        # The first of equals: the order of the text decides.
        first, stop, effect = max(several, key=lambda piece: (piece[2].effect, -piece[0]))
        middle = (first + stop) // 2
        pieces.remove((first, stop, effect))
        pieces += [tried(first, middle), tried(middle, stop)]
    return [effect for _, _, effect in pieces]
