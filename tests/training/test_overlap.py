"""What we wrote repeats nothing that is tested on."""

from pathlib import Path

import pytest

from alliance.model.codebook import Marker
from alliance.model.session import Session, Turn
from alliance.training import corpora
from alliance.training.corpora import CodedSession
from alliance.training.corpora.overlap import repeated_turns

SHARED = Path(__file__).parents[2].parent / "shared" / "corpora"

# Formulas that people say word for word; each was read.
SMALL_TALK = 8


def _said(name: str, *texts: str) -> CodedSession:
    none = (Marker.N,) * len(texts)
    return CodedSession(
        Session(name, tuple(Turn("client", text) for text in texts)), none, none, none
    )


def test_a_run_of_words_is_found_whatever_its_case_and_punctuation() -> None:
    ours = _said("ours", "Well, I only had two or three of them!", "Fine.")
    theirs = _said("theirs", "so i only had two, or three of them")
    assert repeated_turns([ours], [theirs], words=7) == [("ours", 0)]
    assert repeated_turns([ours], [theirs], words=9) == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the tested corpora, which do not ship")
@pytest.mark.parametrize("name", ["everyday", "quiet", "varied", "registers"])
def test_sessions_of_our_own_repeat_no_tested_text(name: str) -> None:
    tested = [
        *corpora.load(f"annomi:{SHARED / 'annomi' / 'AnnoMI-simple.csv'}"),
        *corpora.coded_jsonl(SHARED / "failed_esconv" / "sessions.jsonl"),
    ]
    ours = corpora.load(name)
    assert len(repeated_turns(ours, tested, words=8)) <= SMALL_TALK
    assert repeated_turns(ours, tested, words=12) == []


def test_what_we_wrote_to_test_on_repeats_nothing_that_we_wrote_to_train_on() -> None:
    trained = [
        coded for name, read in corpora.WRITTEN.items() if name != "registers" for coded in read()
    ]
    assert repeated_turns(corpora.registers(), trained, words=12) == []
