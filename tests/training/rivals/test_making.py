"""Rivals on the splits of a cross-validation, without training a network."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="needs the [train] extra")

from alliance.model.agreement import Floats, Ints
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import LABELS, Label
from alliance.model.errors import ConfigError, InputError
from alliance.model.labelled import UnlabelledReason
from alliance.model.session import Session, Turn
from alliance.serve.main import app
from alliance.training.config import RECIPE, ImitationConfig, TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.embeddings import FrozenEncoder, embed_each
from alliance.training.evaluation.predictions import NONE, Predictions, collect
from alliance.training.rivals import frozen, sequence
from alliance.training.rivals import making as rivals
from alliance.training.rivals.making import RIVALS, decided, make_rivals
from alliance.training.rivals.plain import Majority
from alliance.training.rivals.shown import ShownTurns

Make = Callable[..., list[CodedSession]]

STUB = Path(__file__).parents[2] / "data" / "stub_model"


def _silent(line: str) -> None:
    pass


@pytest.fixture
def finished(tmp_path: Path, tiny_config: TrainingConfig) -> Path:
    """A folder as a cross-validation leaves it, with the stub as every fold's model."""
    folder = tmp_path / "cv"
    for fold in range(5):
        shutil.copytree(STUB, folder / f"fold-{fold}" / "model")
        (folder / f"fold-{fold}" / "fold.json").write_text("{}", encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(tiny_config.to_dict()), encoding="utf-8")
    return folder


# --- always the commonest label


def test_the_majority_is_that_of_the_training_sessions(coded_sessions: Make) -> None:
    sessions = coded_sessions(6)
    found = collect(Majority(sessions), sessions)
    assert (found.predicted == LABELS.index(Label.NEUTRAL)).all()
    shares = np.bincount(found.gold, minlength=4) / len(found)
    assert found.probabilities == pytest.approx(np.tile(shares, (len(found), 1)))
    with pytest.raises(ValueError, match="found none"):
        Majority([])


# --- our model, shown little


def test_a_turn_shown_alone_does_not_know_its_neighbours() -> None:
    model = RuptureClassifier.load(STUB)
    turns = (
        Turn("therapist", "You must go"),
        Turn("client", "[inaudible]"),
        Turn("client", "dunno, useless"),
        Turn("Mother", "hello"),
    )
    labelled = ShownTurns(model).label(Session("s", turns))
    assert labelled.turns[0].label == model.label(Session("x", turns[:1])).turns[0].label
    alone = model.label(Session("x", turns[2:3])).turns[0]
    assert labelled.turns[2] == dataclasses.replace(alone, index=2)
    reasons = [turn.unlabelled_reason for turn in labelled]
    assert reasons == [None, UnlabelledReason.NO_WORDS, None, UnlabelledReason.ROLE_OTHER]
    assert "shown one turn at a time" in labelled.model.name
    assert ShownTurns(model).label(Session("empty", ())).turns == ()


class _Recorder:
    """Labels with the stub, and remembers what it was shown."""

    name = "recorder"

    def __init__(self) -> None:
        self._model = RuptureClassifier.load(STUB)
        self.shown: list[list[str]] = []

    def label(self, session, **options):  # type: ignore[no-untyped-def]
        self.shown.append([turn.text for turn in session.turns])
        return self._model.label(session, **options)


def test_a_window_of_its_own_ends_with_the_turn() -> None:
    recorder = _Recorder()
    turns = tuple(Turn("client", f"word {number}") for number in range(6))
    labelled = ShownTurns(recorder, before=4).label(Session("s", turns))
    texts = [turn.text for turn in turns]
    assert recorder.shown == [texts[max(0, end - 5) : end] for end in range(1, 7)]
    assert [turn.index for turn in labelled] == list(range(6))
    assert labelled.model.name == "recorder, shown one turn and the 4 before it at a time"
    with pytest.raises(ValueError, match="0 or more, got -1"):
        ShownTurns(recorder, before=-1)


# --- frozen embeddings


