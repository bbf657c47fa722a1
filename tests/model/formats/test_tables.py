import csv
import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alliance.model.errors import ConfigError, TranscriptError, UnknownSpeakerError
from alliance.model.formats import read_sessions
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
PAIR = [(T, "How are you?"), (C, "Fine, really.")]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.tab", "A.CSV"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_whatever_the_suffix(said: Said, name: str, separator: str) -> None:
    content = f'speaker{separator}text\nT{separator}How are you?\nC{separator}"Fine, really."\n'
    assert said(name, content) == PAIR


def test_a_separator_that_is_announced(read: Read, said: Said) -> None:
    assert said("a.csv", "sep=;\r\nspeaker;text\r\nT;How are you?\r\nC;Fine, really.\r\n") == PAIR
    with pytest.raises(TranscriptError, match=r"a\.csv:4: "):
        read("a.csv", "sep=;\n\nspeaker;text\n;How are you?\n")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_cells_with_line_breaks(read: Read, end: str) -> None:
    content = end.join(["speaker,text", 'T,"One', 'two"', "", "C,Three\u2028four", "X,Five", ""])
    with pytest.raises(UnknownSpeakerError, match=r"a\.csv:6: .*'X'"):
        read("a.csv", content)
    (session,) = read("a.csv", content, roles={"X": "other"})
    assert [turn.text for turn in session.turns] == [f"One{end}two", "Three\u2028four", "Five"]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("interlocutor,utterance_text", PAIR),
        ("Speaker Name,Utterance", PAIR),
        ("SPEAKER,Turn-Text", PAIR),
        ("role,content", PAIR),
        ("who,message", PAIR),
        (" speaker , text ", PAIR),
    ],
)
def test_synonyms(said: Said, header: str, found: list[tuple[str, str]]) -> None:
    assert said("a.csv", f'{header}\nT,How are you?\nC,"Fine, really."\n') == found


def test_all_fields(read: Read) -> None:
    content = (
        "transcript_id,utterance_id,interlocutor,timestamp,end,utterance_text,patient_id,day,nr\n"
        "7,a1,therapist,00:00:13,14.5,Hello.,anna,2024-05-31,3\n"
        "7,a2,client,,n/a, Hi. ,anna,,\n"
        "8,b1,client,1:00:00.5,,,ben,2024-06-01,4\n"
    )
    first, second = read("a.csv", content, columns={"date": "day", "number": "nr"})
    assert (first.id, first.client_id, str(first.date), first.number) == (
        "7",
        "anna",
        "2024-05-31",
        3,
    )
    turn, reply = first.turns
    assert (turn.start_ms, turn.end_ms, turn.utterance_id) == (13_000, 14_500, "a1")
    assert (reply.start_ms, reply.end_ms, reply.text) == (None, None, " Hi. ")
    assert (second.id, second.turns[0].start_ms, second.turns[0].text) == ("8", 3_600_500, "")


@pytest.mark.parametrize(
    ("column", "cell", "ms"),
    [
        ("start_ms", "1500", 1500),
        ("Start (ms)", "1500", 1500),
        ("start", "1.5", 1500),
        ("start", "1,5", 1500),
        ("start_time", "90", 90_000),
        ("time", "01:30", 90_000),
        ("timestamp", "00:01:30,250", 90_250),
        ("onset", "NA", None),
    ],
)
def test_units_of_time(read: Read, column: str, cell: str, ms: int | None) -> None:
    columns = {"start": column}
    (session,) = read("a.csv", f'speaker,text,{column}\nT,Hi.,"{cell}"\n', columns=columns)
    assert session.turns[0].start_ms == ms


