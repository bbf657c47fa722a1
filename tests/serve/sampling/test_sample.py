"""``alliance sample``: what is chosen, in which order, and how much of it at random."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.serve.sampling.candidates import Candidate, _words
from alliance.serve.sampling.choosing import choose

Run = Callable[..., Any]


def candidate(
    session: str, text: str, *, doubt: float = 0.5, rupture: float = 0.5, turn: int | None = None
) -> Candidate:
    return Candidate("f", session, turn, "", text, 1, doubt, rupture, _words(text))


def _sessions(choices: list[Any]) -> list[str]:
    return [choice.candidate.session for choice in choices]


def test_worth_needs_both_doubt_and_ruptures() -> None:
    both = candidate("both", "a", doubt=0.5, rupture=0.5)
    sure = candidate("sure", "b", doubt=0.01, rupture=0.9)
    calm = candidate("calm", "c", doubt=0.9, rupture=0.01)
    assert _sessions(choose([sure, calm, both], 1)) == ["both"]


def test_the_same_again_comes_last() -> None:
    first = candidate("first", "my mother never calls", doubt=0.6)
    twin = candidate("twin", "my mother never calls", doubt=0.59)
    other = candidate("other", "sleep and work", doubt=0.3)
    choices = choose([first, twin, other], 3)
    assert _sessions(choices) == ["first", "other", "twin"]
    assert choices[2].novelty == pytest.approx(0.0, abs=1e-9)


def test_at_most_so_many_turns_of_a_session() -> None:
    turns = [candidate("a", f"word{place}", turn=place) for place in range(5)]
    turns += [candidate("b", "another", doubt=0.1, turn=0)]
    assert _sessions(choose(turns, 4, per_session=2)) == ["a", "a", "b"]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 12), st.integers(1, 12), st.integers(0, 12), st.integers(0, 3))
def test_numbers(there: int, count: int, at_random: int, seed: int) -> None:
    candidates = [candidate(str(place), f"w{place} x") for place in range(there)]
    choices = choose(candidates, count, at_random=at_random, seed=seed)
    assert len(choices) == min(there, count)
    assert len(set(_sessions(choices))) == len(choices)
    assert sum(choice.at_random for choice in choices) == min(at_random, count, there)
    again = choose(candidates, count, at_random=at_random, seed=seed)
    assert _sessions(again) == _sessions(choices)


def test_words_have_length_one() -> None:
    assert np.linalg.norm(_words("a b b")) == pytest.approx(1.0)
    assert not _words("").any()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, said in (("a", "Fine."), ("b", "You never listen."), ("c", "=Why should I?")):
        (folder / f"{name}.txt").write_text(f"T: Hello.\nC: {said}\n", encoding="utf-8")
    return folder


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_sessions_of_a_folder(corpus: Path, stub: Path, alliance: Run, tmp_path: Path) -> None:
    out = tmp_path / "next.csv"
    result = alliance("sample", corpus, "-n", "2", "-o", out, "--model", stub)
    assert result.exit_code == 0, result.output
    rows = _rows(out.read_text(encoding="utf-8"))
    assert [row["rank"] for row in rows] == ["1", "2"]
    assert {row["session_id"] for row in rows} < {"a", "b", "c"}
    assert all(row["turns"] == "2" and row["at_random"] == "false" for row in rows)
    assert "text" not in rows[0]


def test_turns_with_an_empty_column_for_the_code(corpus: Path, stub: Path, alliance: Run) -> None:
    words = ("sample", corpus, "-n", "6", "--unit", "turns", "--random", "1", "--model", stub)
    result = alliance(*words)
    rows = _rows(result.stdout)
    assert len(rows) == 6
    assert [row["at_random"] for row in rows].count("true") == 1
    assert {row["text"] for row in rows} >= {"Fine.", "'=Why should I?"}
    assert all(row["code"] == "" for row in rows)
    assert "text" not in _rows(alliance(*words, "--no-text").stdout)[0]


def test_a_bad_file_costs_only_itself(corpus: Path, stub: Path, alliance: Run) -> None:
    (corpus / "bad.json").write_text("{", encoding="utf-8")
    result = alliance("sample", corpus, "-n", "9", "--model", stub)
    assert result.exit_code == 1
    assert "bad.json:1: expected JSON" in result.stderr
    assert len(_rows(result.stdout)) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--unit", "words"], "expected sessions or turns, found 'words'"),
        (["-n", "2", "--random", "3"], "expected at most -n 2, found 3"),
        (["-"], "found standard input"),
    ],
)
def test_wrong_usage(corpus: Path, words: list[str], message: str, alliance: Run) -> None:
    result = alliance("sample", corpus, *words)
    assert result.exit_code == 2
    assert message in result.stderr