def test_a_turns_embedding_is_read_with_its_neighbours(tiny_config: TrainingConfig) -> None:
    encoder = FrozenEncoder(tiny_config.encoder)
    long = tuple(Turn("client", "tuesday bus garden letter") for _ in range(40))
    rows = encoder(Session("s", long))
    assert rows.shape == (40, 32)
    assert np.isfinite(rows).all()
    assert np.abs(rows).sum(axis=1).min() > 0  # every turn is in a window
    alone = encoder(Session("t", long[:1]))
    assert not np.allclose(alone[0], rows[0], atol=1e-4)
    assert (encoder(Session("s", long)) == rows).all()
    assert encoder(Session("empty", ())).shape == (0, 32)


def test_what_the_model_learnt_to_imitate_is_not_read_again() -> None:
    plain = TrainingConfig.from_file(RECIPE)
    imitating = TrainingConfig.from_file(RECIPE.with_name("student.toml"))
    other = dataclasses.replace(imitating, imitation=ImitationConfig(layers=(1, 2)))
    found = [rivals._imitated(Path("cv"), config) for config in (plain, imitating, other)]
    assert found == [None, Path("cv/imitated"), None]


def test_the_regression_on_embeddings_learns_labels(
    tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    train, test = coded_sessions(12), coded_sessions(4, first=50)
    whole = [coded.session for coded in (*train, *test)]
    embeddings = embed_each(tiny_config.encoder, whole, tmp_path / "states")
    found = collect(frozen.fit(train, embeddings, inverse_penalty=0.1), test)
    assert (found.predicted == found.gold).mean() > 0.9
    assert found.model == "frozen embeddings + logistic regression"


# --- all of them, on the splits


def test_probabilities_are_calibrated_and_decided_on_development_turns(
    coded_sessions: Make,
) -> None:
    sessions = coded_sessions(10)
    raw, dev = (
        collect(RuptureClassifier.load(STUB), part) for part in (sessions[:5], sessions[5:])
    )
    # A rival that is sure of the wrong label: what dev turns say must turn it round.
    wrong = (raw.gold + 1) % 4

    def sure(of: Ints) -> Floats:
        rows: Floats = np.full((len(of), 4), 0.1) + 0.6 * np.eye(4)[of]
        return rows

    flat = dataclasses.replace(dev, probabilities=sure(dev.gold))
    found = decided(dataclasses.replace(raw, probabilities=sure(raw.gold)), flat)
    assert (found.predicted == raw.gold).all()
    assert found.probabilities[np.arange(len(raw)), raw.gold].min() > 0.7  # surer than it was
    assert (found.predicted_marker == NONE).all()
    doubtful = decided(
        dataclasses.replace(raw, probabilities=sure(wrong)),
        dataclasses.replace(dev, probabilities=sure((dev.gold + 1) % 4)),
    )
    assert doubtful.probabilities.max(axis=1).mean() < 0.7


def test_rivals_are_made_once_on_the_folds_they_are_tested_on(
    finished: Path,
    coded_sessions: Make,
    tiny_config: TrainingConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annomi, own = coded_sessions(10, folds=5), {"authored": coded_sessions(6, first=50)}
    monkeypatch.setattr(frozen, "INVERSE_PENALTIES", (0.1,))  # one is enough here
    folds: list[rivals.Fold] = []

    def watching(rival: rivals.Rival) -> rivals.Rival:
        def predict(fold: rivals.Fold) -> Predictions:
            folds.append(fold)
            return rival.predict(fold)

        return dataclasses.replace(rival, predict=predict)

    # In place of mpnet, which is not at hand everywhere.
    small = dataclasses.replace(sequence.Settings(), draws=1, first_epochs=1, epochs=2, width=16)
    monkeypatch.setattr(sequence, "Settings", lambda: small)
    monkeypatch.setattr(sequence, "ENCODER", tiny_config.encoder)
    monkeypatch.setattr(sequence, "LAYERS", (0, 1))
    monkeypatch.setattr(rivals, "find_base", lambda base: base)
    watched = [watching(rival) for rival in RIVALS]
    monkeypatch.setattr(rivals, "RIVALS", tuple(watched))
    out = tmp_path / "rivals"
    made = make_rivals(finished, annomi, own, out, threads=1, tell=_silent)
    assert list(made) == ["majority", "tfidf", "frozen", "one-turn", "own-window", "sequence"]
    assert len(folds) == 30
    for fold in folds:
        seen = [{coded.id for coded in part} for part in (fold.train, fold.dev, fold.test)]
        assert not seen[0] & (seen[1] | seen[2])
        assert not seen[1] & seen[2]
        assert {coded.fold for coded in fold.test} == {fold.number}
        assert len(fold.train) == 6 + 6
        assert fold.model == finished / f"fold-{fold.number}" / "model"
    for rival in RIVALS:
        found = made[rival.key]
        assert found.model == rival.name
        assert len(found) == sum(len(coded) for coded in annomi)
    right = {key: (found.predicted == found.gold).mean() for key, found in made.items()}
    assert right["tfidf"] > 0.95
    assert right["frozen"] > right["majority"]

    # A run that was killed does what is missing, and only that.
    (out / "tfidf" / "fold-3.npz").unlink()
    folds.clear()
    again = make_rivals(finished, annomi, own, out, threads=1, tell=_silent)
    assert [fold.number for fold in folds] == [3]
    assert (again["tfidf"].predicted == made["tfidf"].predicted).all()


def test_a_rival_whose_encoder_is_not_at_hand_is_left_out(
    finished: Path, coded_sessions: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(base: str) -> str:
        raise ConfigError(f"{base} needs 5 wheels")

    monkeypatch.setattr(rivals, "find_base", missing)
    monkeypatch.setattr(rivals, "RIVALS", (RIVALS[0], RIVALS[-1]))
    annomi, own = coded_sessions(10, folds=5), {"authored": coded_sessions(2, first=50)}
    told: list[str] = []
    made = make_rivals(finished, annomi, own, tmp_path / "out", tell=told.append)
    assert list(made) == ["majority"]
    assert told[-1].startswith("left out: mpnet")
    assert "needs 5 wheels" in told[-1]
    with pytest.raises(ConfigError, match="needs 5 wheels"):
        make_rivals(finished, annomi, own, tmp_path / "out", only=["sequence"], tell=_silent)


def test_what_is_not_there_is_said(
    finished: Path, coded_sessions: Make, tmp_path: Path, tiny_config: TrainingConfig
) -> None:
    annomi, own = coded_sessions(10, folds=5), {"authored": coded_sessions(2, first=50)}

    def run(*only: str) -> None:
        make_rivals(finished, annomi, own, tmp_path / "out", only=only or None, tell=_silent)

    with pytest.raises(ConfigError, match=r"expected a rival of majority, tfidf.*found 'random'"):
        run("random")
    run("majority")
    other = dataclasses.replace(tiny_config, seed=99)
    (finished / "config.json").write_text(json.dumps(other.to_dict()), encoding="utf-8")
    with pytest.raises(ConfigError, match="choose another output folder"):
        run("majority")
    (finished / "fold-3" / "fold.json").unlink()
    with pytest.raises(InputError, match="found no fold 3; run alliance crossvalidate first"):
        run("majority")
    (finished / "config.json").unlink()
    with pytest.raises(InputError, match="expected a finished cross-validation"):
        run("majority")


def test_the_command_sets_rivals_beside_the_model(
    finished: Path, coded_sessions: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annomi, own = coded_sessions(10, folds=5), coded_sessions(3, first=50)
    monkeypatch.setattr(
        "alliance.training.corpora.load",
        lambda name, annomi_file=None: annomi if name == "annomi" else own,
    )
    quality = {coded.id: ("low", "high")[number % 2] for number, coded in enumerate(annomi)}
    monkeypatch.setattr("alliance.training.corpora.annomi_quality", lambda path: quality)
    model = RuptureClassifier.load(STUB)
    for fold in range(5):
        tested = [coded for coded in annomi if coded.fold == fold]
        collect(model, tested).save(finished / f"fold-{fold}" / "test.npz")
    out = tmp_path / "rivals"
    words = ["rivals", "--crossvalidation", finished, "-o", out, "--threads", "1", "--quiet"]
    words += ["--only", "majority", "--only", "tfidf", "--resamples", "20"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    assert "| TF-IDF + logistic regression |" in result.stdout
    assert "Outside criterion" in result.stdout
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    models = report["rivals"]["speakers"]["pooled"]["models"]
    assert list(models) == ["model", "majority", "tfidf"]
    assert models["tfidf"]["macro_f1"]["value"] > models["majority"]["macro_f1"]["value"]
    assert "rival tfidf" in report["quality"]["speakers"]["client"]["scores"]
