import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from alliance.model.formats import read_session
from alliance.serve.sessions import example_file

Run = Callable[..., Result]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.csv"
    lines = [f"s{n},client,This is session {n}." for n in range(14)]
    path.write_text("\n".join(["session,speaker,text", *lines]) + "\n")
    return path


def test_the_example_is_a_session_of_two_voices() -> None:
    session = read_session(Path(str(example_file())))
    assert session.id == "first_strain"
    assert 45 <= len(session.turns) <= 60
    assert {turn.speaker for turn in session.turns} == {"therapist", "client"}
    starts = [turn.start_ms for turn in session.turns]
    assert starts == sorted(start for start in starts if start is not None)


def test_the_example_in_the_terminal(alliance: Run) -> None:
    result = alliance("timeline", "--example")
    assert result.exit_code == 0, result.stderr
    assert "first_strain" in result.stdout
    assert "\x1b" not in result.stdout


def test_json(alliance: Run) -> None:
    result = alliance("timeline", "--example", "--json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert data["session_id"] == "first_strain"
    assert len(data["turns"]) >= 45
    assert "smiley" in result.stdout
    hidden = alliance("timeline", "--example", "--json", "--no-text")
    assert "smiley" not in hidden.stdout
    assert len(json.loads(hidden.stdout)["turns"]) == len(data["turns"])


def test_no_text_in_the_terminal(alliance: Run) -> None:
    result = alliance("timeline", "--example", "--no-text")
    assert result.exit_code == 0
    assert "smiley" not in result.stdout


def test_one_of_several(alliance: Run, corpus: Path) -> None:
    refused = alliance("timeline", corpus)
    assert refused.exit_code == 2
    assert "found several (s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, …)" in refused.stderr
    assert "--session" in refused.stderr
    chosen = alliance("timeline", corpus, "--session", "s12", "--json")
    assert json.loads(chosen.stdout)["session_id"] == "s12"
    absent = alliance("timeline", corpus, "--session", "s99")
    assert absent.exit_code == 2
    assert "expected a session 's99', found s0, s1," in absent.stderr
    assert "session 0" not in refused.stderr + absent.stderr


def test_standard_input(alliance: Run, plain: Path) -> None:
    result = alliance("timeline", "-", "--input-format", "txt", "--json", stdin=plain.read_bytes())
    assert result.exit_code == 0, result.stderr
    assert len(json.loads(result.stdout)["turns"]) == 4


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "found neither"),
        (["x.txt", "--example"], 2, "found both"),
        (["absent.txt"], 1, "absent.txt: expected a transcript, found no such file"),
        (["."], 1, "found a folder"),
    ],
)
def test_wrong_usage(alliance: Run, words: list[str], code: int, said: str) -> None:
    result = alliance("timeline", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
