import datetime as dt
import io
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alliance.model.errors import MissingExtraError, TranscriptError
from alliance.model.formats import read_session, read_sessions
from alliance.model.session import Session, Turn

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
PAIR = [(T, "How are you?"), (C, "Fine, really.")]
EXAMPLE = Path(__file__).parents[2] / "data" / "formats" / "sessions.parquet"


def saved(columns: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), out, **options)
    return out.getvalue()


def test_a_table_of_turns() -> None:
    first, second = read_sessions(EXAMPLE)
    assert (first.id, second.id, first.client_id) == ("S-1", "S-2", "anna")
    assert [(t.speaker, t.text, t.start_ms, t.end_ms, t.utterance_id) for t in first.turns] == [
        (T, "How was the week?", 0, 1_500, "u1"),
        (C, "Fine, really.", 1_500, None, "u2"),
    ]
    assert [(t.speaker, t.text) for t in second.turns] == [(T, "")]


def test_columns_are_found_and_chosen_as_in_csv(said: Said, read: Read) -> None:
    content = saved({"wer": ["T", "C"], "was": [text for _, text in PAIR], "p_x": [0.1, 0.2]})
    assert said("a.parquet", content, columns={"text": "was", "speaker": "WER"}) == PAIR
    for columns, message in (
        (None, "a column for the text, found 'wer', 'was', 'p_x'; name it with --column text=NAME"),
        ({"text": "what"}, "expected a column 'what' for text, found 'wer', 'was', 'p_x'; correct"),
    ):
        with pytest.raises(TranscriptError, match=rf"^a\.parquet: .*{message}"):
            read("a.parquet", content, columns=columns)


def test_sessions_as_in_json_lines(read: Read) -> None:
    corpus = [
        Session("s1", (Turn(T, "Hello.", 0, 900, "u1"), Turn(C, "Hi.")), client_id="k", number=3,
                date=dt.date(2024, 5, 31)),
        Session("s2", (Turn(C, ""),)),
    ]  # fmt: skip
    content = saved(pa.Table.from_pylist([session.to_dict() for session in corpus]))
    assert read("a.parquet", content) == corpus
    small = saved(pa.Table.from_pylist([s.to_dict() for s in corpus]), row_group_size=1)
    assert read("a.parquet", small) == corpus


@pytest.mark.parametrize(
    ("values", "column", "ms"),
    [
        ([1.5], "start", 1500),
        ([1500], "start_ms", 1500),
        ([float("nan")], "start", None),
        (["00:01:23"], "time", 83_000),
        ([dt.timedelta(seconds=83.5)], "start", 83_500),
        ([dt.time(0, 1, 23)], "start", 83_000),
        ([Decimal("1.5")], "start", 1500),
        ([None], "start", None),
    ],
)
def test_times(read: Read, values: list[Any], column: str, ms: int | None) -> None:
    content = saved({"speaker": ["T"], "text": ["Hi."], column: values})
    assert read("a.parquet", content)[0].turns[0].start_ms == ms


def test_what_pandas_makes_of_columns(read: Read) -> None:
    frame = pd.DataFrame(
        {
            "session": [12.0, 12.0],
            "speaker": pd.Categorical(["T", "C"]),
            "text": ["Hello.", None],
            "day": pd.to_datetime(["2024-05-31", "2024-05-31"]),
            "turns": [2, 2],
        }
    )
    content = saved(pa.Table.from_pandas(frame))
    (session,) = read("a.parquet", content, columns={"date": "day"})
    assert (session.id, str(session.date)) == ("12", "2024-05-31")
    assert [(turn.speaker, turn.text) for turn in session.turns] == [(T, "Hello."), (C, "")]


