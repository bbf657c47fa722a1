"""Episodes by the product's own rule, matched one to one."""

from collections.abc import Callable
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.codebook import Label
from alliance.model.episode_matching import Span, match_episodes
from alliance.model.labelled import LabelledSession, LabelledTurn, ModelInfo, Probabilities
from alliance.model.session import Session, Turn
from alliance.model.timeline import timeline
from alliance.training.evaluation.episode_scores import (
    NEAR_TURNS,
    episode_figures,
    spans,
)
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.session_counts import count_figures
from alliance.training.evaluation.session_turns import by_session

Draw = Callable[..., Predictions]


def spans_of(predictions: Predictions, *, role: int | None = None) -> list[list[Span]]:
    return [spans(one, one.model, role=role) for one in by_session(predictions)]


def test_labels_make_the_episodes_that_the_product_shows(sketch_predictions: Draw) -> None:
    words = "tNN cWW tNN cNN tNN cNC tNN tNN tNN tNN cNW cNW? tNC"
    ours = spans_of(sketch_predictions({"a": words}))[0]
    labels = {"N": Label.NEUTRAL, "W": Label.WITHDRAWAL, "C": Label.CONFRONTATION}
    turns = [Turn("client" if w[0] == "c" else "therapist", "well then") for w in words.split()]
    labelled = LabelledSession(
        Session("a", tuple(turns)),
        tuple(
            LabelledTurn(
                index,
                turn,
                label=labels[word[2]],
                probabilities=Probabilities(0.25, 0.25, 0.25, 0.25),
                abstained=word.endswith("?"),
            )
            for index, (turn, word) in enumerate(zip(turns, words.split(), strict=True))
        ),
        ModelInfo("sketch"),
    )
    shown = [(one.onset, one.last) for one in timeline(labelled).episodes]
    assert [(one.onset, one.last) for one in ours] == shown == [(1, 5), (10, 12)]


def test_a_speakers_episodes_count_the_others_turns_in_the_gap(sketch_predictions: Draw) -> None:
    drawn = sketch_predictions({"a": "cNW tNC cNN tNN cNN tNN cNW"})
    assert spans_of(drawn) == [[Span(0, 1), Span(6, 6)]]
    assert spans_of(drawn, role=0) == [[Span(0, 0), Span(6, 6)]]
    assert spans_of(drawn, role=1) == [[Span(1, 1)]]


def test_turns_that_are_not_scored_lie_between_onsets_but_in_no_gap(
    sketch_predictions: Draw,
) -> None:
    drawn = sketch_predictions({"a": "cNW . . . cNN cNN cNN cNW"})
    assert spans_of(drawn) == [[Span(0, 7)]]


def test_each_found_episode_answers_one() -> None:
    gold = [Span(10, 12), Span(16, 20)]
    found = [Span(13, 17)]
    assert match_episodes(gold, found, near=1, overlap=False) == []
    assert match_episodes(gold, found, near=3, overlap=False) == [(0, 0)]
    assert match_episodes(gold, found, near=1, overlap=True) == [(1, 0)]
    # Two matches count for more than one that fits exactly.
    assert match_episodes([Span(4, 4), Span(9, 9)], [Span(9, 9), Span(14, 14)], near=5,
                          overlap=False) == [(0, 0), (1, 1)]  # fmt: skip
    assert match_episodes([], found, near=5, overlap=True) == []


def test_a_span_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="follows its onset"):
        Span(4, 3)


