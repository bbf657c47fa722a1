from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alliance.model.classifier import RuptureClassifier, shipped_weights
from alliance.model.explain import words_of
from alliance.model.formats import read_session
from alliance.model.session import Session, Turn
from alliance.training.evaluation.faithfulness import (
    Deletion,
    _at_random,
    deletion_figures,
    deletion_markdown,
    deletion_test,
    deletions,
)

STUB = Path(__file__).parents[2] / "data" / "stub_model"
EXAMPLE = Path(__file__).parents[3] / "serve" / "examples" / "first_strain.vtt"

# Two votes among eight words: either alone still carries the label, so that the two named words
# have to be found together.
TALK = Session(
    "talk",
    (
        Turn("therapist", "well then how has it been"),
        Turn("client", "so this useless thing is useless to me"),
        Turn("therapist", "you must see that you must do it"),
        Turn("client", "dunno"),
    ),
)


@pytest.fixture(scope="module")
def stub() -> RuptureClassifier:
    return RuptureClassifier.load(STUB)


def row(session: int, kind: str, role: int, named: float | None, random: float | None) -> Deletion:
    return Deletion(session, 0, role, kind, 0.8, named, random, 10)


def test_named_words_beat_random_ones_where_the_model_is_known(stub: RuptureClassifier) -> None:
    figures = deletion_test(stub, [TALK, TALK], words=2, draws=10, resamples=50)
    words = figures["falls"]["words"]
    assert {speaker: words[speaker]["turns"] for speaker in words} == {
        "client": 2,
        "therapist": 2,
        "pooled": 4,
    }
    assert words["client"]["left_out"] == 2, "of one word there is nothing to choose"
    for speaker in words:
        falls = words[speaker]
        assert falls["named"]["value"] > 0.5 > falls["random"]["value"]
        assert falls["difference"]["value"] == pytest.approx(
            falls["named"]["value"] - falls["random"]["value"], abs=2e-6
        )
    assert "| 2 words | client | 2 |" in deletion_markdown(figures)
    # The stub hears nothing of other turns, so none is ever named.
    around = figures["falls"]["turns"]["pooled"]
    assert (around["turns"], around["left_out"]) == (0, 6)
    assert around["difference"] == {"value": None, "low": None, "high": None}


def test_the_same_seed_gives_the_same_rows(stub: RuptureClassifier) -> None:
    first = deletions(stub, TALK, words=2, draws=2, seed=3)
    assert first == deletions(stub, TALK, words=2, draws=2, seed=3)
    other = deletions(stub, TALK, words=2, draws=2, seed=4)
    assert [one.named for one in first] == [one.named for one in other]
    assert [one.random for one in first] != [one.random for one in other]
    assert [(one.turn, one.role, one.kind) for one in first] == [
        (1, 0, "words"),
        (1, 0, "turns"),
        (2, 1, "words"),
        (2, 1, "turns"),
        (3, 0, "words"),
        (3, 0, "turns"),
    ]
    few = deletions(stub, TALK, most_turns=1)
    assert len({one.turn for one in few}) == 1


@pytest.mark.parametrize("setting", [{"words": 1}, {"turns": 1}, {"draws": 0}])
def test_a_test_that_could_not_fail_is_refused(
    stub: RuptureClassifier, setting: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="2 or more pieces and 1 or more draws"):
        deletions(stub, TALK, **setting)  # type: ignore[arg-type]


def test_random_runs_are_as_long_and_lie_anywhere() -> None:
    text = "a bb ccc d ee"
    spans = words_of(text)
    starts = {start: place for place, (start, _) in enumerate(spans)}
    ends = {end: place for place, (_, end) in enumerate(spans)}
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        runs = [(starts[a], ends[b]) for a, b in _at_random(spans, [2, 1], generator)]
        assert sorted(last - first + 1 for first, last in runs) == [1, 2]
        (one, two) = runs
        assert one[1] < two[0]
        seen.add((one, two))
    # A pair and a single word among five: two left over, so 4 × 3 / 2 places, in two orders.
    assert len(seen) == 12


def test_means_by_hand() -> None:
    rows = [
        row(0, "words", 0, 0.6, 0.2),
        row(0, "words", 1, 0.4, 0.4),
        row(2, "words", 0, 0.2, 0.1),
        row(2, "words", 0, None, None),
        row(2, "turns", 1, 0.3, 0.5),
    ]
    figures = deletion_figures(rows, 3, resamples=200)
    words, turns = figures["falls"]["words"], figures["falls"]["turns"]
    assert (words["client"]["turns"], words["client"]["left_out"]) == (2, 1)
    assert words["client"]["named"]["value"] == pytest.approx(0.4)
    assert words["client"]["difference"]["value"] == pytest.approx(0.25)
    assert words["pooled"]["difference"]["value"] == pytest.approx(0.5 / 3, abs=1e-6)
    assert words["pooled"]["p"]["value"] == pytest.approx(0.8)
    assert turns["therapist"]["difference"]["value"] == pytest.approx(-0.2), "it can be lost"
    assert turns["client"]["named"]["value"] is None
    assert figures["readings_per_turn"] == 10.0
    assert deletion_figures([], 0)["readings_per_turn"] is None


@pytest.mark.skipif(
    not (shipped_weights() / "model.onnx").exists(),
    reason="no weights have been built into model/weights",
)
def test_the_shipped_model_goes_by_what_is_named() -> None:
    classifier = RuptureClassifier.load()
    pushed = Session(
        "pushed",
        (
            Turn("therapist", "I wonder whether you could try the diary again this week."),
            Turn("client", "You keep on about the diary. It's useless and you never listen to me."),
            Turn("therapist", "You need to do it, or nothing is ever going to change for you."),
            Turn("client", "Fine. Whatever you say. I don't know, I don't really care any more."),
        ),
    )
    figures = deletion_test(
        classifier, [read_session(EXAMPLE), pushed], draws=3, most_turns=3, resamples=1
    )
    words = figures["falls"]["words"]["pooled"]
    assert words["turns"] >= 3
    assert words["difference"]["value"] > 0.1


def test_the_deletion_test_reads_through_a_session_layer(
    layered: Path, long_session: Callable[..., Session]
) -> None:
    model = RuptureClassifier.load(layered, threads=1)
    sessions = [long_session(30, seed=seed) for seed in range(4)]
    falls = deletion_test(model, sessions, most_turns=5, resamples=20)["falls"]
    for kind in ("words", "turns"):
        assert falls[kind]["pooled"]["turns"] >= 5
        assert falls[kind]["pooled"]["difference"]["value"] > 0.05
