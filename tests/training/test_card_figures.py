"""Every figure of the card, with the stub as every fold's model."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the [train] extra")

from typer.testing import CliRunner

from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import InputError
from alliance.serve.main import app
from alliance.training import corpora
from alliance.training.card_figures import card_figures, outside_figures
from alliance.training.cards import fill_cards
from alliance.training.config import TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.crossvalidation import UNCALIBRATED_CAUSAL
from alliance.training.evaluation.judged import judged_markdown
from alliance.training.evaluation.predictions import Predictions, collect
from alliance.training.rivals.making import RIVALS
from alliance.training.rules import uncalibrated

Make = Callable[..., list[CodedSession]]
Write = Callable[[Path, Sequence[CodedSession]], None]

STUB = Path(__file__).parents[1] / "data" / "stub_model"
PARTS = ("judged", "turns", "groups", "sessions", "rivals", "modes", "explanations", "cost")


def _silent(line: str) -> None:
    pass


@pytest.fixture
def finished(tmp_path: Path, tiny_config: TrainingConfig, coded_sessions: Make) -> Path:
    """A folder as a cross-validation leaves it."""
    folder = tmp_path / "cv"
    model = RuptureClassifier.load(STUB)
    sessions = coded_sessions(15, folds=5)
    for fold in range(5):
        place = folder / f"fold-{fold}"
        shutil.copytree(STUB, place / "model")
        (place / "fold.json").write_text(
            json.dumps({"fold": fold, "minutes": 1.5, "peak_memory_mb": 100.0}), encoding="utf-8"
        )
        collect(model, [s for s in sessions if s.fold == fold]).save(place / "test.npz")
    (folder / "config.json").write_text(json.dumps(tiny_config.to_dict()), encoding="utf-8")
    return folder


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed is measured in another process, on the real corpus: not here."""
    made = {
        "model": "stub-1", "sessions": 3, "turns": 72, "seconds": 1.0, "threads": 1,
        "peak_memory_mb": 90.0,
    }  # fmt: skip
    monkeypatch.setattr(
        "alliance.training.card_figures.labelling_speed", lambda *_args, **_more: made
    )


@pytest.fixture
def report(finished: Path, coded_sessions: Make, measured: None) -> dict[str, Any]:
    return _make(finished, coded_sessions, tell=_silent)


def _make(folder: Path, make: Make, tell: Callable[[str], None]) -> dict[str, Any]:
    sessions = make(15, folds=5)
    quality = {coded.id: ("low", "high")[place % 2] for place, coded in enumerate(sessions)}
    return card_figures(
        folder,
        sessions,
        {"authored": make(4, first=100)},
        quality,
        shipped=STUB,
        rivals=["majority", "tfidf"],
        threads=1,
        resamples=10,
        tell=tell,
    )


def test_every_part_is_made_once(finished: Path, coded_sessions: Make, measured: None) -> None:
    told: list[str] = []
    first = _make(finished, coded_sessions, tell=told.append)
    assert len([line for line in told if "fold" in line]) >= 15
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    told.clear()
    second = _make(finished, coded_sessions, tell=told.append)
    assert told == ["figures"]
    for part in (first, second):
        part["cost"].pop("figures")
    assert second == first
    # A kill in the middle costs the part that was being made.
    (finished / "fold-3" / "test-causal.npz").unlink()
    _make(finished, coded_sessions, tell=told.append)
    assert "causal mode: fold 3" in told
    assert len(told) == 3