@st.composite
def labellings(draw: st.DrawFn) -> list[Span]:
    edges = sorted(draw(st.sets(st.integers(0, 24), max_size=8)))
    return [Span(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]


@settings(max_examples=100, deadline=None)
@given(labellings(), labellings(), st.sampled_from(NEAR_TURNS), st.booleans())
def test_matching_in_order_is_as_good_as_any(
    gold: list[Span], found: list[Span], near: int, overlap: bool
) -> None:
    def worth(pairs: list[tuple[int, int]]) -> tuple[int, int]:
        return len(pairs), -sum(abs(gold[a].onset - found[b].onset) for a, b in pairs)

    def allowed(a: int, b: int) -> bool:
        close = abs(gold[a].onset - found[b].onset) <= near
        return close or (overlap and gold[a].overlaps(found[b]))

    every = [
        list(zip(rows, columns, strict=True))
        for size in range(min(len(gold), len(found)) + 1)
        for rows in combinations(range(len(gold)), size)
        for columns in permutations(range(len(found)), size)
    ]
    best = max(worth(pairs) for pairs in every if all(allowed(*pair) for pair in pairs))
    matched = match_episodes(gold, found, near=near, overlap=overlap)
    assert all(allowed(*pair) for pair in matched)
    assert len({a for a, _ in matched}) == len({b for _, b in matched}) == len(matched)
    assert worth(matched) == best


# Gold episodes begin at 2 (a), 0 and 7 (b), 1 (c); predicted ones at 3 (a), 7 (b), 6 (b2 below).
SESSIONS = {
    "a": "tNN cNN cWN tNC cNN",
    "b": "cWN tNN cNN tNN cNN tNN cNN cCC tCC",
    "c": "tNN cCN tNN cNN cNN cNN tNN cNW",
    "d": "tNN cPP",
}


def test_scores_are_counted_over_all_sessions(sketch_predictions: Draw) -> None:
    found = episode_figures(sketch_predictions(SESSIONS), resamples=40)
    pooled = found["speakers"]["pooled"]["model"]
    assert (pooled["gold"], pooled["found"]) == (4, 3)
    strict = pooled["onset"]["1"]
    assert strict["precision"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert strict["recall"]["value"] == pytest.approx(2 / 4)
    assert strict["f1"]["value"] == pytest.approx(4 / 7, abs=1e-6)
    assert strict["onset_error_median"]["value"] == 0.5  # of 1 and 0
    assert strict["onset_lag_mean"]["value"] == 0.5
    assert strict["f1"]["low"] < 4 / 7 < strict["f1"]["high"]
    client = found["speakers"]["client"]["model"]
    assert (client["gold"], client["found"]) == (4, 2)
    assert client["onset"]["5"]["recall"]["value"] == pytest.approx(1 / 4)
    therapist = found["speakers"]["therapist"]["model"]
    assert (therapist["gold"], therapist["found"]) == (1, 2)
    assert therapist["onset"]["1"]["f1"]["value"] == pytest.approx(2 / 3, abs=1e-6)


def test_a_wider_rule_never_finds_less(sketch_predictions: Draw) -> None:
    model = episode_figures(sketch_predictions(SESSIONS), resamples=2)["speakers"]["pooled"][
        "model"
    ]
    recalls = [
        [model[rule][str(near)]["recall"]["value"] for near in NEAR_TURNS]
        for rule in ("onset", "onset_or_overlap")
    ]
    assert all(row == sorted(row) for row in recalls)
    assert all(narrow <= wide for narrow, wide in zip(*recalls, strict=True))


def test_the_coders_are_scored_by_the_same_rule(sketch_predictions: Draw) -> None:
    drawn = sketch_predictions(
        {"a": "cWW/WN tNN cNN/NN", "b": "cNN/CC tNN", "c": "tNN/NN cWN/-- cNN"}
    )
    pooled = episode_figures(drawn, resamples=20)["speakers"]["pooled"]
    assert (pooled["coders"]["gold"], pooled["coders"]["found"]) == (2, 1)
    assert pooled["coders"]["onset"]["1"]["f1"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    # Against A: one of two found; against B: one wrong, one missed.
    assert pooled["against_coders"]["onset"]["1"]["f1"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert pooled["model"]["gold"] == 2  # c's episode is settled, though neither coder is known


def test_abstained_turns_are_no_evidence(sketch_predictions: Draw) -> None:
    found = episode_figures(sketch_predictions({"a": "cWW? tNN", "b": "cNN"}), resamples=5)
    model = found["speakers"]["pooled"]["model"]
    assert (model["gold"], model["found"]) == (1, 0)
    assert model["onset"]["1"]["precision"]["value"] is None


def test_nothing_scored_gives_no_figures(sketch_predictions: Draw) -> None:
    found = episode_figures(sketch_predictions({}), resamples=5)
    assert found["speakers"]["pooled"]["model"]["onset"]["3"]["f1"]["value"] is None


def test_counts_per_session_are_held_against_the_codes(sketch_predictions: Draw) -> None:
    same = sketch_predictions(
        {"a": "cWW tNN cCC", "b": "cNN tNN", "c": "cWW tCC cWW cWW", "d": "tNN cNN tNN"}
    )
    pooled = count_figures(same, resamples=20)["speakers"]["pooled"]
    assert pooled["withdrawal_turns"]["model"]["gold"] == 4
    assert pooled["rupture_turns"]["model"] == {
        "sessions": 4,
        "gold": 6,
        "found": 6,
        "icc": pooled["rupture_turns"]["model"]["icc"],
    }
    assert pooled["rupture_turns"]["model"]["icc"]["value"] == 1.0
    assert pooled["episodes"]["model"]["gold"] == 2
    assert pooled["episodes"]["coders"]["icc"]["value"] == 1.0


def test_a_count_that_is_always_too_high_lowers_the_icc(sketch_predictions: Draw) -> None:
    # ICC(2,1) of (0,1), (1,2), (2,3): MSR 2, MSC 1.5, MSE 0, so 2 / (2 + 2 * 1.5 / 3) = 2/3.
    drawn = sketch_predictions({"a": "cNC cNN", "b": "cNC cCC cNN", "c": "cCC cCC cNC"})
    count = count_figures(drawn, resamples=5)["speakers"]["client"]["confrontation_turns"]
    assert count["model"]["icc"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    # The therapist says nothing: there is no session to count in.
    therapist = count_figures(drawn, resamples=5)["speakers"]["therapist"]["rupture_turns"]
    assert (therapist["model"]["sessions"], therapist["model"]["icc"]["value"]) == (0, None)
