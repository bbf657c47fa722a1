"""Presence of ruptures in segments of a session: 3RS-informed, not a 3RS rating.

The Rupture Resolution Rating System (3RS: Eubanks, Muran & Safran 2015, 2019) has trained raters
watch a session in segments of five minutes and judge whether withdrawal and confrontation markers
are present in each. The same unit is used here on labelled turns of a transcript: a label is
*present* in a segment, for a speaker, if one turn or more carries it. Nobody rated the segments
as such, no significance is judged, and the therapist's ruptures are no part of the 3RS.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Floats, Ints
from alliance.model.codebook import LABELS, RUPTURE_LABELS
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.session_counts import Frequencies
from alliance.training.evaluation.session_turns import (
    SPEAKERS,
    Pair,
    SessionTurns,
    beside_coders,
    by_session,
)

__all__ = ["METHOD", "SEGMENT_MINUTES", "SEGMENT_TURNS", "segment_figures", "segments"]

METHOD: Final = "3RS-informed, not a 3RS rating"

SEGMENT_MINUTES: Final = 5
"""Length of a segment where the turns' times are known, as in the 3RS."""

SEGMENT_TURNS: Final = 20
"""Length of a segment in turns where times are not known.

How long that takes depends on how a transcript divides turns. In AnnoMI, whose backchannels are
turns of their own, five minutes hold 48 turns (median over sessions with times), so 20 turns are
about two minutes there; but a whole session has 47 turns (median), and with segments of that
length presence could hardly be told apart within one. Longer turns come nearer to five minutes.
"""


def segments(
    session: SessionTurns,
    starts_ms: Sequence[int | None] | None = None,
    *,
    segment_turns: int = SEGMENT_TURNS,
) -> tuple[Ints, bool]:
    """Which segment each scored turn is in.

    Args:
        session: the session.
        starts_ms: when each turn of the transcript starts, in milliseconds; needed for every
            scored turn, or times are not used.
        segment_turns: length of a segment without times, in turns of the transcript.

    Returns:
        One number per scored turn, counted from 0, and whether times were used. A last segment
        shorter than half the length joins the one before it. A segment may hold no turn.

    Raises:
        ValueError: if a segment is shorter than one turn.
    """
    if segment_turns < 1:
        raise ValueError(f"a segment holds one turn or more, got {segment_turns}")
    times = None if starts_ms is None else [starts_ms[turn] for turn in session.turn]
    timed = times is not None and len(times) > 0 and None not in times
    if timed:
        at = np.array(times, dtype=np.int64)
        at -= at.min()
        length = SEGMENT_MINUTES * 60_000
    else:
        at, length = session.turn, segment_turns
    if not len(at):
        return np.zeros(0, dtype=np.int64), False
    number = at // length
    last = number.max()
    # The last turn's start stands for the session's end: its length is seldom known.
    if last > 0 and (at.max() + (0 if timed else 1)) - last * length < length / 2:
        number = np.minimum(number, last - 1)
    return number.astype(np.int64), timed


class _Presence:
    """Agreement on presence in segments, as a function of how often a session is drawn."""

    def __init__(
        self, pairs: Sequence[Pair], numbers: Mapping[str, Ints], place: int, role: int | None
    ) -> None:
        self.counts = np.zeros((len(pairs), 2, 2))
        for row, pair in enumerate(pairs):
            said = pair.session.said_by(role)
            number = numbers[pair.session.id][pair.session.turn][said]
            size = int(number.max(initial=-1)) + 1
            there = np.bincount(number, minlength=size) > 0
            first, second = (
                (np.bincount(number, weights=labels[said] == place, minlength=size) > 0)[there]
                for labels in (pair.first, pair.second)
            )
            self.counts[row] = agreement.confusion_matrix(
                first.astype(np.int64), second.astype(np.int64), classes=2
            )
        present = np.stack([self.counts[:, 1].sum(axis=1), self.counts[:, :, 1].sum(axis=1)], 1)
        self.frequencies = Frequencies(present, (self.counts.sum(axis=(1, 2)) > 0).tolist())

    @property
    def totals(self) -> dict[str, int]:
        total = self.counts.sum(axis=0).astype(int)
        return {
            "segments": int(total.sum()),
            "gold": int(total[1].sum()),
            "found": int(total[:, 1].sum()),
        }

    def __call__(self, drawn: Floats) -> dict[str, Floats]:
        counts = np.tensordot(drawn, self.counts, 1)
        return {
            "kappa": agreement.kappa(counts),
            "ac1": agreement.ac1(counts),
            "balanced_accuracy": agreement.balanced_accuracy(counts),
            "icc": self.frequencies(drawn)["icc"],
        }


def segment_figures(
    predictions: Predictions,
    *,
    sessions: Sequence[CodedSession] | None = None,
    segment_turns: int = SEGMENT_TURNS,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Presence of withdrawal and of confrontation per segment and speaker, ready for JSON.

    Args:
        predictions: what was predicted, beside the codes; abstained turns are no rupture turns.
        sessions: the transcripts, for the times of turns.
        segment_turns: length of a segment in turns, where times are not known.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        For each of ``speakers`` and each rupture label the blocks of
        :func:`~alliance.training.evaluation.session_turns.beside_coders`. A block holds the numbers
        of ``segments`` (in which the speaker has a scored turn) and of those that hold the label
        (``gold`` by the codes, ``found`` by the model), and estimates of ``kappa``, ``ac1``,
        ``balanced_accuracy``, and ``icc`` of the number of segments per session that hold it.
    """
    starts = {coded.id: [turn.start_ms for turn in coded.session.turns] for coded in sessions or ()}
    scored = by_session(predictions)
    numbers: dict[str, Ints] = {}
    with_times = 0
    for session in scored:
        number, timed = segments(session, starts.get(session.id), segment_turns=segment_turns)
        with_times += timed
        # By place in the transcript, since the coders may have coded fewer turns.
        numbers[session.id] = np.zeros(int(session.turn.max()) + 1, dtype=np.int64)
        numbers[session.id][session.turn] = number
    return {
        "method": METHOD,
        "minutes": SEGMENT_MINUTES,
        "turns": segment_turns,
        "sessions_with_times": with_times,
        "sessions": len(scored),
        "speakers": {
            name: {
                label.value: beside_coders(
                    partial(_Presence, numbers=numbers, place=LABELS.index(label), role=role),
                    scored,
                    resamples=resamples,
                    seed=seed,
                )
                for label in RUPTURE_LABELS
            }
            for name, role in SPEAKERS.items()
        },
    }
