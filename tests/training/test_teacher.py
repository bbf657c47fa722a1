"""Teachers: only networks that never saw the student's test and dev folds may teach it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import MARKER_ORDER, Marker
from alliance.model.errors import ConfigError, InputError
from alliance.model.session import Session, Turn
from alliance.serve.main import app
from alliance.training import crossvalidation
from alliance.training.config import LossConfig, StageConfig, TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.crossvalidation import crossvalidate, shared_stages, split
from alliance.training.evaluation.predictions import collect
from alliance.training.run import train_on_all
from alliance.training.targets import code_targets, taught_targets
from alliance.training.teacher import all_models, check_wanted, fold_models, teach

Make = Callable[..., list[CodedSession]]
STUB = Path(__file__).parents[1] / "data" / "stub_model"


def _silent(line: str) -> None:
    pass


@pytest.fixture
def teacher(tmp_path: Path, coded_sessions: Make) -> Path:
    """A finished cross-validation whose every network is the stub."""
    folder = tmp_path / "teacher"
    sessions = coded_sessions(10, folds=5)
    for fold in range(5):
        place = folder / f"fold-{fold}"
        place.mkdir(parents=True)
        (place / "model").symlink_to(STUB)
        (place / "fold.json").write_text("{}", encoding="utf-8")
        test = split(sessions, fold)[2]
        collect(RuptureClassifier.load(STUB), test).save(place / "test.npz")
    (folder / "all").mkdir()
    (folder / "all" / "model").symlink_to(STUB)
    (folder / "config.json").write_text(json.dumps({"name": "big-1"}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("fold", range(5))
def test_a_folds_student_gets_that_folds_network(
    fold: int, teacher: Path, coded_sessions: Make
) -> None:
    _, dev, test = split(coded_sessions(10, folds=5), fold)
    held = {fold: test, (fold + 1) % 5: dev}
    models = fold_models([teacher, teacher], fold, held=held)
    assert models == [teacher / f"fold-{fold}" / "model"] * 2


@pytest.mark.parametrize("other", [4, 0])
def test_a_teacher_with_other_folds_is_refused(
    other: int, teacher: Path, coded_sessions: Make
) -> None:
    _, dev, test = split(coded_sessions(10, folds=5), 4)
    held = {4: test, 0: dev}
    held[other] = [*held[other], *coded_sessions(1, first=70)]
    with pytest.raises(ConfigError, match=f"fold {other} differs in 1 sessions"):
        fold_models([teacher], 4, held=held)


def test_an_unfinished_teacher_is_refused(teacher: Path, coded_sessions: Make) -> None:
    _, dev, test = split(coded_sessions(10, folds=5), 2)
    (teacher / "fold-3" / "fold.json").unlink()
    with pytest.raises(ConfigError, match="whose fold 3 is finished"):
        fold_models([teacher], 2, held={2: test, 3: dev})
    (teacher / "all" / "model").unlink()
    with pytest.raises(ConfigError, match="trained on all folds, found none"):
        all_models([teacher])


def _spoken(sessions: list[CodedSession], folder: Path, *models: Path) -> list[np.ndarray]:
    return teach(list(models) or [STUB], {"own": sessions}, folder, tell=_silent)["own"]


def test_what_a_teacher_says_is_kept_without_words_and_not_asked_twice(
    coded_sessions: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = coded_sessions(3)
    said = _spoken(sessions, tmp_path)
    assert [one.shape for one in said] == [(len(coded), 21) for coded in sessions]
    assert all(one.sum(axis=1) == pytest.approx(1, abs=1e-5) for one in said)
    (file,) = tmp_path.iterdir()
    with np.load(file) as stored:
        assert set(stored.files) == {"format", "model", "session_ids", "turns", "shares"}
        assert all(stored[name].dtype.kind != "U" for name in ("turns", "shares"))
    monkeypatch.setattr(RuptureClassifier, "load", None)  # whoever asks again fails
    for first, again in zip(said, _spoken(sessions, tmp_path), strict=True):
        assert np.array_equal(first, again)


def test_the_word_of_another_model_or_on_other_sessions_is_refused(
    coded_sessions: Make, tmp_path: Path
) -> None:
    _spoken(coded_sessions(2), tmp_path / "kept")
    with pytest.raises(ConfigError, match="other sessions'"):
        _spoken(coded_sessions(3), tmp_path / "kept")
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.onnx").write_bytes(b"another network")
    with pytest.raises(ConfigError, match="another teacher's"):
        _spoken(coded_sessions(2), tmp_path / "kept", other)
    (tmp_path / "kept" / "own-1.npz").write_bytes(b"cut off")
    with pytest.raises(InputError, match="delete the file"):
        _spoken(coded_sessions(2), tmp_path / "kept")
    with pytest.raises(ConfigError, match="check --teacher"):
        _spoken(coded_sessions(2), tmp_path / "kept", tmp_path / "absent")


def test_several_teachers_give_their_mean(
    coded_sessions: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = coded_sessions(2)
    models = []
    for number in range(3):
        models.append(tmp_path / f"model-{number}")
        models[-1].mkdir()
        (models[-1] / "model.onnx").write_bytes(b"%d" % number)
    said = {
        path: np.random.default_rng(n).dirichlet(np.ones(21), 24) for n, path in enumerate(models)
    }

    class _Made:
        def __init__(self, path: Path) -> None:
            self._said = said[path]

        def score(self, session: Session) -> Any:
            class _Scores:
                logits = np.log(self._said)

            return _Scores

    monkeypatch.setattr(RuptureClassifier, "load", lambda path, threads: _Made(path))
    mean = _spoken(sessions, tmp_path / "kept", *models)
    # Codes that a role cannot carry have no share, so compare with each teacher's word alone.
    alone = [_spoken(sessions, tmp_path / f"kept-{n}", model)[1] for n, model in enumerate(models)]
    assert mean[1] == pytest.approx(np.mean(alone, axis=0), abs=1e-6)


def test_targets_take_the_teachers_share_only_where_there_is_a_code() -> None:
    turns = (Turn("client", "dunno"), Turn("client", "well"), Turn("client", "[pause]"))
    codes = (Marker.W2, None, Marker.N)
    coded = CodedSession(Session("s", turns), codes, codes, codes)
    targets = code_targets(coded, settled_share=1.0)
    heard = np.zeros((3, 21), dtype=np.float32)
    heard[:, MARKER_ORDER.index(Marker.N)] = 1
    mixed = taught_targets(coded, targets, heard, teacher_share=0.25)
    assert mixed[0, MARKER_ORDER.index(Marker.W2)] == 0.75
    assert mixed[0, MARKER_ORDER.index(Marker.N)] == 0.25
    assert not mixed[1:].any()
    assert targets[0, MARKER_ORDER.index(Marker.W2)] == 1  # left as it was


def test_a_turn_given_to_the_other_speaker_keeps_what_the_teacher_heard_of_its_label() -> None:
    turns = (Turn("therapist", "dunno"),)  # the client said it; transcription swapped the roles
    coded = CodedSession(Session("s", turns), (Marker.WT,), (Marker.WT,), (Marker.WT,))
    heard = np.zeros((1, 21), dtype=np.float32)
    heard[0, MARKER_ORDER.index(Marker.W2)] = 0.5
    heard[0, MARKER_ORDER.index(Marker.C2)] = 0.25
    heard[0, MARKER_ORDER.index(Marker.N)] = 0.25
    targets = code_targets(coded, settled_share=1.0)
    (row,) = taught_targets(coded, targets, heard, teacher_share=1.0)
    shares = {MARKER_ORDER[place]: row[place] for place in np.flatnonzero(row)}
    assert shares == {Marker.WT: 0.5, Marker.CT: 0.25, Marker.N: 0.25}


def _asking(config: TrainingConfig, share: float) -> TrainingConfig:
    return dataclasses.replace(config, loss=dataclasses.replace(config.loss, teacher_share=share))


def test_recipe_and_teachers_must_agree(
    tiny_config: TrainingConfig, teacher: Path, tmp_path: Path
) -> None:
    check_wanted(tiny_config, [])
    check_wanted(_asking(tiny_config, 0.5), [teacher])
    with pytest.raises(ConfigError, match="needs a teacher, found none"):
        check_wanted(_asking(tiny_config, 0.5), [])
    with pytest.raises(ConfigError, match="learns nothing from it"):
        check_wanted(tiny_config, [teacher])
    with pytest.raises(ConfigError, match="found no recipe in it"):
        check_wanted(_asking(tiny_config, 0.5), [tmp_path])
    with pytest.raises(ConfigError, match="teacher_share lies between 0 and 1"):
        LossConfig(teacher_share=1.5)


def test_stages_with_teachers_are_not_shared_by_folds() -> None:
    own, annomi = {"authored": 1.0}, {"annomi": 1.0}
    stages = (
        StageConfig(shares=own, taught=False),
        StageConfig(shares=own),
        StageConfig(shares=annomi),
    )
    config = TrainingConfig(stages=stages)
    assert shared_stages(config, taught=False) == 2
    assert shared_stages(config, taught=True) == 1


def test_a_student_learns_what_its_teacher_says_not_what_is_coded(
    tiny_config: TrainingConfig,
    coded_sessions: Make,
    teacher: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annomi, authored = coded_sessions(10, folds=5), coded_sessions(4, first=50)
    stage = dataclasses.replace(
        tiny_config.stages[0],
        shares={"annomi": 1.0, "authored": 1.0, "quiet": 1.0},
        disturbed_share=0.5,
    )
    config = dataclasses.replace(
        _asking(tiny_config, 1.0), stages=(stage,), untaught=("quiet",), quantise="none"
    )
    seen: list[Any] = []
    train = crossvalidation.train_network

    def watching(config: Any, corpora: Any, dev: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append((corpora, kwargs["taught"]))
        return train(config, corpora, dev, *args, **kwargs)

    monkeypatch.setattr(crossvalidation, "train_network", watching)

    def run(folder: str, **options: Any) -> Any:
        own = {name: coded_sessions(1, first=90) for name in ("everyday", "quiet")}
        own["authored"] = authored
        return crossvalidate(
            config, annomi, own, tmp_path / folder, folds=[1], tell=_silent, quiet=True, **options
        )

    assert run("student", teachers=[teacher]) is None
    ((corpora, taught),) = seen
    assert set(taught) == {"annomi", "authored"}  # no stage draws from one of the rest
    assert {coded.fold for coded in corpora["annomi"]} == {0, 3, 4}
    assert [len(said) for said in taught["annomi"]] == [len(coded) for coded in corpora["annomi"]]
    kept = {path.name for path in (tmp_path / "student" / "fold-1" / "teacher").iterdir()}
    assert kept == {"annomi-1.npz", "authored-1.npz"}

    with pytest.raises(ConfigError, match="begun with, found others"):
        run("student", teachers=[teacher, teacher])
    with pytest.raises(ConfigError, match="needs a teacher"):
        run("student")


def test_a_student_of_all_folds_has_teachers_of_all_folds(
    tiny_config: TrainingConfig, coded_sessions: Make, teacher: Path, tmp_path: Path
) -> None:
    annomi, authored = coded_sessions(10, folds=5), coded_sessions(2, first=50)
    stage = dataclasses.replace(tiny_config.stages[0], shares={"annomi": 1.0}, epochs=1)
    config = dataclasses.replace(_asking(tiny_config, 0.5), stages=(stage,), quantise="none")
    cv, corpora = tmp_path / "cv", {"annomi": annomi, "authored": authored}
    options: dict[str, Any] = {"tell": _silent, "quiet": True, "teachers": [teacher]}
    crossvalidate(config, annomi, {"authored": authored}, cv, resamples=20, **options)
    train_on_all(config, corpora, cv, tmp_path / "model", **options)
    assert (cv / "all" / "teacher" / "annomi-1.npz").is_file()
    assert all_models([cv]) == [cv / "all" / "model"]  # it can teach in its turn
    assert RuptureClassifier.load(cv / "all" / "model").name == "tiny-1"
    with pytest.raises(ConfigError, match="begun with, found others"):
        train_on_all(
            config, corpora, cv, tmp_path / "model", **{**options, "teachers": [teacher] * 2}
        )


def test_training_with_sessions_held_out_takes_no_teacher(teacher: Path) -> None:
    result = CliRunner().invoke(app, ["train", "--teacher", str(teacher)])
    assert result.exit_code == 2
    assert "need --crossvalidation, whose folds keep them apart" in result.stderr
