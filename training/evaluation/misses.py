"""The turns that a model is surest of and wrong about: for someone to read, words and all.

The one place of an evaluation that gives out words of a transcript, and only when asked to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alliance.model.codebook import LABELS, Label
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import Predictions

__all__ = ["Miss", "surest_misses"]


@dataclass(frozen=True, slots=True)
class Miss:
    """A turn whose label the model did not give.

    Attributes:
        session: its session's id.
        turn: its place there, from 0.
        speaker: as the transcript names the speaker.
        settled: label by the settled code.
        predicted: label that the model gave.
        p_settled: the model's probability of the settled label.
        p_predicted: of the label that it gave.
        text: the turn's words.
    """

    session: str
    turn: int
    speaker: str
    settled: Label
    predicted: Label
    p_settled: float
    p_predicted: float
    text: str


def surest_misses(
    predictions: Predictions, sessions: Sequence[CodedSession], count: int
) -> tuple[Miss, ...]:
    """For each label the turns that carry it and were given another, the surest first.

    Args:
        predictions: what was predicted on ``sessions``.
        sessions: the transcripts.
        count: how many for each label at most.

    Raises:
        ValueError: if a predicted session is not among ``sessions``.
    """
    known = {coded.id: coded for coded in sessions}
    missing = [name for name in predictions.session_ids if name not in known]
    if missing:
        raise ValueError(f"no transcript of session {missing[0]}")
    p_predicted = predictions.probabilities[np.arange(len(predictions)), predictions.predicted]
    wrong = predictions.gold != predictions.predicted
    out = []
    for place, label in enumerate(LABELS):
        missed = np.flatnonzero(wrong & (predictions.gold == place))
        for row in missed[np.argsort(-p_predicted[missed], kind="stable")][:count]:
            session = predictions.session_ids[predictions.session[row]]
            turn = known[session].session.turns[predictions.turn[row]]
            out.append(
                Miss(
                    session=session,
                    turn=int(predictions.turn[row]),
                    speaker=turn.speaker,
                    settled=label,
                    predicted=LABELS[predictions.predicted[row]],
                    p_settled=float(predictions.probabilities[row, place]),
                    p_predicted=float(p_predicted[row]),
                    text=turn.text,
                )
            )
    return tuple(out)
