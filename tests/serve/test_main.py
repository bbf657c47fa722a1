import importlib
import signal
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Annotated

import pytest
import typer
from typer.testing import Result

from alliance.model.errors import (
    AllianceError,
    ConfigError,
    MissingExtraError,
    ModelError,
    TranscriptError,
)
from alliance.serve.main import CommandGroup, exit_code, main

Run = Callable[..., Result]


def greet(name: Annotated[str, typer.Option(help="Whom to greet.")] = "you") -> None:
    """Greet [someone]. The rest is for the full help."""
    typer.echo(f"hello {name}")


def needs_torch() -> None:
    """Train a model."""
    importlib.import_module("torch_that_is_not_here")


def faulty() -> None:
    """A command with a fault of our own."""
    importlib.import_module("alliance.model.nothing")


def interrupted() -> None:
    """A command that is interrupted."""
    raise KeyboardInterrupt


def full() -> None:
    """A command that meets a full disk."""
    raise OSError(28, "No space left on device", "out.csv")


def bad_setting() -> None:
    """A command with a bad setting."""
    raise ConfigError("expected 1, found 2; write 1")


def bad_file() -> None:
    """A command with a bad file."""
    raise TranscriptError("expected words, found none; say something", source="a.txt", line=3)


group = typer.Typer(help="A group of commands.")
group.command("fetch")(greet)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> dict[str, EntryPoint]:
    """The program with the commands of this module instead of its own."""
    home = ModuleType("alliance.training.pretend")
    functions = [greet, needs_torch, faulty, interrupted, full, bad_setting, bad_file]
    for function in functions:
        setattr(home, function.__name__, function)
    home.group = group  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, home.__name__, home)
    entries = {}
    for attribute in [*(function.__name__ for function in functions), "group"]:
        name = attribute.replace("_", "-")
        entries[name] = EntryPoint(name, f"{home.__name__}:{attribute}", "")
    entries["absent"] = EntryPoint("absent", "alliance.training.no_such:f", "")
    entries["lacking"] = EntryPoint("lacking", "alliance.training.lacking:f", "")
    real_load = EntryPoint.load

    def load(entry: EntryPoint) -> object:
        if entry.name == "lacking":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return real_load(entry)

    monkeypatch.setattr(EntryPoint, "load", load)
    monkeypatch.setattr(CommandGroup, "_entries", entries)
    return entries


def test_help_lists_every_command(commands: dict[str, EntryPoint], alliance: Run) -> None:
    shown = alliance("--help")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    for name in commands:
        assert sum(line.split()[:1] == [name] for line in lines) == 1
    assert "Greet [someone]." in shown.stdout
    assert "A group of commands." in shown.stdout
    assert "(needs the [train] extra)" in shown.stdout
    assert "(cannot be loaded)" in shown.stdout


def test_a_plain_function_is_a_command(commands: object, alliance: Run) -> None:
    assert alliance("greet", "--name", "Ada").stdout == "hello Ada\n"
    assert alliance("greet", "--nme", "Ada").exit_code == 2
    assert "Whom to greet." in alliance("greet", "-h").stdout


def test_a_typer_is_a_group_even_with_one_command(commands: object, alliance: Run) -> None:
    assert alliance("group", "fetch").stdout == "hello you\n"
    assert "install-completion" not in alliance("group", "--help").stdout


@pytest.mark.parametrize("words", [["lacking"], ["lacking", "x.toml", "--resume"], ["needs-torch"]])
def test_a_missing_extra_is_named(commands: object, alliance: Run, words: list[str]) -> None:
    result = alliance(*words)
    assert result.exit_code == 1
    assert f"alliance {words[0]} needs the [train] extra" in result.stderr
    assert "pip install 'alliance-rupture[train]'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_our_own_faults_are_not_taken_for_a_missing_extra(commands: object, alliance: Run) -> None:
    for name in ("faulty", "absent"):
        result = alliance(name)
        assert isinstance(result.exception, ModuleNotFoundError)
        assert "extra" not in result.stderr


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("interrupted", 130, "alliance: interrupted\n"),
        ("full", 1, "alliance: out.csv: No space left on device\n"),
        ("bad-setting", 2, "alliance: expected 1, found 2; write 1\n"),
        ("bad-file", 1, "alliance: a.txt:3: expected words, found none; say something\n"),
    ],
)
def test_errors_are_one_sentence(
    commands: object, alliance: Run, name: str, code: int, said: str
) -> None:
    result = alliance(name)
    assert (result.exit_code, result.stderr, result.stdout) == (code, said, "")


def test_exit_codes() -> None:
    cases: list[tuple[AllianceError, int]] = [
        (ConfigError("x"), 2),
        (TranscriptError("x"), 1),
        (ModelError("x"), 1),
        (MissingExtraError("x", "train"), 1),
    ]
    assert [exit_code(error) for error, _ in cases] == [code for _, code in cases]


def test_usage(alliance: Run) -> None:
    assert alliance("no-such").exit_code == 2
    assert alliance("label").exit_code == 2
    assert alliance("label", "x", "--purpose", "fun").exit_code == 2
    assert alliance("label", "x", "--threads", "0").exit_code == 2
    assert alliance("--version").stdout.startswith("alliance 0.")


def test_the_programs_own_help(alliance: Run) -> None:
    shown = alliance("--help").stdout
    for name in ("label", "timeline", "train", "evaluate", "corpora"):
        assert f"\n  {name} " in shown
    label = alliance("label", "--help").stdout
    assert "alliance label corpus/ -o labels.csv" in label
    for option in ("--format", "--role", "--column", "--encoding", "--input-format", "--model"):
        assert option in label
    assert "alliance timeline --example" in alliance("timeline", "--help").stdout


def test_signals_are_left_alone_where_someone_else_handles_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed: list[int] = []
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)
    monkeypatch.setattr(signal, "signal", lambda number, _: installed.append(number))
    monkeypatch.setattr(sys, "argv", ["alliance", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert installed == []
