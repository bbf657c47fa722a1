"""What the documents beside the README tell a reader to do exists and works."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from alliance.serve.main import app

ROOT = Path(__file__).parent.parent
_FOLDERS = ("serve", "training", "data_cards")
DOCUMENTS = [
    *sorted(path for folder in _FOLDERS for path in (ROOT / folder).rglob("*.md")),
    ROOT / "CONTRIBUTING.md",
]
STUB = Path(__file__).parent / "data" / "stub_model"


def _blocks(path: Path, language: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def _commands(path: Path) -> Iterator[list[str]]:
    """The words of every ``alliance …`` in a block of commands, up to a pipe or a comment."""
    for language in ("text", "sh"):
        for block in _blocks(path, language):
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r"\||&&|;|  +#", line):
                    words = part.split()
                    if words[:1] == ["alliance"] and len(words) > 1:
                        yield words[1:]


def _leaf(words: list[str]) -> tuple[Any, list[str]]:
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "get_command") and rest:
        found = command.get_command(None, rest[0])
        assert found is not None, " ".join(words)
        command, rest = found, rest[1:]
    return command, rest


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_shown_exists_with_its_options(path: Path) -> None:
    for words in _commands(path):
        command, rest = _leaf(words)
        options = {option for parameter in command.params for option in parameter.opts}
        given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert given <= options | {"--help"}, " ".join(words)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_tables_of_own_codings_are_read(tmp_path: Path) -> None:
    table, codes, segments = _blocks(ROOT / "training" / "OWN_CODINGS.md", "csv")
    (tmp_path / "mine.csv").write_text(table, encoding="utf-8")
    (tmp_path / "map.csv").write_text(codes, encoding="utf-8")
    theirs = re.sub(r",(N|C3|PR|W5)$", lambda m: f",{THEIRS[m[1]]}", table, flags=re.MULTILINE)
    (tmp_path / "theirs.csv").write_text(theirs, encoding="utf-8")

    def run(*words: str | Path) -> str:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.stdout

    mine = ("evaluate", STUB, tmp_path / "mine.csv", "--resamples", "5", "-q")
    other = ("evaluate", STUB, tmp_path / "theirs.csv", "--map", tmp_path / "map.csv")
    assert "4 turns of 1 session" in run(*mine)
    assert "4 turns of 1 session" in run(*other, "--resamples", "5", "-q")
    for rater in ("a", "b"):
        (tmp_path / f"rater_{rater}.csv").write_text(segments, encoding="utf-8")
    raters = (tmp_path / "rater_a.csv", tmp_path / "rater_b.csv")
    shown = run(
        "agree", *raters, "--codes", "any", "--order", "1,2,3,4,5", "--weights", "quadratic"
    )
    assert "Gwet's AC2" in shown


THEIRS = {
    "N": "none",
    "C3": "confrontation-complaint",
    "PR": "resolution",
    "W5": "withdrawal-minimal",
}
