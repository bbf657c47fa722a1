"""Calibration and thresholds of a finished cross-validation, fitted anew without training."""

from collections.abc import Sequence
from pathlib import Path

from alliance.model.classifier import RuptureClassifier
from alliance.model.model_folder import CAUSAL_RULES
from alliance.training.corpora import CodedSession
from alliance.training.crossvalidation import (
    FOLDS,
    UNCALIBRATED,
    UNCALIBRATED_CAUSAL,
    Tell,
    out_of_fold,
    split,
)
from alliance.training.evaluation.predictions import collect
from alliance.training.rules import uncalibrated, write_rules

__all__ = ["recalibrate"]

# Made from a fold's calibrated probabilities, so made anew by `alliance figures`.
_STALE = ("test-*.npz", "deletions.json")
_KEPT = (UNCALIBRATED, UNCALIBRATED_CAUSAL)


def recalibrate(
    folder: Path, annomi: Sequence[CodedSession], *, threads: int | None = None, tell: Tell
) -> None:
    """Fit every fold's calibration and thresholds anew to what its model says of its dev fold.

    The networks stay as they are. Each fold's test predictions are made again; figures that were
    made from the old ones are deleted. The model trained on all folds, if there is one, is fitted
    to the pooled out-of-fold probabilities, as when it was made.

    Args:
        folder: the folder of a finished cross-validation.
        annomi: the folded sessions.
        threads: to compute with; None for all.
        tell: told what is going on.

    Raises:
        InputError: if the cross-validation is not finished.
    """
    out_of_fold(folder)  # or an error, before anything is changed
    for number in range(FOLDS):
        tell(f"fold {number}: calibration and thresholds")
        place = folder / f"fold-{number}"
        _, dev, test = split(annomi, number)
        model = place / "model"
        write_rules(model, uncalibrated(model, dev, threads=threads))
        if (model / CAUSAL_RULES).is_file():
            causal = uncalibrated(model, dev, causal=True, threads=threads)
            write_rules(model, causal, causal=True)
        for stale in (path for glob in _STALE for path in place.glob(glob)):
            if stale.name not in _KEPT:
                stale.unlink()
        collect(RuptureClassifier.load(model, threads=threads), test).save(place / "test.npz")
    whole = folder / "all" / "model"
    if whole.is_dir():
        tell("the model trained on all folds")
        write_rules(whole, out_of_fold(folder, file=UNCALIBRATED))
        if (whole / CAUSAL_RULES).is_file():
            raw = out_of_fold(folder, file=UNCALIBRATED_CAUSAL)
            write_rules(whole, raw, causal=True)
