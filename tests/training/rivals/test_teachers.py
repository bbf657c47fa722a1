"""Teachers beside the model that they taught, or might."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alliance.model.errors import ConfigError, InputError
from alliance.training.config import TrainingConfig
from alliance.training.crossvalidation import DEV, FOLDS, UNCALIBRATED
from alliance.training.evaluation.predictions import Predictions
from alliance.training.rivals.making import decided
from alliance.training.rivals.teachers import teachers_name, teachers_predictions

Sketch = Callable[..., Predictions]


def _write(folder: Path, sketch: Sketch, *, sure: float, name: str, words: str = "cWC") -> Path:
    folder.mkdir()
    config = dataclasses.replace(TrainingConfig(), name=name)
    (folder / "config.json").write_text(json.dumps(config.to_dict()), encoding="utf-8")
    for fold in range(FOLDS):
        (folder / f"fold-{fold}").mkdir()
        for file in (UNCALIBRATED, DEV):
            said = {f"{file}-{fold}": f"{words} cNN cPP tCC"}
            sketch(said, sure=sure).save(folder / f"fold-{fold}" / file)
    return folder


def test_teachers_are_the_mean_of_their_probabilities(
    tmp_path: Path, sketch_predictions: Sketch
) -> None:
    first = _write(tmp_path / "a", sketch_predictions, sure=0.9, name="one")
    second = _write(tmp_path / "b", sketch_predictions, sure=0.4, name="two", words="cWW")
    found = teachers_predictions([first, second])
    assert len(found) == FOLDS * 4
    parts = [
        [Predictions.load(folder / "fold-2" / file) for folder in (first, second)]
        for file in (UNCALIBRATED, DEV)
    ]
    mean = [
        dataclasses.replace(a, probabilities=np.mean([a.probabilities, b.probabilities], axis=0))
        for a, b in parts
    ]
    expected = decided(*mean)
    assert found.probabilities[8:12] == pytest.approx(expected.probabilities)
    assert found.predicted[8:12].tolist() == expected.predicted.tolist()
    assert teachers_name([first]) == "teacher: one"
    assert teachers_name([first, second]) == "teachers: mean of 2 networks (one, two)"


def test_a_teacher_that_is_unfinished_or_another_s_is_named(
    tmp_path: Path, sketch_predictions: Sketch
) -> None:
    first = _write(tmp_path / "a", sketch_predictions, sure=0.9, name="one")
    other = _write(tmp_path / "b", sketch_predictions, sure=0.9, name="two")
    sketch_predictions({"elsewhere": "cNN"}).save(other / "fold-3" / UNCALIBRATED)
    with pytest.raises(ConfigError, match="found others in fold 3; cross-validate both"):
        teachers_predictions([first, other])
    (first / "fold-1" / DEV).unlink()
    with pytest.raises(InputError, match=r"fold-1.*run alliance crossvalidate on it first"):
        teachers_predictions([first])