def test_chosen_columns_overrule(said: Said, read: Read) -> None:
    content = 'text,speaker,was,wer\nno,X,How are you?,T\nno,X,"Fine, really.",C\n'
    assert said("a.csv", content, columns={"text": "was", "speaker": "wer"}) == PAIR
    assert said("a.csv", content, columns={"utterance": "WAS", "Speaker": "wer"}) == PAIR
    # A column given to one field is no longer another's by its name.
    swapped = 'speaker,text\nHow are you?,T\n"Fine, really.",C\n'
    assert said("a.csv", swapped, columns={"text": "speaker", "speaker": "text"}) == PAIR
    dated = "speaker,text,time\nT,Hi.,noon\n"
    with pytest.raises(TranscriptError, match=r"a\.csv:2: expected a time .* --column start=-"):
        read("a.csv", dated)
    assert said("a.csv", dated, columns={"start": "-"}) == [(T, "Hi.")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"texts": "a"}, "expected one of text, speaker, role, session"),
        ({"text": "a", "utterance": "b"}, "expected one column for text, found 'a' and 'b'"),
    ],
)
def test_choices_that_are_refused_at_once(columns: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_sessions(io.BytesIO(b""), name="a.csv", columns=columns)


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("id,speaker,was", {}, "column for the text, found 'id', 'speaker', 'was'; .*text=NAME"),
        ("id,wer,text", {}, "column for the speaker, found 'id', 'wer', 'text'; .*speaker=NAME"),
        ("wer,text", {"speaker": "who"}, "a column 'who' for speaker, found 'wer', 'text'"),
        ("speaker,text,Text", {}, "expected one column 'text' for text, found 2"),
        ("client,How are you feeling?", {}, "found 'client', 1 more that does not look like"),
        ("", {}, "expected a table with a header, found an empty file"),
    ],
)
def test_headers_that_lack_something(
    read: Read, header: str, columns: dict[str, str], message: str
) -> None:
    with pytest.raises(TranscriptError, match=message) as error:
        read("a.csv", f"\n{header}\n", columns=columns)
    assert "feeling" not in str(error.value)
    assert str(error.value).startswith("a.csv:2: " if header else "a.csv: ")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (",whisper,s1", "expected every turn to name its speaker in 'speaker'"),
        ("T,whisper,", "expected every row to name its session"),
        ("T,whisper", "expected every row to name its session"),
        ("T", "expected a turn's text in 'text'"),
        ("T,whisper, and more,s1", "expected 3 cells as in the header, found 4"),
        ('T,"whisper" he said,s1', "expected cells whose quotes are closed"),
        ('T,"whisper,s1', "expected cells whose quotes are closed"),
        ("T," + "whisper" * 2_000_000 + ",s1", "expected cells whose quotes are closed"),
        (f"{'whisper ' * 20},hm,s1", "expected a speaker's name of at most 60 characters"),
    ],
)
def test_rows_that_are_wrong(read: Read, row: str, message: str) -> None:
    content = f'speaker,text,session\n\nT,"One\ntwo",s1\n{row}\n'
    with pytest.raises(TranscriptError, match=message) as error:
        read("a.csv", content)
    assert str(error.value).startswith("a.csv:5: ")
    assert "whisper" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("noon,,", "expected a time such as 00:01:23, or seconds in 'start'"),
        ("-5,,", "expected a time"),
        ("9" * 400 + ",,", "expected a time"),
        ("00:99:99,,", "expected a time"),
        ("5,4,", "expected a turn to end after its start in 'end'"),
        (",,31.5.2024", "expected a date such as 2024-05-31 in 'day'.*--column date=-"),
    ],
)
def test_values_that_are_wrong(read: Read, cells: str, message: str) -> None:
    with pytest.raises(TranscriptError, match=message) as error:
        read("a.csv", f"speaker,text,start,end,day\nT,Hi.,{cells}\n", columns={"date": "day"})
    assert str(error.value).startswith("a.csv:2: ")


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5", "²", "9" * 5000])
def test_session_numbers_count_from_one(read: Read, number: str) -> None:
    with pytest.raises(TranscriptError, match="expected a whole number from 1 in 'nr'"):
        read("a.csv", f"speaker,text,nr\nT,Hi.,{number}\n", columns={"number": "nr"})


def test_rows_of_a_session_stand_together(read: Read) -> None:
    content = "session,speaker,text\ns1,T,Hi.\ns2,T,Hi.\ns1,C,whisper\n"
    with pytest.raises(TranscriptError, match=r"a\.csv:4: .*sort the table by session"):
        read("a.csv", content)


