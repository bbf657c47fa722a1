"""Whatever stands in a file, a reader gives sessions or one of our own errors, and soon."""

import csv
import html
import io
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alliance.model.errors import TranscriptError
from alliance.model.formats import FORMATS, read_sessions
from alliance.model.session import Session, Turn

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

PIECES = st.sampled_from(
    [
        *("T", "C", "P1", "Dr. Lee", "Anna", "speaker", "text", "session", "start", "turns", "id"),
        *(":", ": ", ",", ";", "\t", '"', '""', "'", "\n", "\r\n", "\r", "\n\n", " ", "\u2028"),
        *("{", "}", "[", "]", "null", "true", "1", "-1", "1e999", "NaN", '"id"', '"turns": ['),
        *('{"speaker": "T", "text": "x"}', '{"id": "s", "turns": [{"speaker": "T", "text": "x"}]}'),
        *("WEBVTT", "NOTE", "-->", "00:01.000 --> 00:02.000", "<v T>", "</v>", "<v", ">", "&amp;"),
        *("0:05", "[00:01:23]", "5'", "(", ")", "1", "2", "5", "10", "sep=;", "\ufeff", "\0", "é"),
        *("speaker,text\n", "T,Hello.\n", "Date: 3 May\n", "Transcribed by https://otter.ai\n"),
    ]
)
SOUP = st.lists(PIECES, max_size=40).map("".join)
FILES = [each.names[0] if each.names else f"a{each.suffixes[0]}" for each in FORMATS.values()]
NAMES = st.sampled_from(FILES)
ENCODINGS = st.sampled_from([None, "utf-8", "cp1252", "utf-16-le", "ascii"])


def check(name: str, data: bytes, encoding: str | None) -> None:
    try:
        sessions = list(read_sessions(io.BytesIO(data), name=name, encoding=encoding))
    except TranscriptError as error:
        message = str(error)
    else:
        assert sessions
        assert len({session.id for session in sessions}) == len(sessions)
        assert all(session.turns for session in sessions)
        return
    assert message.startswith(f"{name}:")
    assert "\n" not in message
    assert len(message) < 2_000


@PATIENT
@given(NAMES, SOUP | st.text(), ENCODINGS)
@example("a.txt", "0:05\n", None)
@example("a.txt", "1 T: a\n2\n3\n4\n", None)
@example("a.txt", "1\n2\n3\n4\n", None)
@example("a.txt", "Transcribed by https://otter.ai", None)
@example("a.csv", "sep=;", None)
@example("a.csv", '"speaker","te"xt"', None)
@example("a.tsv", '"', None)
def test_any_text(name: str, text: str, encoding: str | None) -> None:
    check(name, text.encode("utf-8", "surrogatepass"), encoding)


@PATIENT
@given(NAMES, st.binary(max_size=300), ENCODINGS)
def test_any_bytes(name: str, data: bytes, encoding: str | None) -> None:
    check(name, data, encoding)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "piece",
    ["a", "a ", "A ", "1 ", ":", "T: ", "(", "A (", "0:0", '"', "[", "{", "<", "<v ", "&", "&a",
     "\r", "\n", " ", "\t", "-->", "0:01 --> ", "Anna ", "a,", "'", "/"],
)  # fmt: skip
def test_repetition_takes_linear_time(name: str, piece: str) -> None:
    # Quadratic time would be felt: thousands of millions of steps.
    for opening in ("", "T: ", "speaker,text\nT,", "WEBVTT\n\n0:01 --> 0:02\n<v"):
        check(name, (opening + piece * (50_000 // len(piece))).encode(), None)


WORDS = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30
)
TIMES = st.none() | st.integers(0, 10**9)


@st.composite
def turns(draw: st.DrawFn, words: st.SearchStrategy[str] = WORDS) -> Turn:
    start, length = draw(TIMES), draw(TIMES)
    end = None if start is None or length is None else start + length
    speaker = draw(st.sampled_from(["therapist", "client"]))
    return Turn(speaker, draw(words), start, end, draw(st.sampled_from(["", "u1", "7"])))


CORPORA = st.lists(st.lists(turns(), min_size=1, max_size=5), min_size=1, max_size=4).map(
    lambda sessions: [Session(f"s{n}", tuple(said)) for n, said in enumerate(sessions)]
)
FIELDS = ("utterance_id", "speaker", "start_ms", "end_ms", "text")


@PATIENT
@given(CORPORA, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_json_lines_are_read_as_they_were_written(corpus: list[Session], encoding: str) -> None:
    for ascii_only in (True, False):
        text = "".join(
            json.dumps(session.to_dict(), ensure_ascii=ascii_only) + "\n" for session in corpus
        )
        data = io.BytesIO(text.encode(encoding))
        assert list(read_sessions(data, name="a.jsonl")) == corpus
    document = json.dumps({"sessions": [session.to_dict() for session in corpus]})
    assert list(read_sessions(io.BytesIO(document.encode(encoding)), name="a.json")) == corpus


@PATIENT
@given(
    CORPORA,
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_tables_are_read_as_they_were_written(
    corpus: list[Session], separator: str, end: str, quoting: int
) -> None:
    text = io.StringIO(newline="")
    # The standard writer quotes a carriage return alone only if it is part of the line's end.
    writer = csv.writer(text, delimiter=separator, lineterminator="\r\n", quoting=quoting)
    writer.writerow(["session_id", *FIELDS])
    for session in corpus:
        for turn in session.turns:
            writer.writerow([session.id, *(getattr(turn, field) for field in FIELDS)])
    data = text.getvalue()
    if quoting == csv.QUOTE_ALL and "\r" not in data.replace("\r\n", ""):
        data = data.replace("\r\n", end)
        corpus = [
            Session(
                s.id,
                tuple(
                    Turn(
                        t.speaker, t.text.replace("\r\n", end), t.start_ms, t.end_ms, t.utterance_id
                    )
                    for t in s.turns
                ),
            )
            for s in corpus
        ]
    assert list(read_sessions(io.BytesIO(data.encode()), name="a.csv")) == corpus


SPOKEN = st.text(alphabet=st.sampled_from("abc XYZ<>&.,:-'\"é😀/v"), min_size=1, max_size=30).map(
    lambda text: " ".join(text.split()) or "x"
)


@PATIENT
@given(st.lists(SPOKEN, min_size=1, max_size=8))
def test_voices_are_read_as_they_were_written(said: list[str]) -> None:
    names = ["therapist", "client"]
    cues = (
        f"00:{n:02d}.000 --> 00:{n:02d}.500\n<v {names[n % 2].title()}>{html.escape(text)}</v>\n\n"
        for n, text in enumerate(said)
    )
    content = "WEBVTT\n\n" + "".join(cues)
    (session,) = read_sessions(io.BytesIO(content.encode()), name="a.vtt")
    assert [(turn.speaker, turn.text, turn.start_ms, turn.end_ms) for turn in session.turns] == [
        (names[n % 2], text, n * 1000, n * 1000 + 500) for n, text in enumerate(said)
    ]


@PATIENT
@given(
    st.lists(
        st.text(alphabet=st.sampled_from("abc xyz.,'é😀"), min_size=1).map(
            lambda text: " ".join(text.split())
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["\n", "\r\n", "\n\n", "\r"]),
)
def test_plain_text_is_read_as_it_was_written(said: list[str], end: str) -> None:
    content = "".join(f"{'TC'[n % 2]}: {text}{end}" for n, text in enumerate(said))
    (session,) = read_sessions(io.BytesIO(content.encode()), name="a.txt")
    assert [turn.text for turn in session.turns] == said
