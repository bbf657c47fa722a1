"""The corpora that people have, read as they are; each is a file beside this repository."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from alliance.model.formats import read_sessions
from alliance.model.session import Session

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared"


@pytest.fixture
def corpus() -> Callable[[str], list[Session]]:
    def load(name: str) -> list[Session]:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"no {name} beside the repository")
        return list(read_sessions(path))

    return load


def test_annomi(corpus: Callable[[str], list[Session]]) -> None:
    sessions = corpus("corpora/annomi/AnnoMI-simple.csv")
    with (SHARED / "corpora/annomi/AnnoMI-simple.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [session.id for session in sessions] == list(
        dict.fromkeys(row["transcript_id"] for row in rows)
    )
    assert len(sessions) == 133
    turns = [turn for session in sessions for turn in session.turns]
    assert len(turns) == 9_699
    assert [(turn.speaker, turn.utterance_id, turn.text) for turn in turns] == [
        (row["interlocutor"], row["utterance_id"], row["utterance_text"]) for row in rows
    ]
    assert {turn.speaker for turn in turns} == {"therapist", "client"}
    first = turns[0]
    assert (first.speaker, first.start_ms, first.utterance_id) == ("therapist", 13_000, "0")
    assert first.text.startswith("Thanks for filling it out.")
    # One time is written 00:09:025.
    assert all(turn.start_ms is not None for turn in turns)


@pytest.mark.parametrize(
    ("name", "sessions", "turns"),
    [
        ("corpora/authored/sessions.jsonl", 384, 15_780),
        ("corpora/failed_esconv/sessions.jsonl", 196, 3_968),
    ],
)
def test_json_lines(
    corpus: Callable[[str], list[Session]], name: str, sessions: int, turns: int
) -> None:
    found = corpus(name)
    assert len({session.id for session in found}) == len(found) == sessions
    assert sum(len(session.turns) for session in found) == turns


def test_the_seed_cases(corpus: Callable[[str], list[Session]]) -> None:
    found = {session.id for session in corpus("seeds/cases.jsonl")}
    assert found >= {"diane", "monica", "elsa"}


def test_the_corpus_that_ships() -> None:
    found = list(read_sessions(ROOT / "training" / "corpora" / "authored.jsonl"))
    assert (len(found), sum(len(session.turns) for session in found)) == (384, 15_780)
    assert {turn.speaker for s in found for turn in s.turns} >= {"therapist", "client"}
