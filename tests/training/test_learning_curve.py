"""How many sessions one needs: the curve, its ranges, and what it says."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alliance.model.errors import InputError
from alliance.serve.main import app
from alliance.training.corpora import CodedSession
from alliance.training.learning_curve import (
    Point,
    advice,
    curve_markdown,
    default_sizes,
    learning_curve,
)
from alliance.training.rivals import baseline

Make = Callable[..., list[CodedSession]]
Write = Callable[[Path, Sequence[CodedSession]], None]


def test_more_sessions_teach_more_and_none_is_seen_twice(
    coded_sessions: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = coded_sessions(16)
    trained: list[set[str]] = []
    fit = baseline.fit

    def watching(chosen: Sequence[CodedSession]) -> baseline.Baseline:
        trained.append({coded.id for coded in chosen})
        return fit(chosen)

    scored: list[set[str]] = []
    predict = baseline.Baseline.predict

    def scoring(self: baseline.Baseline, held: Sequence[CodedSession]) -> object:
        kept = list(held)
        scored.append({coded.id for coded in kept})
        return predict(self, kept)

    monkeypatch.setattr(baseline, "fit", watching)
    monkeypatch.setattr(baseline.Baseline, "predict", scoring)
    points = learning_curve(sessions, sizes=[12, 2], draws=3)
    assert [point.sessions for point in points] == [2, 12]
    assert points[1].mean >= points[0].mean
    assert points[1].turns > points[0].turns
    assert all(not a & b for a, b in zip(trained, scored, strict=True))
    assert [len(ids) for ids in trained] == [2, 2, 2, 12, 12, 12]
    assert scored[:3] == scored[3:]  # the same sessions are held out for every size


def test_sessions_beside_are_always_trained_on(coded_sessions: Make) -> None:
    sessions, ours = coded_sessions(8), coded_sessions(8, first=50)
    (point,) = learning_curve(sessions, beside=ours, sizes=[0], draws=2)
    assert point.turns == 0
    assert point.mean > 0.5


@pytest.mark.parametrize("sizes", [[0], [7], [], [-1, 3]])
def test_sizes_out_of_range(coded_sessions: Make, sizes: list[int]) -> None:
    with pytest.raises(InputError, match=r"from 1 to 6 \(of 8, 2 are held out\)"):
        learning_curve(coded_sessions(8), sizes=sizes)


def test_sizes_by_default() -> None:
    assert default_sizes(8) == [5, 6]
    assert default_sizes(60) == [5, 10, 20, 40, 45]
    with pytest.raises(InputError, match="at least 8 coded sessions for a curve, found 3"):
        default_sizes(3)


def _point(sessions: int, *scores: float) -> Point:
    return Point(sessions, 10.0 * sessions, scores, (0.5, float("nan"), 0.1, 0.9))


def test_what_the_last_doubling_brought() -> None:
    assert "more sessions still pay" in advice([_point(5, 0.3, 0.31), _point(10, 0.4, 0.42)])
    assert "no more than the draws differ" in advice([_point(5, 0.3, 0.4), _point(10, 0.4, 0.31)])
    assert "bring little" in advice([_point(5, 0.4, 0.41), _point(10, 0.405, 0.415)])
    assert "Too few sizes" in advice([_point(7, 0.4, 0.4), _point(10, 0.4, 0.4)])
    assert "| 5 | 50 | .30 ± .01 | .50 | – | .10 | .90 |" in curve_markdown([_point(5, 0.29, 0.31)])


def test_as_a_command(tmp_path: Path, coded_sessions: Make, write_coded_lines: Write) -> None:
    corpus, out = tmp_path / "mine.jsonl", tmp_path / "curve.json"
    write_coded_lines(corpus, coded_sessions(8))
    words = ["learning-curve", str(corpus), "--sizes", "2,6", "--draws", "2"]
    result = CliRunner().invoke(app, [*words, "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("| sessions | coded turns |")
    assert [point["sessions"] for point in json.loads(out.read_text())["points"]] == [2, 6]
    assert CliRunner().invoke(app, [*words[:-3], "2,x"]).exit_code == 2
