"""What the README tells a reader to do works, word for word."""

import json
import re
import shutil
from importlib.resources import as_file
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from alliance.model import Label
from alliance.model.markdown import estimate
from alliance.serve.main import app
from alliance.serve.sessions import example_file

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_the_first_command_shows_the_example() -> None:
    assert _blocks("sh")[0].strip() == "pip install . && alliance timeline --example"
    result = CliRunner().invoke(app, ["timeline", "--example"])
    assert result.exit_code == 0, result.output
    assert "rupture episode" in result.output


def test_the_second_command_installs_what_the_tests_need() -> None:
    second = _blocks("sh")[1]
    assert "'.[dev]'" in second
    assert "pytest" in second


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with as_file(example_file()) as path:
        shutil.copyfile(path, tmp_path / "session.vtt")
    monkeypatch.chdir(tmp_path)
    (code,) = _blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(re.match(r"(withdrawal|confrontation|mixed) \d+ \d+ \w+$", line) for line in lines)


def test_every_command_shown_exists_with_its_options() -> None:
    group = typer.main.get_command(app)
    shown = re.findall(r"^alliance (\w+)(.*?)(?:  |$)", "\n".join(_blocks("text")), re.MULTILINE)
    assert {name for name, _ in shown} >= {"timeline", "label", "train", "evaluate"}
    for name, words in shown:
        command = group.get_command(None, name)  # type: ignore[attr-defined]
        assert command is not None, name
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", words)) <= options, name


def test_the_figures_are_those_of_the_report() -> None:
    report = json.loads(
        (ROOT / "data_cards" / "figures" / "cross-validation.json").read_text(encoding="utf-8")
    )
    network = report["network"]["speakers"]["pooled"]
    rival = report["baseline"]["speakers"]["pooled"]
    for figure in (
        network["macro_f1"],
        rival["macro_f1"],
        network["coders_macro_f1"],
        *(network["labels"][label.value]["f1"] for label in Label),
    ):
        assert estimate(**figure) in README
    assert estimate(**report["macro_f1_difference"], signed=True) in README


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target
