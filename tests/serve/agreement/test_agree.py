"""``alliance agree``: which codings its arguments name, and what a researcher gets to see."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alliance.model.code_system import OWN
from alliance.model.errors import InputError
from alliance.model.panel import align
from alliance.model.panel_figures import panel_figures
from alliance.serve.agreement.report import html, markdown, tables
from alliance.serve.agreement.sources import gather

Run = Callable[..., Any]

ANNA = "session_id,turn,speaker,code\ns,0,therapist,PT\ns,1,client,W2\ns,2,therapist,N\n"
BEN = "session_id,turn,speaker,code\ns,0,therapist,PB\ns,1,client,N\ns,2,therapist,N\n"


@pytest.fixture
def codings(tmp_path: Path) -> Path:
    (tmp_path / "anna.csv").write_text(ANNA, encoding="utf-8")
    (tmp_path / "ben.csv").write_text(BEN, encoding="utf-8")
    (tmp_path / "both.csv").write_text(
        "session_id,turn,coder_a,coder_b\ns,0,PT,PB\ns,1,W2,N\ns,2,N,N\n", encoding="utf-8"
    )
    return tmp_path


def _coders(arguments: list[str]) -> list[str]:
    return [coding.coder for coding in gather(arguments, system=OWN)]


def test_files_columns_folders_and_names(codings: Path) -> None:
    anna, ben, both = (str(codings / f"{name}.csv") for name in ("anna", "ben", "both"))
    assert _coders([anna, ben]) == ["anna", "ben"]
    assert _coders([both]) == ["coder_a", "coder_b"]
    assert _coders([f"{both}:coder_b", f"Ben={ben}"]) == ["coder_b", "Ben"]
    folder = codings / "carla"
    (folder / ".hidden").mkdir(parents=True)
    for session in ("1", "2"):
        (folder / f"{session}.csv").write_text("turn,code\n0,N\n", encoding="utf-8")
    (folder / ".hidden" / "3.csv").write_text("turn,code\n0,N\n", encoding="utf-8")
    (folder / "notes.txt").write_text("no codes", encoding="utf-8")
    found = gather([str(folder), anna], system=OWN)
    assert [(coding.coder, coding.turns[0].session) for coding in found] == [
        ("carla", "1"),
        ("carla", "2"),
        ("anna", "s"),
    ]


def test_a_name_with_a_sign_in_it_is_a_file(codings: Path) -> None:
    (codings / "a=b:c.csv").write_text(ANNA, encoding="utf-8")
    assert _coders([str(codings / "a=b:c.csv")]) == ["a=b:c"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/anna.csv", "{}/sub/anna.csv"], "each coder by a name of their own, found 'anna'"),
        (["X={}/both.csv"], "expected the codes of one coder to call 'X', found .* coder_a"),
        (["{}/empty"], "expected tables of codes .* in this folder, found none"),
        (["{}/none.csv"], "expected a readable table of codes, found none"),
    ],
)
def test_what_cannot_be_gathered(codings: Path, arguments: list[str], message: str) -> None:
    (codings / "sub").mkdir()
    (codings / "empty").mkdir()
    (codings / "sub" / "anna.csv").write_text(ANNA, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        gather([argument.format(codings) for argument in arguments], system=OWN)


def test_in_a_terminal(codings: Path, alliance: Run) -> None:
    result = alliance("agree", codings / "anna.csv", codings / "ben.csv")
    assert result.exit_code == 0, result.stderr
    out = result.stdout
    assert "2 coders (anna, ben), 3 turns of 1 session" in " ".join(out.split())
    for said in ("Cohen's κ", "Gwet's AC1", "Krippendorff's α", "anna (rows) and ben (columns)"):
        assert said in out


def test_json_report_and_disagreements(codings: Path, alliance: Run) -> None:
    transcript = codings / "s.csv"
    transcript.write_text(
        "turn,speaker,text\n0,therapist,Hello.\n1,client,=Fine.\n2,therapist,Yes.\n",
        encoding="utf-8",
    )
    files = {name: codings / f"out.{name}" for name in ("md", "html", "csv")}
    result = alliance(
        "agree",
        *(codings / "anna.csv", codings / "ben.csv", "--resamples", "20", "--json"),
        *("-o", files["md"], "--html", files["html"]),
        *("--disagreements", files["csv"], "--transcript", transcript),
    )
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["pairs"][0]["confusion"] == [[1, 0, 0, 0], [0, 0, 0, 1], [0] * 4, [0, 0, 0, 1]]
    assert "1 turn on which coders differ" in result.stderr
    with files["csv"].open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows == [
        {
            "session_id": "s",
            "turn": "1",
            "speaker": "client",
            "anna": "withdrawal",
            "ben": "neutral",
            "text": "'=Fine.",
        }
    ]
    assert files["md"].read_text(encoding="utf-8").startswith("# Agreement of coders\n")
    assert "<h1>Agreement of coders</h1>" in files["html"].read_text(encoding="utf-8")
    assert "Hello" not in result.stdout + result.stderr


def test_ratings_in_an_order(codings: Path, alliance: Run) -> None:
    for name, codes in (("a", "1223"), ("b", "1232")):
        rows = "".join(f"{place},{code}\n" for place, code in enumerate(codes))
        (codings / f"{name}.csv").write_text(f"segment,code\n{rows}", encoding="utf-8")
        (codings / name).mkdir()
        (codings / f"{name}.csv").rename(codings / name / "s.csv")
    result = alliance(
        *("agree", codings / "a", codings / "b", "--codes", "any", "--json"),
        *("--order", "1,2,3", "--weights", "quadratic"),
    )
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    overall = figures["speakers"]["pooled"]["overall"]
    assert figures["codes"] == ["1", "2", "3"]
    assert overall["ac2"]["value"] > overall["ac1"]["value"]
    assert "episodes" not in figures


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--codes", "words"], "expected labels, markers or any, found 'words'"),
        (["--codes", "any", "--map", "cis"], "expected none with --codes any"),
        (["--order", "1,2"], "expected with --codes any alone"),
        (["--codes", "any", "--weights", "linear"], "expected with --order"),
        (["--codes", "any", "--order", "N,P", "--weights", "round"], "found 'round'"),
        (["--transcript", "x.csv"], "expected with --disagreements"),
        (["--model", "nobody"], r"one of the coders \(anna, ben\), found 'nobody'"),
        (["--map", "none.csv"], "a readable map of codes"),
    ],
)
def test_options_that_do_not_go_together(
    codings: Path, options: list[str], message: str, alliance: Run
) -> None:
    result = alliance("agree", codings / "anna.csv", codings / "ben.csv", *options)
    assert result.exit_code == 2
    assert re.search(message, result.stderr)


def test_a_name_is_escaped(codings: Path) -> None:
    anna, ben = (str(codings / f"{name}.csv") for name in ("anna", "ben"))
    panel = align(gather([f"<b>|x={anna}", ben], system=OWN))
    figures = panel_figures(panel, resamples=5)
    page = html(figures)
    assert "&lt;b&gt;|x" in page
    assert "<b>" not in page
    assert "<b>\\|x |" in markdown(figures)
    assert all(len(row) == len(one.header) for one in tables(figures) for row in one.rows)
