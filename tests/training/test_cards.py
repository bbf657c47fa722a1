import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from alliance.model.errors import ConfigError, InputError
from alliance.training import cards, commands, composition, corpora
from alliance.training.evaluation import figures as evaluation
from alliance.training.evaluation import tables
from alliance.training.evaluation.predictions import Predictions

CARDS = Path(__file__).parents[2] / "data_cards"
STUB = Path(__file__).parents[1] / "data" / "stub_model"
BLOCK = "<!-- figures: {} -->\n{}<!-- end -->\n"


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    made = typer.Typer()
    made.add_typer(commands.corpora, name="corpora")
    made.command()(commands.evaluate)
    made.command()(commands.card)
    return made


# --- composition


def test_the_composition_adds_up() -> None:
    text = composition.composition(cards.annomi_without_text())
    assert "8,037 coded turns in 109 sessions." in text
    assert "| withdrawal rupture | 144 | 19 | 163 |" in text
    assert "| all | 3,989 | 4,048 | 8,037 |" in text
    assert "| WT | therapist withdrawal | – | 19 |" in text


def test_the_coders_agreement_is_what_the_corpora_notes_say() -> None:
    text = composition.coder_agreement(cards.annomi_without_text())
    kappa = next(line for line in text.splitlines() if "κ" in line)
    macro = next(line for line in text.splitlines() if "macro" in line)
    assert kappa.split("|")[4].strip().startswith(".81 [")
    assert macro.split("|")[4].strip().startswith(".87 [")


def test_folds_and_facts_are_counted() -> None:
    assert composition.folds(cards.annomi_without_text()).count("\n") == 6
    style = composition.facts(corpora.authored(), "style")
    assert sum(int(n) for n in re.findall(r"\((\d+)\)$", style, re.MULTILINE)) == 384


# --- cards


def test_our_cards_are_up_to_date() -> None:
    report = cards.fill_cards(CARDS, write=False)
    assert report.changed == ()
    # What cannot be checked from what ships: FailedESConv, and reports still to be made.
    assert all(b.startswith(("failed_esconv.md: ", "model.md: ")) for b in report.left)


def test_our_cards_hold_no_words_of_a_transcript() -> None:
    text = "\n".join(card.read_text() for card in CARDS.glob("*.md"))
    turns = {turn.text for s in corpora.authored() for turn in s.session.turns}
    assert not [words for words in turns if len(words) > 25 and words in text]


