import json
from pathlib import Path

import pytest

from alliance.serve.batch import benchmark, benchmark_pipeline
from alliance.serve.batch.benchmark_card import card
from alliance.serve.batch.benchmark_coded import read_coded

STUB = Path(__file__).parents[2] / "data" / "stub_model"


@pytest.fixture
def coded(tmp_path: Path) -> Path:
    """Three coded sessions of four turns."""
    path = tmp_path / "coded.jsonl"
    turns = [
        {"speaker": "therapist", "text": "How was it?", "code": "N"},
        {"speaker": "client", "text": "dunno", "code": "W2"},
        {"speaker": "therapist", "text": "[pause]", "code": None},
        {"speaker": "client", "text": "You never listen.", "code": "C1"},
    ]
    lines = [json.dumps({"id": f"s{n}", "turns": turns}) for n in range(3)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("over_session", [False, True])
def test_the_parts_that_need_no_rival_give_figures_and_a_card(
    coded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    over_session: bool,
) -> None:
    model = request.getfixturevalue("layered") if over_session else STUB
    figures = tmp_path / "speed.json"
    words = ["benchmark", "endtoend", "profile", "linear", "--turns", "8", "40", "--rounds", "1"]
    words += ["--coded", str(coded), "--model", str(model), "-o", str(figures)]
    monkeypatch.setattr("sys.argv", words)
    benchmark.main()
    made = json.loads(figures.read_text(encoding="utf-8"))
    assert made["endtoend"]["measured"]["turns"] == 12
    assert made["endtoend"]["measured"]["ratio"] > 0
    assert made["endtoend"]["measured"]["peak_memory_mb"] > 10
    assert sum(made["profile"]["measured"]["share"].values()) == pytest.approx(1, abs=0.01)
    assert [row["turns"] for row in made["linear"]["measured"]] == [8, 40]
    assert str(tmp_path) not in figures.read_text(encoding="utf-8")
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["benchmark", "card", "-o", str(figures)])
    benchmark.main()
    page = capsys.readouterr().out
    assert page == card(made) + "\n"
    assert "## From CSV to CSV" in page
    assert "| run the encoder |" in page


def test_labels_are_compared_with_codes_and_with_the_reference(coded: Path) -> None:
    sessions = read_coded(coded, limit=2)
    assert (len(sessions.sessions), sessions.turns) == (2, 8)
    compared = sessions.compare(sessions.gold, sessions.gold)
    assert (compared["macro_f1"], compared["agreement"]) == (1.0, 1.0)
    other = [gold.copy() for gold in sessions.gold]
    other[0][1] = 0
    compared = sessions.compare(other, sessions.gold)
    assert compared["agreement"] == pytest.approx(5 / 6, abs=1e-5)
    assert compared["largest_f1_difference"] > 0.3


def test_a_table_is_written_to_size(coded: Path, tmp_path: Path) -> None:
    sessions = read_coded(coded).sessions
    assert benchmark_pipeline.write_table(tmp_path / "t.csv", sessions, turns=30) == 32


def test_the_card_is_filled_from_the_figures_that_were_measured() -> None:
    cards = Path(__file__).parents[3] / "data_cards"
    figures = json.loads((cards / "figures" / "speed.json").read_text(encoding="utf-8"))
    assert (cards / "speed.md").read_text(encoding="utf-8") == card(figures) + "\n"
