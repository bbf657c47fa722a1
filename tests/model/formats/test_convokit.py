import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.errors import TranscriptError, UnknownSpeakerError
from alliance.model.formats import read_session, read_sessions
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
PAIR = [(T, "How are you?"), (C, "Fine, really.")]
EXAMPLE = Path(__file__).parents[2] / "data" / "formats" / "convokit"


def utterance(
    id_: str, speaker: str, text: str, *, to: str | None = None, at: Any = None, **more: Any
) -> dict[str, Any]:
    """An utterance as ConvoKit's corpus.dump writes it."""
    return {
        "id": id_,
        "conversation_id": "c1",
        "text": text,
        "speaker": speaker,
        "meta": {},
        "reply-to": to,
        "timestamp": at,
        "vectors": [],
        **more,
    }


def lines(*utterances: Mapping[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in utterances)


TALK = (utterance("u1", "T", "How are you?"), utterance("u2", "C", "Fine, really.", to="u1"))


def test_a_corpus_that_convokit_users_have() -> None:
    for where in (EXAMPLE, EXAMPLE / "utterances.jsonl"):
        first, second = read_sessions(where)
        assert (first.id, first.client_id, second.id) == ("c1", "anna", "c2")
        assert [(t.speaker, t.text, t.start_ms, t.utterance_id) for t in first.turns] == [
            (T, "How was the week?", 0, "u1"),
            (C, "Fine, really.", 4_500, "u2"),
            (T, "Really?", 9_000, "u4"),
        ]
        assert [(turn.speaker, turn.text) for turn in second.turns] == [(C, "Hello.")]
    dated = next(read_sessions(EXAMPLE, columns={"date": "conversation.date"}))
    assert str(dated.date) == "2024-05-31"


def test_the_file_alone(said: Said, read: Read) -> None:
    assert said("utterances.jsonl", lines(*TALK)) == PAIR
    assert said("corpus/utterances.jsonl", lines(*TALK)) == PAIR
    assert said("a.jsonl", lines(*TALK), format="convokit") == PAIR
    content = lines(utterance("u1", "12", "x"))
    with pytest.raises(UnknownSpeakerError, match=r"^utterances\.jsonl:1: .*'12'"):
        read("utterances.jsonl", content)


def test_files_beside_are_only_those_of_a_file_that_was_opened(read: Read) -> None:
    # The name that is sent along with an upload is no way into the folders of the server.
    content = (EXAMPLE / "utterances.jsonl").read_bytes()
    with pytest.raises(UnknownSpeakerError):
        read(str(EXAMPLE / "utterances.jsonl"), content)


def test_older_versions(tmp_path: Path) -> None:
    old = [
        {"id": 1, "user": "x", "root": 1, "reply-to": None, "timestamp": None, "text": "Hello."},
        {"id": 2, "user": "y", "root": 1, "reply-to": 1, "timestamp": None, "text": "Hi."},
    ]
    (tmp_path / "utterances.json").write_text(json.dumps(old))
    (tmp_path / "users.json").write_text('{"x": {"type": "therapist"}, "y": {"type": "client"}}')
    session = read_session(tmp_path)
    assert session.id == "1"
    assert [(turn.speaker, turn.text) for turn in session.turns] == [(T, "Hello."), (C, "Hi.")]


def test_roles_from_meta(said: Said, read: Read) -> None:
    content = lines(
        utterance("u1", "x", "How are you?", meta={"role": "Therapist", "code": "C"}),
        utterance("u2", "y", "Fine, really.", meta={"role": "patient", "code": "T"}),
    )
    assert said("utterances.jsonl", content) == PAIR
    swapped = said("utterances.jsonl", content, columns={"role": "meta.code"})
    assert [speaker for speaker, _ in swapped] == [C, T]
    assert said("utterances.jsonl", content, roles={"x": "client", "y": "client"})[0][0] == C
    texts = said("utterances.jsonl", content, columns={"text": "meta.role"})
    assert [text for _, text in texts] == ["Therapist", "patient"]


def test_conversations_may_be_mixed(read: Read) -> None:
    one, two = TALK
    other = utterance("v1", "T", "Other.", conversation_id="c2")
    sessions = read("utterances.jsonl", lines(one, other, two))
    assert [session.id for session in sessions] == ["c2", "c1"]
    assert [turn.text for turn in sessions[1].turns] == [text for _, text in PAIR]
    by = read("utterances.jsonl", lines(one, other, two), columns={"session": "speaker"})
    assert [session.id for session in by] == ["T", "C"]


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(8)), st.booleans())
def test_turns_are_in_the_order_of_replies(order: list[int], timed: bool) -> None:
    chain = [
        utterance(f"u{n}", "TC"[n % 2], str(n), to=f"u{n - 1}" if n else None, at=n * timed or None)
        for n in range(8)
    ]
    content = lines(*(chain[place] for place in order))
    session = read_session(io.BytesIO(content.encode()), name="utterances.jsonl")
    assert [turn.text for turn in session.turns] == list(map(str, range(8)))


