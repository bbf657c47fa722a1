import os
from pathlib import Path

import pytest

from alliance.model.errors import InputError
from alliance.serve.inputs import find_files


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    for name in ("b.txt", "a.vtt", "sub/c.csv", ".hidden.txt", ".git/d.txt", "e.png", "out.csv"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names(found: list[Path | str], corpus: Path) -> list[str]:
    return [Path(file).relative_to(corpus).as_posix() for file in found]


def test_a_folder_stands_for_its_transcripts_in_order(corpus: Path) -> None:
    found = find_files([corpus], output=corpus / "sub" / ".." / "out.csv")
    assert names(found, corpus) == ["a.vtt", "b.txt", "sub/c.csv"]


def test_each_file_once_in_the_order_given(corpus: Path) -> None:
    found = find_files([corpus / "b.txt", corpus, corpus / "a.vtt"])
    assert names(found, corpus) == ["b.txt", "a.vtt", "out.csv", "sub/c.csv"]
    assert find_files(["-", "-"]) == ["-"]


def test_what_lies_beside_a_transcript_is_none(corpus: Path) -> None:
    for name in ("convokit/utterances.jsonl", "convokit/speakers.json", "convokit/index.json"):
        path = corpus / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (corpus / "~$b.docx").touch()  # Word has b.docx open
    (corpus / "speakers.json").touch()  # no corpus here: this one is a transcript
    found = names(find_files([corpus]), corpus)
    assert [name for name in found if "convokit" in name] == ["convokit/utterances.jsonl"]
    assert "speakers.json" in found
    assert "~$b.docx" not in found


def test_named_files_stay_whatever_they_are(corpus: Path) -> None:
    given = [corpus / "e.png", corpus / "none.txt", corpus / ".hidden.txt"]
    assert find_files(given) == given


def test_the_output_is_no_input(corpus: Path) -> None:
    with pytest.raises(InputError, match="not also an input"):
        find_files([corpus / "b.txt"], output=corpus / "sub" / ".." / "b.txt")
    if hasattr(os, "symlink"):
        (corpus / "link.txt").symlink_to(corpus / "b.txt")
        with pytest.raises(InputError, match="not also an input"):
            find_files([corpus / "link.txt"], output=corpus / "b.txt")


def test_a_folder_without_transcripts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected transcripts \(.*\.vtt.*found none"):
        find_files([tmp_path])
