"""Speakers found in a transcript before their roles are settled."""

import io

import pytest

from alliance.model.codebook import Role
from alliance.model.errors import TranscriptError
from alliance.serve.page.preview import Preview, previews


def read(text: str, name: str) -> list[Preview]:
    return list(previews(io.BytesIO(text.encode()), name=name))


def test_names_stay_and_known_roles_are_told() -> None:
    (one,) = read("Dr. Lee: Hello there, how are you?\nAnna: Fine.\nAnna: I said fine.\n", "x.txt")
    assert [turn.speaker for turn in one.session.turns] == ["Dr. Lee", "Anna", "Anna"]
    lee, anna = one.speakers
    assert (lee.name, lee.role, lee.turns) == ("Dr. Lee", Role.THERAPIST, 1)
    assert (anna.name, anna.role, anna.turns) == ("Anna", None, 2)
    assert anna.samples == ("I said fine.",)  # what tells who somebody is, not a bare "Fine."


def test_a_column_of_roles_is_believed() -> None:
    table = "session,speaker,role,text\n1,Kim,therapist,Hello\n1,Ali,client,Hi\n2,Bo,,What?\n"
    first, second = read(table, "x.csv")
    assert [(one.name, one.role) for one in first.speakers] == [
        ("Kim", Role.THERAPIST),
        ("Ali", Role.CLIENT),
    ]
    assert [(one.name, one.role) for one in second.speakers] == [("Bo", None)]


def test_somebody_who_is_neither_is_told_as_such() -> None:
    (one,) = read("T: Hello you there.\nOther: I will be quick.\n", "x.txt")
    assert [speaker.role for speaker in one.speakers] == [Role.THERAPIST, Role.OTHER]


def test_what_is_no_transcript_is_an_error() -> None:
    with pytest.raises(TranscriptError):
        read("WEBVTT\n", "x.vtt")
