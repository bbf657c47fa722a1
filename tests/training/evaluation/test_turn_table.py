"""Predictions as a table."""

import csv
import io

import numpy as np
import pytest

from alliance.model.agreement import confusion_matrix, macro_f1
from alliance.model.codebook import LABELS
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.turn_table import turn_table


def _predictions(seed: int, turns: int = 60) -> Predictions:
    draw = np.random.default_rng(seed)
    likely = draw.dirichlet(np.ones(4), turns)
    same = np.random.default_rng(0)
    return Predictions(
        model="any",
        session_ids=("a", "b"),
        session=np.repeat([0, 1], turns // 2),
        turn=np.tile(np.arange(turns // 2), 2),
        role=np.tile([0, 1], turns // 2),
        gold=same.integers(0, 4, turns),
        coder_a=same.integers(0, 4, turns),
        coder_b=same.integers(-1, 4, turns),
        probabilities=likely,
        predicted=likely.argmax(axis=1),
        abstained=draw.random(turns) < 0.2,
        gold_marker=np.full(turns, -1),
        predicted_marker=np.full(turns, -1),
    )


def test_figures_can_be_computed_from_the_table() -> None:
    full, causal = _predictions(1), _predictions(2)
    rows = list(csv.DictReader(io.StringIO(turn_table(full, causal))))
    places = {label.value: place for place, label in enumerate(LABELS)}
    for said, column in ((full, "predicted"), (causal, "causal_predicted")):
        gold = np.array([places[row["settled"]] for row in rows])
        found = np.array([places[row[column]] for row in rows])
        assert macro_f1(confusion_matrix(gold, found)) == pytest.approx(
            macro_f1(confusion_matrix(said.gold, said.predicted))
        )
    likely = [[float(row[f"causal_p_{name}"]) for name in places] for row in rows]
    assert np.array(likely) == pytest.approx(causal.probabilities, abs=6e-5)
    assert [row["session"] for row in rows[29:31]] == ["a", "b"]
    assert [row["turn"] for row in rows[29:31]] == ["29", "0"]
    assert {row["speaker"] for row in rows} == {"client", "therapist"}
    assert sum(row["coder_b"] == "" for row in rows) == (full.coder_b == -1).sum() > 0
    assert [row["abstained"] == "1" for row in rows] == full.abstained.tolist()


def test_one_mode_is_enough_and_other_turns_are_refused() -> None:
    full = _predictions(1)
    assert "causal" not in turn_table(full).splitlines()[0]
    with pytest.raises(ValueError, match="of other turns"):
        turn_table(full, _predictions(2, turns=58))
