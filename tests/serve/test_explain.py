"""`alliance timeline --explain`, and how a reason is put in a line."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import Result

from alliance.model.codebook import Label
from alliance.model.explanation import TurnEffect, TurnExplanation, WordEffect
from alliance.model.labelled import LabelledSession
from alliance.model.timeline import timeline
from alliance.serve.progress import steps
from alliance.serve.reasons import key_phrases, key_turns
from alliance.serve.terminal import render

Sketch = Callable[..., LabelledSession]
Run = Callable[..., Result]

TALK = """\
T: How has the week been?
C: I think that this is useless, and you know it.
T: [inaudible]
C: Whatever.
"""


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.txt"
    path.write_text(TALK, encoding="utf-8")
    return path


def words(
    *effects: tuple[int, int, float], turns: tuple[tuple[int, float], ...] = ()
) -> TurnExplanation:
    return TurnExplanation(
        1,
        Label.CONFRONTATION,
        0.7,
        tuple(WordEffect(*effect) for effect in effects),
        tuple(TurnEffect(*turn) for turn in turns),
    )


# The command.


def test_in_the_terminal(alliance: Run, talk: Path) -> None:
    result = alliance("timeline", talk, "--explain")
    assert result.exit_code == 0, result.stderr
    assert "\n   why      “useless,”\n" in result.stdout
    assert "\n   why      “Whatever.”\n" in result.stdout
    assert "what it went by, not what moved the speaker" in " ".join(result.stdout.split())
    assert result.stderr == ""
    assert "why" not in alliance("timeline", talk).stdout


def test_in_json(alliance: Run, talk: Path) -> None:
    result = alliance("timeline", talk, "--explain", "--json")
    assert result.exit_code == 0, result.stderr
    turns = json.loads(result.stdout)["turns"]
    assert [turn["turn"] for turn in turns if "why" in turn] == [1, 3]
    (word,) = turns[1]["why"]["words"]
    assert turns[1]["text"][word["start"] : word["end"]] == "useless,"
    assert 0 < word["effect"] <= 1
    assert "why" not in alliance("timeline", talk, "--json").stdout


def test_without_text_no_word_is_told(alliance: Run, talk: Path) -> None:
    shown = alliance("timeline", talk, "--explain", "--no-text")
    assert "\n   why      its own words\n" in shown.stdout
    data = alliance("timeline", talk, "--explain", "--no-text", "--json")
    assert json.loads(data.stdout)["turns"][1]["why"]["words"]
    for out in (shown.stdout, data.stdout):
        assert "useless" not in out.lower()
        assert "Whatever" not in out


def test_a_session_without_ruptures(alliance: Run, tmp_path: Path) -> None:
    path = tmp_path / "calm.txt"
    path.write_text("T: Hello.\nC: Thanks.\n")
    result = alliance("timeline", path, "--explain")
    assert result.exit_code == 0, result.stderr
    assert "why" not in result.stdout


def test_steps_pass_on_every_item() -> None:
    assert list(steps([3, 1, 2], "counting")) == [3, 1, 2]


# A line.


def test_words_that_touch_are_one_phrase() -> None:
    text = "well, whatever you think is best, whatever"
    assert text[6:14] == "whatever"
    made = words((34, 42, 0.4), (15, 18, 0.35), (6, 14, 0.3), (19, 24, 0.2), (0, 5, 0.05))
    assert key_phrases(made, text) == ["whatever", "whatever you think"]


def test_what_hardly_matters_is_not_named() -> None:
    made = words((0, 2, 0.4), (3, 5, 0.09), turns=((3, 0.019), (0, 0.018)))
    assert key_phrases(made, "ab cd") == ["ab"]
    assert key_turns(made) == []
    assert key_phrases(words(), "ab cd") == []
    near = words(turns=((5, 0.3), (2, 0.2), (3, 0.1)))
    assert key_turns(near) == [2, 5]


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_line_keeps_to_the_terminal(sketch: Sketch, width: int, encoding: str) -> None:
    text = "\x1b[31mnever\x1b[0m [bold]again[/bold] " * 12
    session = sketch("tN cC1 tN cW2 tN cW5", text=text)
    made = timeline(
        session,
        explanations=[
            TurnExplanation(
                1,
                Label.CONFRONTATION,
                0.7,
                (WordEffect(0, len(text) - 1, 0.4),),
                (TurnEffect(0, 0.2), TurnEffect(2, 0.1)),
            ),
            TurnExplanation(3, Label.WITHDRAWAL, 0.7, (), (TurnEffect(2, 0.1),)),
            TurnExplanation(5, Label.WITHDRAWAL, 0.7),
        ],
    )
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    render(made, Console(file=file, width=width))
    file.flush()
    shown = raw.getvalue().decode(encoding)
    assert max(cell_len(line) for line in shown.splitlines()) <= width
    assert "\x1b" not in shown
    said = " ".join(shown.split())
    assert "turns 0, 2" in said
    assert " why turn 2 " in said
    assert " why nothing by itself " in said
    assert "[bold]again[/bold]" in said
