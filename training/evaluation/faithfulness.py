"""Whether explanations name what the model goes by: a deletion test against random.

What an explanation names is left out together, and the fall of the label's probability is held
against the fall when as much is left out at random (comprehensiveness: DeYoung et al. 2020,
"ERASER: a benchmark to evaluate rationalized NLP models"). One piece alone would win by
construction, since it was chosen for its fall; several together need not, so no turn counts for
which fewer than two pieces are named.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alliance.model.agreement import Floats
from alliance.model.classifier import RuptureClassifier
from alliance.model.estimates import estimates, nested
from alliance.model.explain import explain_turn, neighbours, words_of
from alliance.model.explanation import TurnExplanation
from alliance.model.labelled import Purpose
from alliance.model.markdown import estimate, table
from alliance.model.occlusion import Occlusion, Span
from alliance.model.session import Session
from alliance.training.evaluation.predictions import ROLES
from alliance.training.evaluation.session_turns import SPEAKERS

__all__ = [
    "KINDS",
    "Deletion",
    "deletion_figures",
    "deletion_markdown",
    "deletion_test",
    "deletions",
]

KINDS: Final = ("words", "turns")
"""What is left out: words of the turn, or what was said in turns around it."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What leaving pieces out does to one rupture turn's label. Holds no words.

    Attributes:
        session: the session's place among those tested, from 0.
        turn: the turn's place in its session.
        role: its speaker, a place in ``ROLES``.
        kind: one of :data:`KINDS`.
        p: the label's probability with nothing left out.
        named: its fall without the pieces that matter most by the explanation; None if the turn
            is left out of the test.
        random: its mean fall without as much at random; None with ``named``.
        readings: windows read to explain the turn.
    """

    session: int
    turn: int
    role: int
    kind: str
    p: float
    named: float | None
    random: float | None
    readings: int


def deletion_test(
    classifier: RuptureClassifier,
    sessions: Sequence[Session],
    *,
    purpose: Purpose = Purpose.RESEARCH,
    words: int = 3,
    turns: int = 2,
    draws: int = 5,
    most_turns: int | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """The deletion test on sessions, labelled by the model itself; codes are not needed.

    Costs, for each rupture turn, the explanation and ``2 * (draws + 1)`` readings of a window.

    Args:
        classifier: the model.
        sessions: transcripts, best such as the model was not trained on.
        purpose: whose thresholds decide what is a rupture turn.
        words: how many of a turn's words are left out, 2 or more; at most half of them.
        turns: how many of the turns around it are, 2 or more.
        draws: how many random choices are averaged for each turn.
        most_turns: at most so many rupture turns of a session, drawn at random; None for all.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same figures.

    Returns:
        What :func:`deletion_figures` returns.
    """
    rows = [
        row
        for place, session in enumerate(sessions)
        for row in deletions(
            classifier,
            session,
            place=place,
            purpose=purpose,
            words=words,
            turns=turns,
            draws=draws,
            most_turns=most_turns,
            seed=seed,
        )
    ]
    return {
        "model": classifier.name,
        "purpose": purpose.value,
        "words": words,
        "turns": turns,
        "draws": draws,
        "most_turns": most_turns,
        **deletion_figures(rows, len(sessions), resamples=resamples, seed=seed),
    }


def deletions(
    classifier: RuptureClassifier,
    session: Session,
    *,
    place: int = 0,
    purpose: Purpose = Purpose.RESEARCH,
    words: int = 3,
    turns: int = 2,
    draws: int = 5,
    most_turns: int | None = None,
    seed: int = 0,
) -> list[Deletion]:
    """The deletions of one session: two for each rupture turn, those included that do not count.

    Args:
        classifier: the model.
        session: the transcript.
        place: its place among those tested.
        purpose: as in :func:`deletion_test`, like the rest.
        words: how many words.
        turns: how many turns.
        draws: how many random choices.
        most_turns: at most so many rupture turns.
        seed: with ``place`` and the turn it decides the random choices.

    Raises:
        ValueError: if fewer than two pieces, or no random choices, are asked for.
    """
    if min(words, turns) < 2 or draws < 1:
        raise ValueError(
            f"expected 2 or more pieces and 1 or more draws, found {words} words, {turns} turns "
            f"and {draws} draws"
        )
    occlusion = Occlusion(classifier, classifier.label(session, purpose=purpose))
    wanted = [
        turn.index
        for turn in occlusion.labelled
        if turn.label is not None and turn.label.is_rupture
    ]
    if most_turns is not None and len(wanted) > most_turns:
        generator = np.random.default_rng([seed, place])
        wanted = sorted(generator.choice(wanted, most_turns, replace=False).tolist())
    rows = []
    for index in wanted:
        before = occlusion.readings
        explanation = explain_turn(occlusion, index)
        readings = occlusion.readings - before
        generator = np.random.default_rng([seed, place, index])
        p = occlusion.probability(index)
        fall = _Fall(occlusion, index, p)
        for kind, (named, random) in (
            ("words", fall.words(explanation, words, draws, generator)),
            ("turns", fall.turns(explanation, turns, draws, generator)),
        ):
            role = ROLES.index(session.turns[index].role)
            rows.append(Deletion(place, index, role, kind, p, named, random, readings))
    return rows


@dataclass(frozen=True, slots=True)
class _Fall:
    """How far one turn's label falls without what is named, and without as much at random."""

    occlusion: Occlusion
    index: int
    p: float

    def words(
        self, explanation: TurnExplanation, most: int, draws: int, generator: np.random.Generator
    ) -> tuple[float | None, float | None]:
        spans = words_of(self.occlusion.labelled.session.turns[self.index].text)
        most = min(most, len(spans) // 2)
        chosen: list[Span] = []
        runs: list[int] = []
        for word in explanation.words:
            inside = sum(word.start <= start < word.end for start, _ in spans)
            # A piece may be several words; one that would go beyond what is allowed is passed by.
            if sum(runs) + inside <= most:
                chosen.append((word.start, word.end))
                runs.append(inside)
        if len(chosen) < 2:
            return None, None
        drawn = [_at_random(spans, runs, generator) for _ in range(draws)]
        return self._without(words=chosen), float(
            np.mean([self._without(words=span) for span in drawn])
        )

    def turns(
        self, explanation: TurnExplanation, most: int, draws: int, generator: np.random.Generator
    ) -> tuple[float | None, float | None]:
        around = neighbours(self.occlusion, self.index)
        chosen = [turn.turn for turn in explanation.neighbours[:most]]
        if len(chosen) < most or len(around) <= most:
            return None, None
        drawn = [generator.choice(around, most, replace=False).tolist() for _ in range(draws)]
        return self._without(turns=chosen), float(
            np.mean([self._without(turns=turns) for turns in drawn])
        )

    def _without(self, *, words: Iterable[Span] = (), turns: Iterable[int] = ()) -> float:
        return self.p - self.occlusion.probability(self.index, words=words, turns=turns)


def _at_random(
    spans: Sequence[Span], runs: Sequence[int], generator: np.random.Generator
) -> list[Span]:
    """Runs of words of the given lengths, anywhere in a text, that do not overlap."""
    free = len(spans) - sum(runs)
    # Each run is a place among the words left over; between them the order is drawn as well.
    places = np.sort(generator.choice(free + len(runs), len(runs), replace=False))
    found, shift = [], 0
    for place, run in zip(places.tolist(), generator.permutation(runs).tolist(), strict=True):
        first = place + shift
        found.append((spans[first][0], spans[first + run - 1][1]))
        shift += run - 1
    return found


def deletion_figures(
    rows: Sequence[Deletion], sessions: int, *, resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Means over rupture turns, with intervals over sessions.

    Args:
        rows: of :func:`deletions`.
        sessions: how many were tested, those without a rupture turn included.
        resamples: how many times they are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        ``readings_per_turn``: windows read to explain one, None if there is no turn. Under
        ``falls``, by kind of piece and speaker: the ``turns`` that count, those ``left_out``, and
        as estimates ``p`` before, the falls ``named`` and ``random``, and their ``difference``.
    """
    cost = [row.readings for row in rows if row.kind == KINDS[0]]
    flat: dict[str, Any] = {}
    statistics: dict[str, tuple[Floats, Floats]] = {}
    for kind in KINDS:
        for speaker, role in SPEAKERS.items():
            mine = [row for row in rows if row.kind == kind and role in (None, row.role)]
            counted = [row for row in mine if row.named is not None and row.random is not None]
            flat[f"{kind}/{speaker}/turns"] = len(counted)
            flat[f"{kind}/{speaker}/left_out"] = len(mine) - len(counted)
            place = np.array([row.session for row in counted], dtype=np.intp)
            total = np.bincount(place, minlength=sessions).astype(np.float64)
            values = np.array(
                [(row.p, row.named, row.random) for row in counted], dtype=np.float64
            ).reshape(-1, 3)
            for name, column in (
                ("p", values[:, 0]),
                ("named", values[:, 1]),
                ("random", values[:, 2]),
                ("difference", values[:, 1] - values[:, 2]),
            ):
                sums = np.bincount(place, weights=column, minlength=sessions)
                statistics[f"{kind}/{speaker}/{name}"] = (sums.astype(np.float64), total)

    def means(drawn: Floats) -> dict[str, Floats]:
        with np.errstate(invalid="ignore"):
            return {
                name: (drawn @ sums) / (drawn @ total) for name, (sums, total) in statistics.items()
            }

    flat.update(estimates(means, sessions, resamples=resamples, seed=seed))
    return {
        "sessions": sessions,
        "resamples": resamples,
        "seed": seed,
        "readings_per_turn": round(float(np.mean(cost)), 1) if cost else None,
        "falls": nested(flat),
    }


def deletion_markdown(figures: Mapping[str, Any]) -> str:
    """Figures of :func:`deletion_test` as Markdown."""
    most = {"words": figures["words"], "turns": figures["turns"]}
    rows = []
    for kind, speakers in figures["falls"].items():
        for speaker, falls in speakers.items():
            rows.append(
                (
                    f"{most[kind]} {kind}",
                    speaker,
                    f"{falls['turns']:,}",
                    *(estimate(**falls[name]) for name in ("p", "named", "random")),
                    estimate(**falls["difference"], signed=True),
                )
            )
    header = ("left out", "speaker", "rupture turns", "p", "fall, named", "fall, random", "more")
    return (
        f"How far the probability of a rupture turn's label falls, in {figures['sessions']:,} "
        f"sessions labelled by {figures['model']}, when what its explanation names is left out, "
        f"and when as much is at random (mean of {figures['draws']} draws):\n\n"
        f"{table(header, rows)}\n\n"
        f"Of words at most half a turn's are left out; turns for which fewer than two pieces are "
        f"named do not count. Brackets hold 95% intervals over sessions. An explanation took "
        f"{figures['readings_per_turn'] or 0:.0f} readings of a window on average.\n"
    )
