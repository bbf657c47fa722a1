"""Outside criteria, on made-up sessions and ratings."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alliance.model.errors import TranscriptError
from alliance.training.evaluation.outside import criterion, quality_figures, rating_figures
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.ratings import read_ratings

metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn ([train])")

Draw = Callable[..., Predictions]


def test_the_area_is_that_of_scikit_learn_and_differences_are_paired() -> None:
    random = np.random.default_rng(0)
    groups = random.integers(30, size=200)
    outcome = random.random(200) < 0.3
    good = outcome + random.normal(size=200)
    scores = {"good": good, "the same": 2 * good + 7, "noise": random.normal(size=200)}
    found = criterion(scores, outcome, groups, reference="good", resamples=200)
    assert (found["units"], found["groups"], found["left_out"]) == (200, 30, 0)
    assert found["positive"] == outcome.sum()
    for name, values in scores.items():
        area = metrics.roc_auc_score(outcome, values)
        one = found["scores"][name]
        assert one["auc"]["value"] == pytest.approx(area, abs=1e-6)
        assert one["auc"]["low"] < area < one["auc"]["high"]
    assert "difference" not in found["scores"]["good"]
    # Paired: what ranks alike differs by nothing, in every resample.
    assert found["scores"]["the same"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["scores"]["noise"]["difference"]["high"] < 0


def test_whole_groups_are_drawn() -> None:
    outcome = np.tile([False, True], 40)
    score = outcome + np.random.default_rng(1).normal(size=80)
    alone = criterion({"x": score}, outcome, np.arange(80), resamples=400)
    pairs = [value for value in score for _ in range(8)]
    eightfold = criterion(
        {"x": np.array(pairs)}, outcome.repeat(8), np.arange(80).repeat(8), resamples=400
    )
    assert eightfold["units"] == 640
    # Eight copies of each unit in its own group say no more than one does.
    assert eightfold["scores"] == alone["scores"]


def test_all_scores_are_compared_on_the_same_units() -> None:
    gap, unknown = np.array([np.nan, 1, 0, 1]), np.full(4, np.nan)
    outcome = np.array([True, True, False, True])
    found = criterion(
        {"whole": np.array([-9.0, 1, 0, 1]), "gap": gap, "unknown": unknown}, outcome, [*"abcd"]
    )
    assert (found["units"], found["left_out"], found["positive"]) == (3, 1, 2)
    assert found["scores"]["whole"]["auc"]["value"] == 1.0
    assert "unknown" not in found["scores"]
    assert criterion({"unknown": unknown}, outcome, [*"abcd"])["scores"] == {}
    with pytest.raises(ValueError, match=r"for each unit, found 4 \(gap\), 3 and 4"):
        criterion({"gap": gap}, outcome[:3], [*"abcd"])


SESSIONS = {
    "low1": "tCC cWW tNN cNN",
    "low2": "tCC cNC tNN cWW tNP cNN",
    "high1": "tPP cPP tNN cNN",
    "high2": "tPP cNN tPP cNN tPP cPP tNN cNW",
    "unrated": "tNN cNN",
}
QUALITY = {name: name[:-1] for name in SESSIONS if name != "unrated"}


def test_rupture_share_against_quality_by_speaker(sketch_predictions: Draw) -> None:
    found = quality_figures(sketch_predictions(SESSIONS), QUALITY, resamples=20)
    assert list(found["speakers"]) == ["client", "therapist", "pooled"]
    pooled = found["speakers"]["pooled"]
    assert (pooled["units"], pooled["positive"], pooled["groups"]) == (4, 2, 4)
    assert pooled["scores"]["settled"]["auc"]["value"] == 1.0
    assert pooled["scores"]["model"]["auc"]["value"] == 1.0
    assert pooled["scores"]["model"]["difference"]["value"] == 0.0
    assert pooled["scores"]["model_p"]["auc"]["value"] == 1.0
    assert pooled["scores"]["coder_a"]["auc"]["value"] == 1.0
    # Lengths 4 and 6 against 4 and 8: of four pairs two are shorter, one equal.
    assert pooled["scores"]["shorter"]["auc"]["value"] == pytest.approx(2.5 / 4)
    client = found["speakers"]["client"]["scores"]
    # Client turns called positive: 0 of 2 and 0 of 3, against 1 of 2 and 1 of 4.
    assert client["fewer_positive"]["auc"]["value"] == 1.0
    assert found["speakers"]["therapist"]["scores"]["fewer_positive"]["auc"]["value"] == 1.0


def test_rivals_and_unknown_coders(sketch_predictions: Draw) -> None:
    drawn = sketch_predictions(SESSIONS)
    blind = sketch_predictions(
        {name: words.replace("C ", "N ").replace("W ", "N ") for name, words in SESSIONS.items()}
    )
    uncoded = {name: " ".join(f"{w}/--" for w in SESSIONS[name].split()) for name in SESSIONS}
    found = quality_figures(drawn, QUALITY, rivals={"blind": blind}, resamples=20)
    rival = found["speakers"]["therapist"]["scores"]["rival blind"]
    assert rival["auc"]["value"] == 0.5
    assert rival["difference"]["value"] == -0.5
    assert "rival blind, p" in found["speakers"]["pooled"]["scores"]
    found = quality_figures(sketch_predictions(uncoded), QUALITY, resamples=5)
    assert "coder_a" not in found["speakers"]["pooled"]["scores"]
    fewer = sketch_predictions({"low1": SESSIONS["low1"]})
    with pytest.raises(ValueError, match="'blind' has no predictions on session low2"):
        quality_figures(drawn, QUALITY, rivals={"blind": fewer})


def test_an_abstained_turn_is_no_rupture_turn(sketch_predictions: Draw) -> None:
    unsure = sketch_predictions({"low1": "cWW? cNN", "high1": "cNN cNN"})
    found = quality_figures(unsure, QUALITY, resamples=5)["speakers"]["client"]["scores"]
    assert found["model"]["auc"]["value"] == 0.5
    assert found["model_p"]["auc"]["value"] == 1.0


def test_a_rating_is_held_against_the_five_turns_up_to_it(sketch_predictions: Draw) -> None:
    # The rupture is five turns before the one place and four before the other.
    drawn = sketch_predictions({"a": "cWW tNN cNN tNN cNN tNN cNN", "b": "tNN cNN"})
    ratings = {("a", 4): 2, ("a", 5): 3, ("b", 1): 5, ("elsewhere", 0): 1}
    found = rating_figures(drawn, ratings, resamples=20)
    assert found["window_turns"] == 5
    pooled = found["speakers"]["pooled"]
    assert (pooled["units"], pooled["positive"], pooled["groups"]) == (3, 1, 2)
    assert pooled["scores"]["settled"]["auc"]["value"] == 1.0
    assert pooled["scores"]["model"]["auc"]["value"] == 1.0
    assert "shorter" not in pooled["scores"]
    later = rating_figures(drawn, {("a", 5): 2, ("a", 6): 3}, resamples=5)
    assert later["speakers"]["pooled"]["scores"]["model"]["auc"]["value"] == 0.5
    # A rating of 3 is no bad one.
    assert rating_figures(drawn, {("a", 4): 3}, resamples=5)["speakers"]["client"]["positive"] == 0


def test_a_window_without_turns_of_the_speaker_is_left_out(sketch_predictions: Draw) -> None:
    drawn = sketch_predictions({"a": "cNN cWW tNN", "b": "cNN tNN"})
    ratings = {("a", 1): 1, ("a", 2): 1, ("b", 1): 4}
    speakers = rating_figures(drawn, ratings, resamples=5)["speakers"]
    assert [speakers[name]["units"] for name in speakers] == [3, 2, 3]
    assert [speakers[name]["left_out"] for name in speakers] == [0, 1, 0]


def session(name: str, feedback: list[object]) -> str:
    turns = [
        {"speaker": "client", "text": "well then", "code": "N"}
        | ({} if value is None else {"feedback": value})
        for value in feedback
    ]
    return json.dumps({"id": name, "turns": turns})


def test_ratings_are_read_by_session_and_turn(tmp_path: Path) -> None:
    path = tmp_path / "rated.jsonl"
    path.write_text(f"{session('a', [None, '4', 1])}\n\n{session('b', [5])}\n", encoding="utf-8")
    assert read_ratings(path) == {("a", 1): 4, ("a", 2): 1, ("b", 0): 5}
    path.write_text(session("a", [None, None]), encoding="utf-8")
    assert read_ratings(path) == {}


@pytest.mark.parametrize("value", [0, 6, "good", 2.5, True])
def test_another_rating_is_named_by_its_line_without_its_words(
    tmp_path: Path, value: object
) -> None:
    path = tmp_path / "rated.jsonl"
    path.write_text(f"{session('a', [3])}\n{session('b', [value])}\n", encoding="utf-8")
    with pytest.raises(TranscriptError, match=r"rated.jsonl:2.*of turn 0 .* 1 to 5") as error:
        read_ratings(path)
    assert "good" not in str(error.value)
