"""A rival: the base encoder's embeddings, not fine-tuned, and a logistic regression on them.

It says how much of the task the encoder brings along. The regression sees the turn's embedding,
the previous turn's, who speaks, and the turn's embedding once more for the client alone, since
the same words do another thing from either chair.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from alliance.model.codebook import LABELS, Role
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session
from alliance.model.text import has_words
from alliance.training.corpora import CodedSession
from alliance.training.embeddings import Embedding
from alliance.training.rivals.plain import labelled_by_largest

__all__ = ["INVERSE_PENALTIES", "FrozenBaseline", "fit"]

INVERSE_PENALTIES: Final = (0.001, 0.01, 0.1)
"""Of the regression; the best on the development fold is taken."""


class FrozenBaseline:
    """Class-balanced logistic regression on frozen embeddings; made by :func:`fit`.

    Its probabilities are those of a re-weighted fit: they rank turns, and are not calibrated.
    """

    name = "frozen embeddings + logistic regression"

    def __init__(self, embeddings: Mapping[str, Embedding], regression: Pipeline) -> None:
        self._embeddings = embeddings
        self._regression = regression

    def label(self, session: Session, *, purpose: Purpose = Purpose.RESEARCH) -> LabelledSession:
        """Labels every turn with words by its largest probability, whatever the purpose.

        Raises:
            KeyError: if the session was not embedded.
        """
        probabilities = np.zeros((len(session.turns), len(LABELS)))
        if session.turns:
            features = _features(session, self._embeddings[session.id])
            # A label that the training sessions lack keeps probability 0.
            probabilities[:, self._regression.classes_] = self._regression.predict_proba(features)
        return labelled_by_largest(session, probabilities, name=self.name, purpose=purpose)


def fit(
    sessions: Sequence[CodedSession],
    embeddings: Mapping[str, Embedding],
    *,
    inverse_penalty: float,
) -> FrozenBaseline:
    """Fits the regression to the settled codes of ``sessions``; deterministic.

    Args:
        sessions: to train on.
        embeddings: by session id; those of sessions to be labelled too.
        inverse_penalty: of the regression, larger fits closer.
    """
    rows, gold = [], []
    for coded in sessions:
        features = _features(coded.session, embeddings[coded.id])
        for place, label in enumerate(coded.labels):
            if label is not None and has_words(coded.session.turns[place].text):
                rows.append(features[place])
                gold.append(LABELS.index(label))
    regression = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=1000, tol=1e-3),
    )
    regression.fit(np.stack(rows), np.array(gold))
    return FrozenBaseline(embeddings, regression)


def _features(session: Session, rows: Embedding) -> NDArray[np.float32]:
    client = np.array([[turn.role is Role.CLIENT] for turn in session.turns], dtype=np.float32)
    before = np.concatenate([np.zeros_like(rows[:1]), rows[:-1]])
    return np.concatenate([rows, before, rows * client, client, 1 - client], axis=1)
