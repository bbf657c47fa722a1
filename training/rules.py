"""Calibration and thresholds of a model folder, fitted to what its exported network says.

An export may say a little else than the network that was trained, and it is what labels.

Causal mode has its own, for models that read a whole session otherwise: a layer over the session
says of a turn what it learnt to say with all that comes after it in sight. Without that it ranks
turns nearly as well, but its probabilities mean something else, so they are calibrated on causal
labels of the same development sessions.
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

__all__ = ["uncalibrated", "write_rules"]


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


def write_rules(model: Path, raw: Predictions, *, causal: bool = False) -> None:
    """Fit calibration and thresholds, and write them into the model folder.

    Args:
        model: the folder.
        raw: from :func:`uncalibrated`, on turns that the model was not trained on.
        causal: whether ``raw`` is of causal mode, whose rules are written.
    """
    calibration, decision = fit(raw.probabilities, raw.gold)
    if causal:
        write_json(model / CAUSAL_RULES, Rules(calibration, decision).to_dict())
    else:
        write_json(model / "calibration.json", calibration.to_dict())
        write_json(model / "decision.json", decision.to_dict())
