"""Reliability, risk against coverage, and groups of sessions."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from alliance.model.codebook import MARKER_ORDER, Marker
from alliance.serve.main import app
from alliance.training.corpora import CodedSession
from alliance.training.evaluation import figures as evaluation
from alliance.training.evaluation import tables
from alliance.training.evaluation.abstention import COVERAGES, abstention_figures
from alliance.training.evaluation.groups import OTHERS, group_figures, session_groups
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.reliability import reliability_figures

RUPTURE = (1, 2)
STUB = Path(__file__).parents[2] / "data" / "stub_model"


def predictions(*, turns: int = 4000, seed: int = 0, sharpened: float = 1.0) -> Predictions:
    """Turns whose labels are drawn from the probabilities, which are then sharpened."""
    random = np.random.default_rng(seed)
    true = random.dirichlet([0.5, 0.4, 0.4, 2.0], size=turns)
    gold = (true.cumsum(axis=1) > random.random((turns, 1))).argmax(axis=1)
    stated = true**sharpened
    stated /= stated.sum(axis=1, keepdims=True)
    code = np.array([MARKER_ORDER.index(Marker(code)) for code in ("PB", "W2", "C1", "N")])
    return Predictions(
        model="made",
        session_ids=tuple(f"s{i}" for i in range(20)),
        session=np.sort(random.integers(20, size=turns)),
        turn=np.arange(turns),
        role=random.integers(2, size=turns),
        gold=gold,
        coder_a=gold,
        coder_b=gold,
        probabilities=stated,
        predicted=stated.argmax(axis=1),
        abstained=np.zeros(turns, dtype=np.bool_),
        gold_marker=code[gold],
        predicted_marker=code[stated.argmax(axis=1)],
    )


# --- reliability


def test_probabilities_that_hold_lie_on_the_diagonal() -> None:
    good = reliability_figures(predictions(), resamples=40)
    assert good["likely_ruptures"]["largest_gap"] < 0.06
    over = reliability_figures(predictions(sharpened=3.0), resamples=40)
    assert over["likely_ruptures"]["largest_gap"] > 0.1
    for name in ("withdrawal", "neutral", "rupture"):
        for bin_ in good[name]["equal_mass"]:
            assert bin_["turns"] == pytest.approx(400, abs=1)
            assert bin_["observed"]["value"] == pytest.approx(bin_["predicted"], abs=0.08)
            assert bin_["observed"]["low"] < bin_["predicted"] + 0.05


def test_the_bins_hold_what_they_say() -> None:
    made = predictions(turns=900)
    found = reliability_figures(made, resamples=20)
    p, truth = made.probabilities[:, RUPTURE].sum(axis=1), np.isin(made.gold, RUPTURE)
    for number, bin_ in enumerate(found["rupture"]["equal_width"]):
        inside = (p >= number / 10) & (p < (number + 1) / 10)
        assert bin_["turns"] == inside.sum()
        assert bin_["predicted"] == pytest.approx(p[inside].mean(), abs=1e-6)
        assert bin_["observed"]["value"] == pytest.approx(truth[inside].mean(), abs=1e-6)
    likely = found["likely_ruptures"]
    assert likely["turns"] == (p >= 0.2).sum()
    order = np.argsort(p[p >= 0.2])
    gaps = [
        abs(p[p >= 0.2][part].mean() - truth[p >= 0.2][part].mean())
        for part in np.array_split(order, 5)
    ]
    assert likely["largest_gap"] == pytest.approx(max(gaps), abs=0.01)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_without_turns_there_is_no_curve() -> None:
    nothing = predictions().where(np.zeros(4000, dtype=np.bool_))
    found = reliability_figures(nothing, resamples=5)
    assert found["likely_ruptures"]["largest_gap"] is None
    assert found["likely_ruptures"]["bins"] == found["rupture"]["equal_mass"] == []
    assert {bin_["turns"] for bin_ in found["rupture"]["equal_width"]} == {0}
    assert abstention_figures(nothing, resamples=5)["at_80"]["macro_f1"]["f1"]["value"] is None


# --- risk against coverage


def test_certain_turns_are_right_more_often() -> None:
    made = predictions()
    found = abstention_figures(made, resamples=40)
    curve = found["curve"]
    assert [point["coverage"] for point in curve] == pytest.approx(COVERAGES, abs=0.002)
    values = [point["macro_f1"] for point in curve]
    assert values[3] > values[9] > values[-1]
    full = evaluation.figures(made, resamples=2)["speakers"]["pooled"]
    assert values[-1] == full["macro_f1"]["value"]
    at = found["at_80"]
    point = curve[COVERAGES.index(0.8)]
    assert (at["coverage"], at["macro_f1"]["f1"]["value"]) == (point["coverage"], point["macro_f1"])
    assert at["macro_f1"]["gain"]["low"] > 0
    for label, row in at["labels"].items():
        assert row["full"]["value"] == full["labels"][label]["f1"]["value"]
        assert row["kept"]["value"] == point["labels"][label]["kept"]
        assert row["kept"]["low"] < row["kept"]["value"] < row["kept"]["high"]
    kept = [point["labels"]["withdrawal"]["kept"] for point in curve]
    assert kept == sorted(kept)
    assert kept[-1] == 1.0


def test_another_certainty_draws_another_curve() -> None:
    made = predictions()
    right = (made.gold == made.predicted).astype(np.float64)
    oracle = abstention_figures(made, certainty=right, resamples=5)
    share = right.mean()
    first = oracle["curve"][0]
    # All that are right are equally certain: they are kept together, whatever was asked for.
    assert first["coverage"] == pytest.approx(share, abs=1e-6)
    assert first["macro_f1"] == 1.0
    recall = right[made.gold == 1].mean()
    assert first["labels"]["withdrawal"]["kept"] == pytest.approx(recall, abs=1e-6)


# --- groups of sessions


def test_a_group_has_the_figures_of_its_sessions() -> None:
    made = predictions(turns=900)
    quality = {f"s{i}": "low" if i < 6 else "high" for i in range(19)}  # s19 is not known
    found = group_figures(made, {"quality": quality, "nothing": {"t1": "x"}}, resamples=20)
    assert list(found) == ["quality"]
    assert list(found["quality"]) == ["high", "low"]
    chosen = np.flatnonzero(made.session < 6)
    alone = evaluation.figures(made.where(chosen), resamples=20)["speakers"]
    for name, block in found["quality"]["low"].items():
        assert (block["turns"], block["sessions"]) == (alone[name]["turns"], 6)
        for key in ("macro_f1", "kappa", "ac1"):
            assert block[key] == alone[name][key]
        for label, row in block["labels"].items():
            assert row == {key: alone[name]["labels"][label][key] for key in row}
    turns = [block["pooled"]["turns"] for block in found["quality"].values()]
    assert sum(turns) == (made.session < 19).sum()


def test_sessions_are_told_apart_by_facts_that_enough_share(
    coded_sessions: Callable[..., list[CodedSession]],
) -> None:
    styles = ["clean"] * 3 + ["chat"] * 3 + ["once"]
    sessions = [
        replace(coded, facts={"style": style, "client": str(place), "setting": "clinic"})
        for place, (coded, style) in enumerate(zip(coded_sessions(7), styles, strict=True))
    ]
    found = session_groups(sessions, least=3)
    # Every client is another, and all settings and series are the same.
    assert list(found) == ["style"]
    assert list(found["style"].values()) == [*styles[:6], OTHERS]
    assert session_groups(sessions, least=8) == {}
    renamed = [
        replace(coded, session=replace(coded.session, id=f"{'su'[place % 2]}{place:03}"))
        for place, coded in enumerate(sessions)
    ]
    series = session_groups(renamed, least=3)["series"]
    assert (series["s000"], series["u001"]) == ("s", "u")


# --- in the report


def test_the_report_holds_them_all_and_its_tables_too() -> None:
    made = predictions(turns=600)
    groups = {"quality": {f"s{i}": "low" if i < 6 else "high" for i in range(20)}}
    found = evaluation.figures(made, groups=groups, resamples=10)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for key in ("reliability", "risk_coverage"):
        assert list(found[key]) == ["client", "therapist", "pooled"]
    assert "groups" not in evaluation.figures(made, resamples=2)
    text = tables.markdown(found)
    for words in ("AC1", "AUROC", "80% of turns", "largest gap", "quality: high", "quality: low"):
        assert words in text
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1


def test_a_report_of_an_earlier_version_still_makes_its_tables() -> None:
    found = evaluation.figures(predictions(turns=300), resamples=5)
    for key in ("reliability", "risk_coverage"):
        del found[key]
    for block in found["speakers"].values():
        for key in ("ac1", "balanced_accuracy", "brier_skill", "coders_ac1"):
            del block[key]
        for label in block["labels"].values():
            del label["auroc"], label["brier_skill"]
    text = tables.markdown(found)
    assert "macro-F1" in text
    assert "AC1" not in text
    assert "AUROC" not in text


# --- the command


def test_evaluate_takes_causal_mode_and_poor_transcripts(
    tmp_path: Path,
    coded_sessions: Callable[..., list[CodedSession]],
    write_coded_lines: Callable[[Path, Sequence[CodedSession]], None],
) -> None:
    corpus = tmp_path / "mine.jsonl"
    write_coded_lines(corpus, coded_sessions(8))

    def report(*options: str) -> dict[str, Any]:
        out = tmp_path / "report.json"
        words = ["evaluate", str(STUB), str(corpus), "-o", str(out), "--resamples", "5", "-q"]
        result = CliRunner().invoke(app, [*words, *options])
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found

    plain, causal, poor = report(), report("--causal"), report("--disturb")
    assert (plain["mode"], plain["disturbed"], plain["model"]) == ("full", False, "stub-1")
    assert (causal["mode"], causal["model"]) == ("causal", "stub-1, causal")
    assert (poor["disturbed"], poor["model"]) == (True, "stub-1, on poor transcripts")
    # The stub's network looks at one token at a time: what follows makes no difference to it,
    # words misheard and roles swapped do.
    assert causal["speakers"] == plain["speakers"]
    worse, good = (one["speakers"]["pooled"] for one in (poor, plain))
    assert worse["macro_f1"]["value"] < good["macro_f1"]["value"]
    assert [row["support"] for row in worse["labels"].values()] == [
        row["support"] for row in good["labels"].values()
    ]
    assert report("--disturb") == poor
