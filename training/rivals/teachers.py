"""Teachers as a rival: larger networks that taught the model, or might, and do not ship."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alliance.model.errors import ConfigError, InputError
from alliance.training.crossvalidation import DEV, FOLDS, UNCALIBRATED
from alliance.training.evaluation.predictions import Predictions, concatenate, same_turns
from alliance.training.rivals.making import decided
from alliance.training.teacher import identities

__all__ = ["teachers_name", "teachers_predictions"]


def teachers_predictions(teachers: Sequence[Path]) -> Predictions:
    """What teachers say out of fold: their mean probabilities, calibrated and decided as ours are.

    Args:
        teachers: folders of finished cross-validations on the same folds; at least one.

    Raises:
        InputError: if one is not finished.
        ConfigError: if they were tested on different turns.
    """
    return concatenate(
        [
            decided(_mean(teachers, fold, UNCALIBRATED), _mean(teachers, fold, DEV))
            for fold in range(FOLDS)
        ]
    )


def teachers_name(teachers: Sequence[Path]) -> str:
    """What they are, as reports say it."""
    names = ", ".join(dict.fromkeys(each["name"] for each in identities(teachers)))
    if len(teachers) == 1:
        return f"teacher: {names}"
    return f"teachers: mean of {len(teachers)} networks ({names})"


def _mean(teachers: Sequence[Path], fold: int, name: str) -> Predictions:
    parts = []
    for teacher in teachers:
        path = teacher / f"fold-{fold}" / name
        if not path.is_file():
            raise InputError(
                f"{path}: expected a teacher's finished fold, found no such file; run alliance "
                f"crossvalidate on it first, in a new folder if an earlier version finished it"
            )
        parts.append(Predictions.load(path))
    first = parts[0]
    for teacher, part in zip(teachers, parts, strict=True):
        if not same_turns(part, first):
            raise ConfigError(
                f"{teacher}: expected a teacher that was tested on the turns of {teachers[0]}, "
                f"found others in fold {fold}; cross-validate both on the same folds"
            )
    mean = np.mean([part.probabilities for part in parts], axis=0)
    return dataclasses.replace(first, probabilities=mean)