def test_text_in_bytes_and_large_types(said: Said) -> None:
    for type_ in (pa.binary(), pa.large_string(), pa.large_binary(), pa.string()):
        texts = pa.array([text.encode() for _, text in PAIR]).cast(type_)
        assert said("a.parquet", saved({"speaker": ["T", "C"], "text": texts})) == PAIR


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"speaker": ["T", None], "text": ["a", "b"]},
            "row 2: .*'speaker', found none; fill it in",
        ),
        ({"speaker": ["T", "Ana"], "text": ["a", "b"]}, "row 2: .*found 'Ana' .recognised: T="),
        ({"speaker": ["T"], "text": [1]}, "row 1: expected text in 'text', found a number"),
        (
            {"session": ["a", "b", "a"], "role": ["T"] * 3, "text": [""] * 3},
            "row 3: .*stand togeth",
        ),
        ({"speaker": ["T"], "text": ["a"], "start": [dt.date(2024, 5, 31)]}, "row 1: .*start=-"),
        ({"speaker": pa.array([], pa.string()), "text": pa.array([], pa.string())}, "no turns"),
        ({"turns": [[{"speaker": "T", "text": "a"}], None]}, "expected 'turns' to be a list"),
        ({"turns": [[{"speaker": "T", "txt": "a"}]]}, "row 1: .*the key 'text', found 'speaker'"),
    ],
)
def test_tables_without_what_is_needed(read: Read, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(TranscriptError, match=rf"^a\.parquet.*{message}"):
        read("a.parquet", saved(columns))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "found an empty file"),
        (b"speaker,text\n", "found a file of another kind"),
        (b"PK\x03\x04abcdefgh", "found a ZIP archive"),
        (b"PARE" + b"\0" * 20, "found one that is encrypted"),
        (b"PAR1", "found one that is damaged or cut off"),
        (b"PAR1" + b"\xff" * 50 + b"PAR1", "found one that is damaged or cut off"),
    ],
)
def test_files_of_another_kind(read: Read, content: bytes, found: str) -> None:
    with pytest.raises(TranscriptError, match=rf"^a\.parquet: .*{found}.*; export it again"):
        read("a.parquet", content)


def test_files_that_are_cut_off(read: Read) -> None:
    content = EXAMPLE.read_bytes()
    for size in range(4, len(content), 211):
        with pytest.raises(TranscriptError, match="damaged or cut off"):
            read("a.parquet", content[:size])


def repeated(value: str, count: int) -> Any:
    indices = pa.array([0] * count, pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array([value]))


def test_tables_that_grow_without_end(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    # Five megabytes said 2,000 times would be ten gigabytes: the file has a few kilobytes.
    content = saved({"speaker": repeated("T", 2_000), "text": repeated("a" * 5_000_000, 2_000)})
    assert len(content) < 300_000
    with pytest.raises(TranscriptError, match="found values of 5000000 bytes; check which column"):
        read("a.parquet", content)
    monkeypatch.setattr("alliance.model.formats.parquet._MOST_TURNS", 1_000)
    content = saved({"speaker": repeated("T", 1_001), "text": repeated("a", 1_001)})
    with pytest.raises(TranscriptError, match=r"row 1001: .*found one without end"):
        read("a.parquet", content)
    monkeypatch.setattr("alliance.model.formats.parquet._MOST_VALUES", 1_000)
    turns = [{"speaker": "T", "text": "a"}] * 1_001
    with pytest.raises(TranscriptError, match="found a row group of more than 1000 values"):
        read("a.parquet", saved({"id": ["s"], "turns": [turns]}))
    monkeypatch.setattr("alliance.model.formats.parquet._LARGEST_BATCH", 100)
    with pytest.raises(TranscriptError, match="found values of 60 bytes"):
        read("a.parquet", saved({"id": ["s"], "turns": [[{"speaker": "T", "text": "a" * 60}] * 2]}))


def test_without_the_library_the_extra_is_named(
    read: Read, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        MissingExtraError, match=r"Parquet tables \(\.parquet\) needs the \[formats\]"
    ):
        read("a.parquet", EXAMPLE.read_bytes())
    assert said("a.csv", "speaker,text\nT,How are you?\n") == PAIR[:1]


WORDS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from([T, C]), WORDS, st.none() | st.integers(0, 10**9)), min_size=1
    ),
    st.sampled_from(["snappy", "zstd", "none"]),
    st.booleans(),
)
def test_turns_are_read_as_they_were_written(
    talk: list[tuple[str, str, int | None]], compression: str, nested: bool
) -> None:
    session = Session("a", tuple(Turn(*turn) for turn in talk))
    if nested:
        table = pa.Table.from_pylist([session.to_dict()])
    else:
        names = ("speaker", "text", "start_ms")
        table = pa.table(dict(zip(names, map(list, zip(*talk, strict=True)), strict=True)))
    content = saved(table, compression=compression)
    assert read_session(io.BytesIO(content), name="a.parquet") == session
