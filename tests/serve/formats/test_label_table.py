import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.errors import TranscriptError
from alliance.model.formats.roles import RoleMap
from alliance.model.formats.source import Source
from alliance.model.labelled import LabelledSession
from alliance.serve.formats.label_table import LabelTable
from alliance.serve.formats.sessions import labelled_session
from alliance.serve.table import row

Write = Callable[..., bytes]

HEAD = "session_id,turn,speaker,start_ms,end_ms,label,marker,p_neutral,abstained\n"


def source(data: bytes, name: str = "labels.csv", **roles: str) -> Source:
    return Source(io.BytesIO(data), name, RoleMap(roles))


def problems(text: str, **roles: str) -> list[str]:
    found: list[TranscriptError] = []
    table = LabelTable.open(source(text.encode(), **roles))
    assert table is not None
    for _ in table.rows(found.append):
        pass
    return [str(each) for each in found]


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "xlsx"])
def test_what_was_written_comes_back(session: LabelledSession, written: Write, name: str) -> None:
    table = LabelTable.open(source(written(name, session), f"labels.{name}", Mother="other"))
    assert table is not None
    rows = [each.values for each in table.one_coding(complete=True)]
    assert labelled_session(rows) == session
    for made, labelled in zip(rows, session, strict=True):
        wanted = row(session, labelled)
        assert {key: value or None for key, value in made.items()} == {
            key: value or None for key, value in wanted.items()
        }


@pytest.mark.parametrize("text", ["speaker,text\nT,x\n", "turn,speaker,text\n0,T,x\n", ""])
def test_a_transcript_is_no_table_of_labels(text: str) -> None:
    assert LabelTable.open(source(text.encode())) is None
    assert LabelTable.open(source(text.encode(), "x.txt")) is None


def test_labels_may_be_written_as_people_write_them() -> None:
    text = "session,turn,code\ns,0,W2\ns,1,withdrawal rupture\ns,2,\n"
    table = LabelTable.open(source(text.encode()))
    assert table is not None
    rows = [each.values for each in table.one_coding()]
    assert [(each["label"], each["marker"]) for each in rows] == [
        ("withdrawal", "W2"),
        ("withdrawal", None),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("s,0,T,,,sad,,,", ":2: expected a label (alliance_positive, withdrawal"),
        ("s,0,T,,,sad,,,", "found 'sad'; correct it"),
        ("s,0,T,,,I was so very sad,,,", "found something else; correct it"),
        ("s,0,C,,,neutral,W9,,", ":2: expected a marker (W1, W2"),
        ("s,0,C,,,neutral,W2,,", ":2: expected a marker of neutral (N), found W2"),
        ("s,0,T,,,withdrawal,W2,,", ":2: expected a marker of the therapist (WT), found W2"),
        ("s,0,C,,,,W2,,", ":2: expected a label with the marker, found none"),
        ("s,0,Mum,,,neutral,,,", ":2: expected labels on turns of client and therapist alone"),
        ("s,0,T,,,neutral,,,\ns,2,C,,,,,,", ":3: expected every turn of the session, counted"),
        ("s,0,T,,,neutral,,,\ns,4,C,,,,,,", "found turns 1 to 3 missing; add the rows"),
        ("s,1,T,,,neutral,,,", "counted from 0, found turn 0 missing"),
        ("s,0,T,,,neutral,,,\ns,0,C,,,,,,", ":3: expected each turn once, found turn 0 of"),
        ("s,0,T,,,,,,\ns,1,T,,,,,,\ns,2,T,,,,,,\ns,1,C,,,,,,", ":5: expected each turn once"),
        ("s,0,T,,,,,,\nu,0,T,,,,,,\ns,1,C,,,,,,", ":4: expected the rows of a session together"),
        ("s,x,T,,,,,,", ":2: expected 'turn' as a whole number from 0, found 'x'"),
        (",0,T,,,,,,", ":2: expected every row to name its session"),
        ("s,0,T,900,100,,,,", ":2: expected a turn to end after its start"),
        ("s,0,T,900,950,,,,\ns,1,T,100,200,,,,", ":3: expected turns in the order of their start"),
        ("s,0,T,now,,,,,", ":2: expected 'start_ms' in milliseconds, found 'now'"),
        ("s,0,T,,,neutral,,1.5,", ":2: expected 'p_neutral' as a probability (0-1), found '1.5'"),
        ("s,0,T,,,neutral,,0.5,", ":2: expected all four probabilities or none, found 1"),
        ("s,0,T,,,neutral,,,maybe", ":2: expected 'abstained' as true or false, found 'maybe'"),
    ],
)  # fmt: skip
def test_everything_wrong_is_told(rows: str, said: str) -> None:
    assert any(said in problem for problem in problems(HEAD + rows + "\n"))


def test_probabilities_have_to_fit() -> None:
    head = (
        "turn,label,unlabelled_reason,p_alliance_positive,p_withdrawal,p_confrontation,p_neutral\n"
    )
    (problem,) = problems(head + "0,neutral,,0.1,0.1,0.1,0.8\n")
    assert "expected probabilities that sum to 1, found 1.1000" in problem
    (problem,) = problems(head + "0,neutral,no_words,0,0,0,1\n")
    assert "expected a label or a reason for having none, found both" in problem
    (problem,) = problems(head + "0,,,0,0,0,1\n")
    assert "expected a label beside the probabilities" in problem
    assert problems(head + "0,neutral,,0,0,0,1\n") == []


def test_several_coders() -> None:
    wide = "session_id,turn,coder_a,coder_b\ns,0,W2,N\ns,1,oops,N\n"
    (problem,) = problems(wide)
    assert "in 'coder_a', found 'oops'" in problem
    table = LabelTable.open(source(wide.encode()))
    assert table is not None
    with pytest.raises(TranscriptError, match="one person's codes, found columns coder_a, coder_b"):
        list(table.one_coding())
    tall = "session_id,turn,coder,code\ns,0,ann,W2\ns,0,bo,N\ns,1,ann,N\ns,1,bo,N\n"
    assert problems(tall) == []
    table = LabelTable.open(source(tall.encode()))
    assert table is not None
    with pytest.raises(TranscriptError, match=r"labels\.csv:3: .* rows of another coder"):
        list(table.one_coding())


CELL = st.one_of(
    st.sampled_from(["", "s", "0", "1", "W2", "neutral", "T", "C", "nan", "1e999", "true", "0.5"]),
    st.text(max_size=8),
)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.lists(CELL, min_size=9, max_size=9), max_size=6))
def test_any_cells_end_in_rows_and_problems(rows: list[list[str]], written: Write) -> None:
    names = HEAD.strip().split(",")
    cells: list[dict[str, Any]] = [dict(zip(names, each, strict=True)) for each in rows]
    found: list[TranscriptError] = []
    table = LabelTable.open(source(written("jsonl", rows=cells, columns=tuple(names)), "x.jsonl"))
    if table is None:
        assert not rows
        return
    made = [each.values for each in table.rows(found.append)]
    assert len(made) == len(rows)
    if not found and made:
        one = [each for each in made if each["session_id"] == made[0]["session_id"]]
        if all(each["speaker"] for each in one):
            labelled_session(one)
