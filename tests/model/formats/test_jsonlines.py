import json
from collections.abc import Callable
from typing import Any

import pytest

from alliance.model.errors import TranscriptError, UnknownSpeakerError
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
TURNS = [{"speaker": "T", "text": "How are you?"}, {"speaker": "C", "text": "Fine."}]
PAIR = [(T, "How are you?"), (C, "Fine.")]
FULL = {
    "id": "s1",
    "client_id": "anna",
    "date": "2024-05-31",
    "number": 2,
    "setting": ["extra", {"keys": "are"}, "passed over"],
    "turns": [
        {"speaker": "client", "text": "Hi.", "start_ms": 0, "end_ms": 900, "utterance_id": "u1"},
        {"speaker": "therapist", "text": "", "code": "N", "start": 1.5, "end": "0:02", "id": 7},
        {"speaker": "Therapist", "text": None, "start_ms": None},
    ],
}


def test_a_session_a_line_with_all_its_facts(read: Read) -> None:
    content = f"{json.dumps(FULL)}\n\n{json.dumps({**FULL, 'id': 2})}\r\n"
    first, second = read("a.jsonl", content)
    assert (first.id, first.client_id, str(first.date), first.number) == (
        "s1",
        "anna",
        "2024-05-31",
        2,
    )
    assert second.id == "2"
    assert [
        (turn.speaker, turn.text, turn.start_ms, turn.end_ms, turn.utterance_id)
        for turn in first.turns
    ] == [(C, "Hi.", 0, 900, "u1"), (T, "", 1500, 2000, "7"), (T, "", None, None, "")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.JSON"])
@pytest.mark.parametrize(
    "document",
    [
        {"turns": TURNS},
        {"session_id": "a", "turns": TURNS, "episodes": []},
        {"session": {"id": "a", "turns": TURNS}, "purpose": "research"},
    ],
)
def test_one_session(read: Read, said: Said, name: str, document: dict[str, Any]) -> None:
    content = json.dumps(document)
    assert said(name, content) == PAIR
    assert read(name, content)[0].id == "a"


def test_documents_with_several(read: Read) -> None:
    two = [{"id": "x", "turns": TURNS}, {"session": {"id": "y", "turns": TURNS}}]
    for document in (two, {"sessions": two}):
        assert [s.id for s in read("a.json", json.dumps(document, indent=2))] == ["x", "y"]
    rows = [{**turn, "session_id": n // 2} for n, turn in enumerate(TURNS * 2)]
    sessions = read("a.json", json.dumps(rows))
    assert [(s.id, len(s.turns)) for s in sessions] == [("0", 2), ("1", 2)]


def test_a_turn_a_line(read: Read) -> None:
    rows = [
        {"session_id": "s1", "turn": 0, "speaker": "therapist", "start_ms": 5, "text": "Hello."},
        {"session_id": "s1", "speaker": "Mum", "text": "Hi.", "unlabelled_reason": "role_other"},
        {"session_id": "s2", "speaker": "client", "text": "No."},
    ]
    first, second = read("a.jsonl", "\n".join(map(json.dumps, rows)))
    assert [turn.speaker for turn in first.turns] == [T, "Mum"]
    assert (first.turns[0].start_ms, second.id) == (5, "s2")


def test_other_names_for_keys(said: Said, read: Read) -> None:
    row = {"interlocutor": "T", "utterance_text": "How are you?"}
    assert said("a.jsonl", json.dumps({"turns": [row]})) == PAIR[:1]
    odd = json.dumps({"turns": [{"wer": "T", "was": "How are you?", "text": "no"}]})
    columns = {"speaker": "wer", "text": "was", "start": "when"}
    assert said("a.jsonl", odd, columns=columns) == PAIR[:1]
    with pytest.raises(TranscriptError, match="expected a column 'what' for text, found 'wer'"):
        read("a.jsonl", odd, columns={"text": "what", "speaker": "wer"})


def test_speakers_that_are_numbers_are_asked_for(read: Read) -> None:
    with pytest.raises(UnknownSpeakerError, match=r"--role '0=.*--role '1="):
        read("a.jsonl", json.dumps({"turns": [{"speaker": n, "text": "x"} for n in (0, 1)]}))


def test_odd_characters_in_strings(said: Said) -> None:
    turn = {"speaker": "T\n\u200e ", "text": "a\u2028b\x85c\rd\te\ud83d"}
    content = json.dumps({"turns": [turn]}, ensure_ascii=True)
    assert said("a.jsonl", content) == [(T, turn["text"])]
    assert said("a.jsonl", '{"turns": [{"speaker": "T", "text": "a\u2028b\u0085c"}]}') == [
        (T, "a\u2028b\u0085c")
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": ', r"expected JSON, found what is not at column \d+ \(Expecting value\)"),
        ('{"id": "whisper', "Invalid control character"),
        ("[1, 2]", "expected a JSON object with a session or a turn"),
        ('"whisper"', "expected a JSON object"),
        ("NaN", "expected a JSON object"),
        ("[" * 100_000, "expected JSON of a session, found brackets within brackets"),
        ("9" * 5000, "found a number that is too long"),
        ('{"id": "s2", "turns": 5}', "expected 'turns' to be a list of objects"),
        ('{"id": "s2", "turns": ["whisper"]}', "expected 'turns' to be a list of objects"),
        ('{"id": "s2", "turns": []}', "expected a session with turns, found none"),
        ('{"id": "s1", "turns": [{"speaker": "T", "text": "x"}]}', "an id of its own"),
        ('{"id": [1], "turns": [{"speaker": "T", "text": "x"}]}', "expected text in 'id'"),
        ('{"id": "s2", "date": "May", "turns": []}', "expected a date such as 2024-05-31"),
        ('{"id": "s2", "number": true, "turns": []}', "found a truth value"),
        ('{"id": "s2", "turns": [{"speaker": "T"}]}', "a turn with the key 'text', found 'speak"),
        ('{"id": "s2", "turns": [{}]}', "a turn with the key 'text', found none"),
        ('{"id": "s2", "turns": [{"text": "whisper"}]}', "a turn with the key 'speaker'"),
        ('{"id": "s2", "turns": [{"speaker": null, "text": "whisper"}]}', "to name its speaker"),
        ('{"id": "s2", "turns": [{"speaker": 1.5, "text": "whisper"}]}', "found a number"),
        ('{"id": "s2", "turns": [{"speaker": "T", "text": 5}]}', "expected text in 'text'"),
        (
            '{"id": "s2", "turns": [{"speaker": "T", "text": "x", "start_ms": -1}]}',
            "milliseconds in 'start_ms', found something else",
        ),
        (
            '{"id": "s2", "turns": [{"speaker": "T", "text": "x", "start_ms": true}]}',
            "expected a time",
        ),
        (
            '{"id": "s2", "turns": [{"speaker": "T", "text": "x", "start": Infinity}]}',
            "expected a time",
        ),
        (
            '{"id": "s2", "turns": [{"speaker": "T", "text": "x", "start": 1' + "0" * 400 + "}]}",
            "expected a time",
        ),
        (
            '{"id": "s2", "turns": [{"speaker": "T", "text": "x", "start": 1e999}]}',
            "expected a time",
        ),
        (
            '{"id": "s2", "turns": [{"speaker": "T", "text": "x", "start": 5, "end": 4}]}',
            "to end after its start",
        ),
        ('{"speaker": "T", "text": "whisper"}', "expected a whole session as further up"),
        ('{"id": "s2", "utterances": []}', "expected a whole session as further up"),
    ],
)
def test_lines_that_are_wrong(read: Read, line: str, message: str) -> None:
    good = json.dumps({"id": "s1", "turns": TURNS})
    with pytest.raises(TranscriptError, match=message) as error:
        read("a.jsonl", f"{good}\n\n{line}\n")
    assert str(error.value).startswith("a.jsonl:3: ")
    assert "whisper" not in str(error.value)
    assert len(str(error.value)) < 300


def test_a_session_after_turns(read: Read) -> None:
    content = json.dumps(TURNS[0]) + "\n" + json.dumps({"turns": TURNS})
    with pytest.raises(TranscriptError, match=r"a\.jsonl:2: expected a turn as further up"):
        read("a.jsonl", content)


def test_only_one_session_may_go_without_an_id(read: Read) -> None:
    content = f"{json.dumps({'turns': TURNS})}\n" * 2
    with pytest.raises(TranscriptError, match=r"a\.jsonl:2: .*or without any"):
        read("a.jsonl", content)


def test_documents_that_are_wrong(read: Read) -> None:
    with pytest.raises(TranscriptError, match=r"a\.json:2: .*add --input-format jsonl"):
        read("a.json", f"{json.dumps(FULL)}\n{json.dumps(FULL)}\n")
    with pytest.raises(TranscriptError, match=r"a\.json:3: expected JSON"):
        read("a.json", '{\n"id":\n')
    for empty in ("", " \n", "[]"):
        with pytest.raises(TranscriptError, match=r"a\.json: expected a transcript, found no turn"):
            read("a.json", empty)
    with pytest.raises(TranscriptError, match=r"a\.json: expected a session with the key 'turns'"):
        read("a.json", '{"id": "s1", "utterances": []}')
