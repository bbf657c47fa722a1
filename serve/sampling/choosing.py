"""Choosing what to code next: worth, and difference from what is chosen already.

Greedy choice by worth times novelty, in the manner of maximal marginal relevance (Carbonell &
Goldstein 1998) and of information density in active learning (Settles & Craven 2008). Novelty is 1
minus the greatest likeness in words to anything chosen. A model's doubts are its own: what was
chosen by them is no fair sample of a corpus, so a share can be drawn at random, and figures for the
corpus are to be estimated from that share alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alliance.serve.sampling.candidates import Candidate

__all__ = ["Choice", "choose"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to code.

    Attributes:
        candidate: what it is.
        at_random: whether it was drawn at random.
        novelty: how unlike it is to what was chosen before, 0-1.
        score: worth times novelty, by which it was chosen.
    """

    candidate: Candidate
    at_random: bool
    novelty: float
    score: float


def choose(
    candidates: Sequence[Candidate],
    count: int,
    *,
    at_random: int = 0,
    per_session: int | None = None,
    seed: int = 0,
) -> list[Choice]:
    """The most worthwhile candidates, and some at random.

    Args:
        candidates: sessions, or turns.
        count: how many to choose in all; fewer if there are not so many.
        at_random: how many of them to draw at random, before the others are chosen.
        per_session: at most so many turns of one session.
        seed: of the draw; the rest follows from the candidates.

    Returns:
        Those drawn at random first, then the others, the best first.
    """
    worth = np.array([candidate.worth for candidate in candidates])
    open_ = np.ones(len(candidates), dtype=np.bool_)
    novelty = np.ones(len(candidates))
    words = np.stack([c.words for c in candidates]) if candidates else np.zeros((0, 1))
    taken: dict[tuple[str, str], int] = {}
    sessions = [(candidate.source, candidate.session) for candidate in candidates]
    choices: list[Choice] = []

    def take(place: int, *, drawn: bool) -> None:
        nonlocal novelty
        score = float(worth[place] * novelty[place])
        choices.append(Choice(candidates[place], drawn, float(novelty[place]), score))
        open_[place] = False
        novelty = np.minimum(novelty, np.clip(1.0 - words @ words[place], 0.0, 1.0))
        key = sessions[place]
        taken[key] = taken.get(key, 0) + 1
        if per_session is not None and taken[key] >= per_session:
            open_[[other == key for other in sessions]] = False

    generator = np.random.default_rng(seed)
    for place in generator.permutation(len(candidates)):
        if len(choices) >= min(at_random, count):
            break
        if open_[place]:
            take(int(place), drawn=True)
    while len(choices) < count and open_.any():
        # Of equals, the first in the corpus.
        take(int(np.where(open_, worth * novelty, -1.0).argmax()), drawn=False)
    return choices
