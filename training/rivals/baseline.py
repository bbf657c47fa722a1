"""The rival every network has to beat: TF-IDF features and a logistic regression.

It sees the turn and its two predecessors, weighs the labels inversely to their frequency, and has
no notion of a session beyond that. Words and word pairs of the turn, words and word pairs of the
two turns before it as features of their own, who speaks, and all of them once more for the client
alone, since the same words do another thing from either chair; one multinomial regression.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from alliance.model.agreement import Floats
from alliance.model.codebook import LABELS, Role
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session
from alliance.model.text import has_words, normalise
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import Predictions, collect
from alliance.training.rivals.plain import labelled_by_largest

CONTEXT_TURNS: Final = 2
"""How many turns before the one to be labelled are seen."""

# Chosen on development folds, with the features for the client alone, from four settings: a fair
# rival, not a straw man.
_INVERSE_PENALTY: Final = 4.0


class Baseline:
    """Class-balanced TF-IDF + logistic regression; made by :func:`fit`.

    Its probabilities are those of a re-weighted fit: they rank turns, and are not calibrated.
    """

    name = "TF-IDF + logistic regression"

    def __init__(self) -> None:
        options: dict[str, Any] = {"ngram_range": (1, 2), "min_df": 2, "sublinear_tf": True}
        # Without a stop list, and with words of one letter: "I" and "you" matter here.
        options["token_pattern"] = r"(?u)\b\w[\w']*\b"
        self._turn = TfidfVectorizer(**options)
        self._context = TfidfVectorizer(**options)
        self._regression = LogisticRegression(
            C=_INVERSE_PENALTY, class_weight="balanced", max_iter=1000
        )

    def label(self, session: Session, *, purpose: Purpose = Purpose.RESEARCH) -> LabelledSession:
        """Labels every turn with words by its largest probability, whatever the purpose."""
        probabilities = self._probabilities(session)
        return labelled_by_largest(session, probabilities, name=self.name, purpose=purpose)

    def predict(self, sessions: Iterable[CodedSession]) -> Predictions:
        """Labels coded sessions and sets the result beside the codes."""
        return collect(self, sessions)

    def _fit(self, sessions: Sequence[CodedSession]) -> "Baseline":
        coded = [
            (coded.session, index, LABELS.index(label))
            for coded in sessions
            for index, label in enumerate(coded.labels)
            if label is not None and has_words(coded.session.turns[index].text)
        ]
        places = [(session, index) for session, index, _ in coded]
        self._turn.fit(_text(*place) for place in places)
        self._context.fit(_before(*place) for place in places)
        self._regression.fit(self._features(places), [label for _, _, label in coded])
        return self

    def _probabilities(self, session: Session) -> Floats:
        out: Floats = np.zeros((len(session.turns), len(LABELS)))
        if session.turns:
            places = [(session, index) for index in range(len(session.turns))]
            # A label that the training sessions lack keeps probability 0.
            out[:, self._regression.classes_] = self._regression.predict_proba(
                self._features(places)
            )
        return out

    def _features(self, places: Sequence[tuple[Session, int]]) -> Any:
        client = np.array([session.turns[index].role is Role.CLIENT for session, index in places])
        roles = np.stack([client, ~client], axis=1).astype(np.float64)
        words = sparse.hstack(
            [
                self._turn.transform(_text(*place) for place in places),
                self._context.transform(_before(*place) for place in places),
            ]
        )
        of_client = sparse.diags(client.astype(np.float64)) @ words
        return sparse.hstack([words, of_client, sparse.csr_matrix(roles)], format="csr")


def fit(sessions: Sequence[CodedSession]) -> Baseline:
    """Fits the baseline to the settled codes of ``sessions``; deterministic."""
    return Baseline()._fit(sessions)


def _text(session: Session, index: int) -> str:
    return normalise(session.turns[index].text)


def _before(session: Session, index: int) -> str:
    return " ".join(
        normalise(turn.text) for turn in session.turns[max(0, index - CONTEXT_TURNS) : index]
    )