def test_file_order_stands_where_it_can(said: Said) -> None:
    # Threads and replies to what is not there: nothing says that the file's order is wrong.
    content = lines(
        utterance("u1", "T", "a", at=9),
        utterance("u2", "C", "b", to="gone", at=5),
        utterance("u3", "T", "c", to="u1", at=7),
    )
    assert [text for _, text in said("utterances.jsonl", content)] == ["a", "b", "c"]
    # Of two that may come next, the earlier one does.
    content = lines(
        utterance("u4", "C", "d", to="u2", at=9),
        utterance("u1", "T", "a", at=1),
        utterance("u3", "T", "c", to="u1", at=7),
        utterance("u2", "C", "b", to="u1", at=5),
    )
    assert [text for _, text in said("utterances.jsonl", content)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 1.5], [0, 1500]),
        (["12", "13.25"], [12_000, 13_250]),
        (["0:05", "00:01:00"], [5_000, 60_000]),
        ([1_700_000_000, 1_700_000_002.5], [0, 2_500]),
        (["2024-05-31T10:00:00", "2024-05-31T10:00:30"], [0, 30_000]),
        (["2024-05-31 10:00:00+02:00", None], [0, None]),
        ([0, 0], [None, None]),
        ([None, None], [None, None]),
    ],
)
def test_timestamps(read: Read, times: list[Any], expected: list[int | None]) -> None:
    content = lines(*({**each, "timestamp": at} for each, at in zip(TALK, times, strict=True)))
    (session,) = read("utterances.jsonl", content)
    assert [turn.start_ms for turn in session.turns] == expected


def test_json_lines_of_another_kind_keep_their_name(read: Read) -> None:
    content = '{"id": "s1", "turns": [{"speaker": "T", "text": "x"}]}\n'
    assert read("utterances.jsonl", content)[0].id == "s1"
    content = '[{"session_id": "s1", "speaker": "T", "text": "x"}]'
    assert read("utterances.json", content)[0].id == "s1"


@pytest.mark.parametrize(
    ("utterances", "message"),
    [
        ([{**TALK[0], "conversation_id": None}], ":1: .*name its conversation, found one that"),
        ([TALK[0], {**TALK[1], "speaker": None}], ":2: .*'speaker', found none; fill it in"),
        ([{**TALK[0], "text": 5}], ":1: expected text in 'text', found a number"),
        ([{**TALK[0], "timestamp": "noon"}], ":1: expected a time .*--column start=-"),
        ([{**TALK[0], "timestamp": -5}], ":1: expected a time "),
        ([{**TALK[0], "reply-to": "u2"}, TALK[1]], ":1: .*found a circle of replies; correct"),
        ([TALK[0], {"id": "u9"}], ":2: .*name its conversation"),
    ],
)
def test_corpora_without_what_is_needed(
    read: Read, utterances: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(TranscriptError, match=rf"^utterances\.jsonl{message}"):
        read("utterances.jsonl", lines(*utterances))


@pytest.mark.parametrize("content", ["{", "[" * 100_000, '{"T": ', "\0"])
def test_broken_files_beside(tmp_path: Path, content: str) -> None:
    (tmp_path / "utterances.jsonl").write_text(lines(*TALK))
    (tmp_path / "speakers.json").write_text(content)
    with pytest.raises(TranscriptError, match=r"speakers\.json(:1)?: expected .*; "):
        read_session(tmp_path)
    (tmp_path / "speakers.json").write_text('["of another shape"]')
    assert len(read_session(tmp_path).turns) == 2
    (tmp_path / "speakers.json").write_text('{"T": 5, "C": {"meta": null}}')
    assert len(read_session(tmp_path).turns) == 2
