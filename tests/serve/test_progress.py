import io
import re

import pytest
from rich.console import Console

from alliance.serve.progress import Progress, TerminalProgress, make_progress


def shown(console: Console) -> str:
    with TerminalProgress(console) as progress:
        progress.start(1000)
        progress.advance(done=500, turns=1234)
        progress.complain("bad[red].txt: expected words")
        progress.advance(done=1000, turns=2468)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_bar_shows_turns_speed_and_time_left() -> None:
    out = shown(Console(file=io.StringIO(), force_terminal=True, width=120))
    assert "1,234 turns" in out or "2,468 turns" in out
    assert "turns/s" in out
    assert re.search(r"\d:\d\d:\d\d", out)
    assert "bad[red].txt: expected words" in out


def test_without_colour_the_bar_is_plain() -> None:
    out = shown(Console(file=io.StringIO(), force_terminal=True, width=120, no_color=True))
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", out)


def test_no_bar_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = make_progress()
    assert type(progress) is Progress
    with progress:
        progress.complain("one")
    assert capsys.readouterr().err == "one\n"

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert type(make_progress()) is Progress
    monkeypatch.setenv("TERM", "xterm")
    assert type(make_progress()) is TerminalProgress
    assert type(make_progress(quiet=True)) is Progress
