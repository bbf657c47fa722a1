"""Calibration and thresholds of causal mode, for models that read a whole session otherwise.

A layer over the session says of a turn what it learnt to say with all that comes after it in sight.
Without that it ranks turns nearly as well, but its probabilities mean something else, so they are
calibrated on causal labels of the same development sessions.
"""

from collections.abc import Sequence
from pathlib import Path

from alliance.model.calibration import Calibration
from alliance.model.classifier import RuptureClassifier
from alliance.model.decision import Rules
from alliance.model.model_folder import CAUSAL_RULES
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import Predictions, collect
from alliance.training.files import write_json
from alliance.training.fitting import fit

__all__ = ["uncalibrated", "write_causal_rules"]


def uncalibrated(
    model: Path,
    sessions: Sequence[CodedSession],
    *,
    causal: bool = False,
    threads: int | None = None,
) -> Predictions:
    """What a model folder says before anything is calibrated.

    Args:
        model: the folder.
        sessions: what to label.
        causal: each turn by what had been said until then.
        threads: to compute with; None for all.
    """
    classifier = RuptureClassifier.load(model, threads=threads)
    classifier.calibration, classifier.causal = Calibration(), None
    return collect(classifier, sessions, causal=causal)


def write_causal_rules(model: Path, raw: Predictions) -> None:
    """Fit calibration and thresholds of causal mode, and write them into the model folder.

    Args:
        model: the folder.
        raw: from :func:`uncalibrated`, in causal mode, on turns that it was not trained on.
    """
    rules = Rules(*fit(raw.probabilities, raw.gold))
    write_json(model / CAUSAL_RULES, rules.to_dict())