def test_names_beside_roles(said: Said, read: Read) -> None:
    content = "speaker,role,text\nAnna,therapist,a\nBen,Client,b\nMum,other,c\nT,judge,d\nJo,,e\n"
    with pytest.raises(UnknownSpeakerError) as error:
        read("a.csv", content)
    assert error.value.speakers == ("Jo",)
    assert error.value.known == ("Anna=therapist", "Ben=client", "Mum=other", "T=therapist")
    assert said("a.csv", content, roles={"Jo": "client", "Mum": "client"}) == [
        (T, "a"),
        (C, "b"),
        (C, "c"),
        (T, "d"),
        (C, "e"),
    ]


def test_too_many_speakers_are_no_speakers(read: Read) -> None:
    rows = "".join(f"whisper {chr(97 + n)},x\n" for n in range(21))
    with pytest.raises(TranscriptError, match="found 21 unknown ones; check which column") as error:
        read("a.csv", "speaker,text\n" + rows)
    assert "whisper" not in str(error.value)


def test_tabs_without_quoting(said: Said) -> None:
    content = (
        'speaker\ttext\nT\t"Fine," he said.\nC\tIt was 5" tall.\nT\t"All" of "it"\n'
        'C\t"Two\nlines, ""quoted"""\nT\t"Whole."\n'
    )
    assert said("a.tsv", content) == [
        (T, '"Fine," he said.'),
        (C, 'It was 5" tall.'),
        (T, '"All" of "it"'),
        (C, 'Two\nlines, "quoted"'),
        (T, "Whole."),
    ]


def test_empty_cells_at_the_end_and_empty_rows(said: Said) -> None:
    content = 'speaker,text\nT,How are you?,,\n,,\n\nC,"Fine, really."\n   \n'
    assert said("a.csv", content) == PAIR


def test_a_header_alone(read: Read) -> None:
    with pytest.raises(TranscriptError, match=r"a\.csv: expected a transcript, found no turns"):
        read("a.csv", "speaker,text\n")


def test_what_we_write_can_be_read_again(read: Read) -> None:
    columns = (
        "session_id,turn,utterance_id,speaker,start_ms,end_ms,text,label,p_alliance_positive,"
        "p_withdrawal,p_confrontation,p_neutral,marker,p_marker,abstained,truncated,"
        "unlabelled_reason,model"
    )
    content = (
        f"{columns}\r\n"
        "s1,0,u1,therapist,0,900,'=Hello.,neutral,.1,.1,.1,.7,N,.7,false,false,,m\r\n"
        "s1,1,,Mother,,,Hm.,,,,,,,,false,false,role_other,m\r\n"
    )
    (session,) = read("a.csv", content)
    assert session.id == "s1"
    assert [(turn.speaker, turn.start_ms, turn.utterance_id) for turn in session.turns] == [
        (T, 0, "u1"),
        ("Mother", None, ""),
    ]
    assert read("a.csv", content, roles={"Mother": "client"})[0].turns[1].speaker == C


class Rows(io.RawIOBase):
    """A table without end, which counts how much of it has been taken."""

    def __init__(self, sessions: Iterator[int]) -> None:
        self.sessions = sessions
        self.taken = 0
        self.rest = b"session,speaker,text\n"

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self.rest) < size:
            number = next(self.sessions)
            self.rest += f"{number},T,How was week {number}?\n".encode() * 40
        chunk, self.rest = self.rest[:size], self.rest[size:]
        self.taken += len(chunk)
        return chunk


def test_a_table_is_read_as_a_stream() -> None:
    rows = Rows(itertools.count())
    sessions = read_sessions(rows, name="a.csv")  # type: ignore[arg-type]  # it has what is used
    for number in range(500):
        assert next(sessions).id == str(number)
    assert rows.taken < 500 * 40 * 25 + 200_000
    assert not rows.closed


def test_two_hundred_thousand_turns(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["session", "speaker", "text"])
        for turn in range(200_000):
            writer.writerow([turn // 500, "C" if turn % 2 else "T", f"This is turn {turn}."])
    sessions = [len(session.turns) for session in read_sessions(path)]
    assert sessions == [500] * 400
