"""All figures about whole sessions in one block, as tables, and in ``alliance evaluate``."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from alliance.serve.main import app
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.session_figures import session_figures
from alliance.training.evaluation.session_tables import rivals_markdown, session_markdown
from alliance.training.rivals.figures import rival_figures

Draw = Callable[..., Predictions]
Make = Callable[..., list[CodedSession]]
Write = Callable[[Path, Sequence[CodedSession]], None]

STUB = Path(__file__).parents[2] / "data" / "stub_model"
SESSIONS = {
    "a": "tNN cWW tCN cNN",
    "b": "tPP cPN tNN cNW/NP",
    "c": "tNN cNN tNN cPP",
    "d": "tCC cCC/CN tWN cNN",
}
QUALITY = {"a": "low", "b": "high", "c": "high", "d": "low"}


def test_the_block_is_plain_json_and_follows_the_seed(sketch_predictions: Draw) -> None:
    drawn = sketch_predictions(SESSIONS)
    rival = sketch_predictions(SESSIONS, model="rival", sure=0.4)
    options: dict[str, Any] = {
        "quality": QUALITY,
        "ratings": {("a", 3): 1, ("b", 3): 4},
        "resamples": 30,
    }
    found = session_figures(drawn, rivals={"rival": rival}, **options)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found)[-5:] == ["episodes", "counts", "segments", "quality", "ratings"]
    assert session_figures(drawn, rivals={"rival": rival}, **options) == found
    assert {"quality", "ratings"}.isdisjoint(session_figures(drawn, resamples=2))


def test_tables_say_what_the_figures_say(sketch_predictions: Draw) -> None:
    drawn = sketch_predictions(SESSIONS)
    found = session_figures(
        drawn,
        quality=QUALITY,
        ratings={("a", 3): 1, ("b", 3): 4},
        rivals={"other": drawn},
        resamples=30,
    )
    text = session_markdown(found)
    assert "3RS-informed, not a 3RS rating" in text
    assert "low quality by AnnoMI's experts. A unit is a session." in text
    assert "A unit is the 5 turns up to and including a rated one." in text
    assert "| other, mean probability |" in text
    assert "| client | onset within ±3, or overlap |" in text
    assert "nan" not in text.lower()
    assert "None" not in text
    assert well_formed(text)


def well_formed(text: str) -> bool:
    blocks = [
        [line for line in block.splitlines() if line.startswith("|")]
        for block in text.split("\n\n")
    ]
    return all(len({line.count("|") for line in rows}) <= 1 for rows in blocks)


def test_rivals_stand_on_the_same_turns(sketch_predictions: Draw) -> None:
    drawn = sketch_predictions(SESSIONS)
    dull = sketch_predictions(
        {
            name: " ".join(word[:2] + "N" for word in SESSIONS[name].split())
            for name in reversed(SESSIONS)  # the order of sessions does not matter
        },
        model="always neutral",
    )
    found = rival_figures(drawn, {"dull": dull}, resamples=40)
    pooled = found["speakers"]["pooled"]
    ours, theirs = pooled["models"]["model"], pooled["models"]["dull"]
    assert theirs["f1"]["neutral"]["value"] == pytest.approx(2 * 8 / 24, abs=1e-6)
    assert theirs["f1"]["withdrawal"]["value"] == 0.0
    assert theirs["difference"]["value"] == pytest.approx(
        ours["macro_f1"]["value"] - theirs["macro_f1"]["value"], abs=2e-6
    )
    assert "difference" not in ours
    # The coders differ on two turns of 16: F1 of N is 15/17 there.
    assert pooled["coders"]["turns"] == 16
    assert pooled["coders"]["f1"]["confrontation"]["value"] == pytest.approx(4 / 5)
    text = rivals_markdown(found, {"dull": "always the same"})
    assert "| always the same |" in text
    assert text.index("The client's turns") < text.index("The therapist's") < text.index("pooled")
    assert well_formed(text)
    with pytest.raises(ValueError, match="'dull' is not on the same turns"):
        rival_figures(drawn, {"dull": sketch_predictions({"a": SESSIONS["a"]})})
    with pytest.raises(ValueError, match="named 'model'"):
        rival_figures(drawn, {"model": dull})


def test_evaluate_reports_whole_sessions_and_ratings(
    tmp_path: Path, coded_sessions: Make, write_coded_lines: Write
) -> None:
    corpus = tmp_path / "mine.jsonl"
    write_coded_lines(corpus, coded_sessions(4))
    lines = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    for number, line in enumerate(lines):
        line["turns"][7]["feedback"] = str(1 + number)
    corpus.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    out = tmp_path / "report.json"
    words = ["evaluate", STUB, corpus, "-o", out, "--resamples", "20", "-q"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text(encoding="utf-8"))["sessions_level"]
    assert report["episodes"]["speakers"]["pooled"]["model"]["gold"] > 0
    ratings = report["ratings"]["speakers"]["pooled"]
    assert (ratings["units"], ratings["positive"], ratings["groups"]) == (4, 2, 4)
    assert "quality" not in report
    shown = CliRunner().invoke(app, ["evaluate", str(STUB), str(corpus), "--resamples", "5", "-q"])
    assert "Rupture episodes" in shown.stdout