def test_only_what_stands_between_the_marks_is_written(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    unknown = BLOCK.format("elsewhere", "kept\n")
    card.write_text("# Ours\n\n" + BLOCK.format("annomi/folds", "stale\n") + unknown + "\nEnd.\n")
    report = cards.fill_cards(tmp_path)
    assert (report.changed, report.left) == ((card,), ("card.md: elsewhere",))
    text = card.read_text()
    assert text.startswith("# Ours\n\n<!-- figures: annomi/folds -->\n\n| fold |")
    assert text.endswith(f" |\n\n<!-- end -->\n{unknown}\nEnd.\n")
    assert "stale" not in text
    assert cards.fill_cards(tmp_path).changed == ()


@pytest.mark.parametrize(
    "text",
    [
        "<!-- figures: annomi/folds -->\nnever ends\n",
        "<!-- figures: annomi/folds -->\n" + BLOCK.format("annomi/composition", ""),
    ],
)
def test_figures_without_an_end_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.md").write_text(text)
    with pytest.raises(InputError, match="<!-- end -->"):
        cards.fill_cards(tmp_path)
    assert (tmp_path / "card.md").read_text() == text


def test_a_folder_without_cards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        cards.fill_cards(tmp_path)


def test_a_file_that_is_no_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.json").write_text('{"a": 1}')
    (tmp_path / "card.md").write_text(BLOCK.format("mine", ""))
    with pytest.raises(InputError, match=r"mine\.json"):
        cards.fill_cards(tmp_path)


def test_every_kind_of_report_has_its_tables() -> None:
    probabilities = np.full((40, 4), 0.25)
    zeros, quarters = np.zeros(40, dtype=np.int64), np.arange(40) % 4
    made = Predictions(
        "net", ("a", "b"), quarters // 2, np.arange(40), quarters % 2, quarters, quarters, quarters,
        probabilities, zeros, zeros > 0, zeros, zeros,
    )  # fmt: skip
    figures = evaluation.figures(made, resamples=20)
    report = {
        "config": {"name": "net"},
        "network": figures,
        "baseline": {**figures, "model": "rival"},
        "macro_f1_difference": {"value": 0.1, "low": 0.05, "high": 0.15},
    }
    text = cards.report_markdown(json.loads(json.dumps(report)))
    assert text.startswith(tables.markdown(figures))
    assert "The baseline (rival)" in text
    assert "+.10 [+.05, +.15]" in text
    compared = evaluation.comparison(made, made, resamples=20)
    assert cards.report_markdown(compared) == tables.comparison_markdown(compared)
    with pytest.raises(ValueError, match="no figures"):
        cards.report_markdown({"config": {}})


# --- commands


def test_the_commands_are_light_to_import() -> None:
    heavy = "{'numpy', 'torch', 'sklearn', 'datasets', 'transformers', 'onnxruntime'}"
    code = f"import sys, alliance.training.commands; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def few_sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four coded sessions in the words that the stub model knows."""
    words = {"CT": "you must", "C3": "useless", "W2": "dunno", "PB": "thanks", "N": "hello"}
    lines = []
    for number in range(4):
        turns = [
            {
                "speaker": "therapist" if code in ("CT", "PB") else "client",
                "text": f"{words[code]} SECRET",
                "code": "N" if number == 3 else code,
                "coder_a": code,
                "coder_b": code,
            }
            for code in words
        ]
        turns.append({"speaker": "client", "text": "[inaudible]", "code": "N"})
        lines.append(json.dumps({"id": f"s{number}", "turns": turns}))
    file = tmp_path_factory.mktemp("coded") / "few.jsonl"
    file.write_text("\n".join(lines))
    return file


def test_evaluate_writes_figures_tables_and_predictions(
    app: typer.Typer, few_sessions: Path, tmp_path: Path
) -> None:
    report, table, turns = (tmp_path / name for name in ("r.json", "r.md", "p.npz"))
    arguments = ["evaluate", str(STUB), str(few_sessions), "--resamples", "50"]
    outputs = ["-o", str(report), "--markdown", str(table), "--predictions", str(turns)]
    result = CliRunner().invoke(app, arguments + outputs)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    figures = json.loads(report.read_text())
    assert (figures["corpus"], figures["turns"], figures["no_words"]) == ("few.jsonl", 20, 4)
    assert figures["speakers"]["pooled"]["accuracy"]["value"] == 16 / 20
    assert figures["speakers"]["pooled"]["coders_kappa"]["value"] == 1.0
    assert "no words: 4" in table.read_text()
    assert turns.exists()
    everything = report.read_text() + table.read_text() + turns.read_bytes().decode("latin-1")
    assert "SECRET" not in everything


def test_evaluate_prints_tables_when_no_file_is_named(app: typer.Typer, few_sessions: Path) -> None:
    arguments = ["evaluate", str(STUB), str(few_sessions), "--resamples", "20"]
    result = CliRunner().invoke(app, arguments)
    assert result.stdout.startswith("# stub-1 on few.jsonl\n")
    assert "| macro-F1 |" in result.stdout


@pytest.mark.parametrize(("corpus", "told"), [("varied", True), ("registers", False)])
def test_evaluate_tells_where_the_shipped_model_was_trained(
    app: typer.Typer,
    few_sessions: Path,
    monkeypatch: pytest.MonkeyPatch,
    corpus: str,
    *,
    told: bool,
) -> None:
    few = corpora.load(str(few_sessions))
    monkeypatch.setattr("alliance.training.corpora.load", lambda *_args, **_options: few)
    monkeypatch.setattr("alliance.model.classifier.shipped_weights", lambda: STUB)
    result = CliRunner().invoke(app, ["evaluate", "shipped", corpus, "--resamples", "20"])
    assert result.exit_code == 0, result.output
    assert (f"the shipped model was trained on {corpus}" in result.stderr) is told


def test_a_report_fills_a_card(app: typer.Typer, few_sessions: Path, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    report = tmp_path / "figures" / "ours.json"
    CliRunner().invoke(
        app, ["evaluate", str(STUB), str(few_sessions), "-o", str(report), "--resamples", "20"]
    )
    card = tmp_path / "model.md"
    card.write_text(BLOCK.format("ours", "") + BLOCK.format("few/composition", ""))
    check = ["card", str(tmp_path), "--check", "--corpus", f"few={few_sessions}"]
    stale = CliRunner().invoke(app, check)
    assert (stale.exit_code, "out of date" in stale.stderr) == (1, True)
    assert "macro-F1" not in card.read_text()
    assert CliRunner().invoke(app, [arg for arg in check if arg != "--check"]).exit_code == 0
    assert "| macro-F1 |" in card.read_text()
    assert "24 coded turns in 4 sessions." in card.read_text()
    assert CliRunner().invoke(app, check).exit_code == 0


def test_a_malformed_corpus_option_is_refused(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["card", str(CARDS), "--check", "--corpus", "few"])
    assert isinstance(result.exception, ConfigError)


def test_corpora_lists_and_shows(app: typer.Typer, few_sessions: Path, tmp_path: Path) -> None:
    listed = CliRunner().invoke(app, ["corpora", "list", "--annomi", str(tmp_path / "none.csv")])
    named = [line.split()[0] for line in listed.stdout.splitlines()]
    assert named == [*corpora.WRITTEN, "annomi", "PATH"]
    assert "alliance corpora fetch annomi" in listed.stdout
    shown = CliRunner().invoke(app, ["corpora", "show", str(few_sessions)])
    assert "24 coded turns in 4 sessions." in shown.stdout
    assert "SECRET" not in shown.stdout


def test_only_annomi_is_fetched(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["corpora", "fetch", "authored"])
    assert isinstance(result.exception, ConfigError)