def test_causal_labels_that_wait_for_their_calibration_are_not_made_anew(
    finished: Path, coded_sessions: Make, measured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(finished, coded_sessions, tell=_silent)
    labelled = Predictions.load(finished / "fold-2" / "test-causal.npz")
    (finished / "fold-2" / "test-causal.npz").unlink()
    test = [coded for coded in coded_sessions(15, folds=5) if coded.fold == 2]
    uncalibrated(STUB, test, causal=True).save(finished / "fold-2" / UNCALIBRATED_CAUSAL)
    monkeypatch.setattr("alliance.training.card_figures.collect", None)  # whoever labels now fails
    _make(finished, coded_sessions, tell=_silent)
    decided = Predictions.load(finished / "fold-2" / "test-causal.npz")
    assert decided.probabilities == pytest.approx(labelled.probabilities, abs=1e-6)
    assert (decided.predicted == labelled.predicted).all()
    assert (decided.abstained == labelled.abstained).all()


def test_modes_are_held_against_the_full_one(report: dict[str, Any]) -> None:
    full = report["network"]["speakers"]["pooled"]["macro_f1"]["value"]
    for mode in ("causal", "disturbed"):
        block = report["modes"][mode]
        minus = block["minus_full"]["pooled"]["macro_f1"]["value"]
        other = block["speakers"]["pooled"]["macro_f1"]["value"]
        assert other - full == pytest.approx(minus, abs=1e-5)
    # The sessions' codes follow from their words, which poor transcripts lose.
    assert report["modes"]["disturbed"]["minus_full"]["pooled"]["macro_f1"]["value"] != 0


def test_the_report_holds_no_words(report: dict[str, Any], coded_sessions: Make) -> None:
    text = json.dumps(report)
    turns = [turn.text for coded in coded_sessions(15, folds=5) for turn in coded.session.turns]
    assert not [words for words in turns if words in text]


def test_a_card_is_filled_part_by_part(report: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "cv.json").write_text(json.dumps(report), encoding="utf-8")
    card = tmp_path / "card.md"
    card.write_text(
        "".join(f"<!-- figures: cv/{part} -->\n<!-- end -->\n\n" for part in (*PARTS, "no"))
        + "<!-- figures: cv -->\n<!-- end -->\n",
        encoding="utf-8",
    )
    filled = fill_cards(tmp_path)
    assert filled.left == ("card.md: cv/no",)
    text = card.read_text(encoding="utf-8")
    assert "| AnnoMI out of fold, macro-F1 | ≥ .58 |" in text
    assert "low quality by AnnoMI's experts" in text
    assert f"{RIVALS[1].name}, mean probability" in text
    assert "labels 72 turns of 3 sessions in 1 s" in text
    assert "fall, named" in text
    assert "None" not in text
    assert "nan" not in text.lower().replace("finances", "").split()


def test_criteria_say_whether_they_are_reached(report: dict[str, Any]) -> None:
    def row(start: str) -> list[str]:
        lines = judged_markdown(report).splitlines()
        return [c.strip() for c in next(x for x in lines if start in x).split("|")[1:-1]]

    report["network"]["speakers"]["client"]["labels"]["withdrawal"]["f1"] = {
        "value": 0.42, "low": 0.3, "high": 0.5,
    }  # fmt: skip
    assert row("client, F1 of withdrawal")[3:] == [".42 [.30, .50]", "yes"]
    report["network"]["reliability"]["pooled"]["likely_ruptures"]["largest_gap"] = 0.08
    assert row("largest gap")[1:] == ["≤ .07", ".03", ".08", "**no**"]
    minus = report["modes"]["causal"]["minus_full"]["pooled"]
    minus["macro_f1"] = {"value": -0.05, "low": -0.07, "high": -0.01}
    assert row("until then")[1:] == ["≥ -.04", ".00", "-.05 [-.07, -.01]", "**no**"]
    model = report["network"]["sessions_level"]["quality"]["speakers"]["pooled"]["scores"]["model"]
    model["difference"] = {"value": -0.1, "low": -0.2, "high": -0.01}
    assert row("AnnoMI's experts, pooled")[4] == "**no**"
    model["difference"]["high"] = 0.01
    assert row("AnnoMI's experts, pooled")[4] == "yes"
    assert "a larger model" not in judged_markdown(report)
    models = report["rivals"]["speakers"]["pooled"]["models"]
    models["sequence"] = {"macro_f1": {"value": 0.61, "low": 0.5, "high": 0.7}}
    assert row("a larger model")[1:] == ["≥ .62", "", ".61 [.50, .70]", "**no**"]
    report["shipped"]["megabytes"] = 31.0
    assert row("size of the shipped file")[3:] == ["31.0 MB", "**no**"]


def test_another_corpus_is_scored_beside_its_rivals(
    finished: Path, report: dict[str, Any], coded_sessions: Make
) -> None:
    sessions = coded_sessions(4, first=50)
    ratings = {(coded.id, 10): 1 + place for place, coded in enumerate(sessions)}
    made = outside_figures(
        finished,
        sessions,
        ratings,
        coded_sessions(15, folds=5),
        {},
        corpus="elsewhere",
        shipped=STUB,
        threads=1,
        resamples=5,
        tell=_silent,
    )
    assert set(made["rivals"]["speakers"]["pooled"]["models"]) == {"model", "majority", "tfidf"}
    text = judged_markdown(report, made)
    assert "| elsewhere, macro-F1 | ≥ .45 | .70 |" in text
    assert "seekers' ratings, pooled" in text


def test_an_unfinished_crossvalidation_is_refused(finished: Path, coded_sessions: Make) -> None:
    (finished / "fold-2" / "fold.json").unlink()
    with pytest.raises(InputError, match="found no fold 2"):
        _make(finished, coded_sessions, tell=_silent)


def test_the_command_scores_the_other_corpus_once(
    finished: Path,
    tmp_path: Path,
    coded_sessions: Make,
    write_coded_lines: Write,
    measured: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = coded_sessions(15, folds=5)
    load = corpora.load
    monkeypatch.setattr(
        corpora,
        "load",
        lambda name, **more: (
            made if name == "annomi" else made[:4] if name == "authored" else load(name, **more)
        ),
    )
    monkeypatch.setattr(corpora, "annomi_quality", lambda _file: {made[0].id: "low"})
    other = tmp_path / "other.jsonl"
    write_coded_lines(other, coded_sessions(3, first=60))
    arguments = ["figures", "--crossvalidation", str(finished), "-o", str(tmp_path / "out")]
    arguments += ["--model", str(STUB), "--rival", "tfidf", "--resamples", "5", "--threads", "1"]
    before = CliRunner().invoke(app, arguments)
    assert before.exit_code == 0, before.output
    assert not (tmp_path / "out" / "failed_esconv.json").exists()
    assert (finished / "report.html").is_file()
    turns = (tmp_path / "out" / "cross-validation-turns.csv").read_text(encoding="utf-8")
    scored = json.loads((tmp_path / "out" / "cross-validation.json").read_text(encoding="utf-8"))
    assert len(turns.splitlines()) == 1 + scored["network"]["speakers"]["pooled"]["turns"]
    arguments += ["--failed-esconv", str(other)]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("Add to the release log of data_cards/model.md: | RUN | stub-1")
    assert str(tmp_path) not in first.stdout
    second = CliRunner().invoke(app, arguments)
    assert second.stdout == ""
    assert "a release is scored once" in second.stderr
