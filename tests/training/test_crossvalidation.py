"""Cross-validation: nothing of a test or dev fold is trained on, and a run can be taken up."""

import dataclasses
import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import ConfigError, InputError
from alliance.training import crossvalidation, fitting
from alliance.training.config import TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.crossvalidation import (
    UNCALIBRATED,
    crossvalidate,
    out_of_fold,
    refused_forms,
    split,
)
from alliance.training.evaluation.predictions import Predictions, collect
from alliance.training.recalibration import recalibrate
from alliance.training.run import train_on_all

Make = Callable[..., list[CodedSession]]


def _silent(line: str) -> None:
    pass


def test_each_session_is_tested_once_and_never_trained_on_then(coded_sessions: Make) -> None:
    sessions = coded_sessions(15, folds=5)
    tested = []
    for fold in range(5):
        train, dev, test = split(sessions, fold)
        ids = [{coded.id for coded in part} for part in (train, dev, test)]
        assert not any(a & b for a, b in combinations(ids, 2))
        assert {coded.fold for coded in dev} == {(fold + 1) % 5}
        tested += [coded.id for coded in test]
    assert sorted(tested) == sorted(coded.id for coded in sessions)


def test_sessions_without_a_fold_are_refused(coded_sessions: Make) -> None:
    with pytest.raises(ConfigError, match="made-0 has none"):
        split(coded_sessions(3), 0)


def test_a_whole_run_in_two_parts(
    tiny_config: TrainingConfig,
    coded_sessions: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annomi, authored = coded_sessions(15, folds=5), coded_sessions(6, first=50)
    short = dataclasses.replace(tiny_config.stages[1], epochs=2)
    config = dataclasses.replace(tiny_config, stages=(tiny_config.stages[0], short))
    trained_on: list[set[str]] = []
    train = crossvalidation.train_network

    def watching(config: Any, corpora: Any, dev: Any, *args: Any, **kwargs: Any) -> Any:
        trained_on.append({coded.id for part in corpora.values() for coded in part})
        assert not trained_on[-1] & {coded.id for coded in dev}
        return train(config, corpora, dev, *args, **kwargs)

    monkeypatch.setattr(crossvalidation, "train_network", watching)

    def run(folds: list[int]) -> dict[str, Any] | None:
        return crossvalidate(
            config,
            annomi,
            {"authored": authored},
            tmp_path,
            folds=folds,
            resamples=50,
            tell=_silent,
            quiet=True,
        )

    assert run([0, 3]) is None
    with pytest.raises(InputError, match="of fold 1"):
        out_of_fold(tmp_path)
    report = run([0, 1, 2, 3, 4])
    assert len(trained_on) == 5  # folds 0 and 3 were not trained again
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(report))  # tuples are lists there
    assert report is not None
    assert report["network"]["speakers"]["pooled"]["macro_f1"]["value"] > 0.8
    assert set(report["macro_f1_difference"]) == {"value", "low", "high"}
    assert len(out_of_fold(tmp_path)) == sum(len(coded) for coded in annomi)

    corpora = {"annomi": annomi, "authored": authored}
    checks = train_on_all(config, corpora, tmp_path, tmp_path / "final", tell=_silent, quiet=True)
    assert checks[-1].passed
    assert RuptureClassifier.load(tmp_path / "final").name == "tiny-1"

    raw = out_of_fold(tmp_path, file=UNCALIBRATED)
    (tmp_path / "fold-2" / "test-causal.npz").write_bytes(b"made from the old calibration")
    before = {
        path: path.read_bytes()
        for name in ("fold-1", "all")
        for path in sorted((tmp_path / name / "model").iterdir())
    }
    monkeypatch.setattr(fitting, "RUPTURE_TRUST", 0.4)
    recalibrate(tmp_path, annomi, tell=_silent)
    changed = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert changed == {"calibration.json", "decision.json"}
    assert not (tmp_path / "fold-2" / "test-causal.npz").exists()
    assert (out_of_fold(tmp_path, file=UNCALIBRATED).probabilities == raw.probabilities).all()
    again = Predictions.load(tmp_path / "fold-1" / "test.npz")
    fold_model = RuptureClassifier.load(tmp_path / "fold-1" / "model")
    assert (again.probabilities == collect(fold_model, split(annomi, 1)[2]).probabilities).all()

    other = dataclasses.replace(config, seed=99)
    with pytest.raises(ConfigError, match="choose another output folder"):
        crossvalidate(other, annomi, {"authored": authored}, tmp_path, tell=_silent)
    with pytest.raises(ConfigError, match="of this recipe"):
        train_on_all(other, corpora, tmp_path, tmp_path / "final", tell=_silent)


def test_a_form_is_refused_by_its_mean_over_folds_not_by_one_turn(tmp_path: Path) -> None:
    def check(form: str, difference: float, agreement: float) -> dict[str, Any]:
        return {"form": form, "f1_difference": difference, "rupture_agreement": agreement}

    for fold in range(5):
        folder = tmp_path / f"fold-{fold}"
        folder.mkdir()
        checks = [
            check("int8", 0.02, 0.9),
            check("weights8", 0.012 if fold == 2 else 0.003, 0.98),
            check("other", 0.0, 0.94),
        ]
        (folder / "fold.json").write_text(json.dumps({"export": checks}), encoding="utf-8")
    assert refused_forms(tmp_path) == {"int8", "other"}
