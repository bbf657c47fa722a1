import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from praatio import textgrid

from alliance.model.errors import TranscriptError, UnknownSpeakerError
from alliance.model.formats import read_session, read_sessions
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
FIXTURE = Path(__file__).parents[2] / "data" / "annotations" / "session.TextGrid"
HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
TURNS = [
    (T, 'You said "never" ! <exists> 5', 0, 1500),
    (C, "Yes … été", 1450, 2900),
    (T, "Did you mean it?", 3000, 4250),
]


def short(*tiers: str) -> str:
    return f"{HEAD}0\n10\n<exists>\n{len(tiers)}\n" + "".join(tiers)


def tier(name: str, *spans: tuple[float, float, str]) -> str:
    intervals = "".join(f'{start}\n{end}\n"{text}"\n' for start, end, text in spans)
    return f'"IntervalTier"\n"{name}"\n0\n10\n{len(spans)}\n{intervals}'


def turns_of(session: Session) -> list[tuple[str, str, int | None, int | None]]:
    return [(turn.speaker, turn.text, turn.start_ms, turn.end_ms) for turn in session.turns]


def test_a_file_of_praats(read: Read) -> None:
    session = read_session(FIXTURE)
    assert session.id == "session"
    assert turns_of(session) == TURNS
    text = FIXTURE.read_text("utf-8")
    for data in (text.encode("utf-16"), b"\xfe\xff" + text.encode("utf-16-be")):
        assert turns_of(read("a.TextGrid", data)[0]) == TURNS
    assert turns_of(read("a.TextGrid", text.replace("\n", "\r\n"))[0]) == TURNS


def test_the_short_form_and_what_praat_passes_over(read: Read) -> None:
    content = (
        'File type = "ooTextFile short"\n"TextGrid"\n! a remark "with" 5 numbers\n0s 10s <exists> '
        '2 ! two\n"IntervalTier" "T" 0s 10 1 0.5 1.25 "a ""b"""\n'
        'tier [2]: "IntervalTier" "C" 0 1e1 2nd 1\nx=7 1.25s 3 "line\n\ntwo" the end\n'
    )
    (session,) = read("a.TextGrid", content)
    assert turns_of(session) == [(T, 'a "b"', 500, 1250), (C, "line two", 1250, 3000)]


def test_silence_is_no_turn(said: Said) -> None:
    spans = ((0, 1, "sil"), (1, 2, ""), (2, 3, " "), (3, 4, "sp"), (4, 5, "[silence]"))
    assert said("a.TextGrid", short(tier("T", *spans))) == [(T, "[silence]")]


def test_tiers_of_words_are_passed_over_and_can_be_chosen(said: Said) -> None:
    content = FIXTURE.read_bytes()
    with pytest.raises(UnknownSpeakerError, match="'Client - words'"):
        said("a.TextGrid", content, columns={"text": "Client - words"})
    options = {"columns": {"text": "client - words"}, "roles": {"Client - words": C}}
    assert said("a.TextGrid", content, **options) == [(C, "Yes"), (C, "été")]


def test_speakers_nobody_knows(read: Read) -> None:
    content = short(tier("SPEAKER_00", (0, 1, "whisper")), tier("T", (1, 2, "Yes.")))
    with pytest.raises(UnknownSpeakerError) as error:
        read("a.TextGrid", content)
    assert str(error.value).startswith("a.TextGrid:15: ")
    assert "--role 'SPEAKER_00=therapist|client|other'; leave tiers" in str(error.value)
    assert "whisper" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("whisper", r"a\.TextGrid:1: expected a TextGrid, found the end of the file"),
        ('"whisper"', r"expected a TextGrid saved as a text file \(ooTextFile\)"),
        ('File type = "ooTextFile"\nObject class = "Pitch"\n', r":2: .* another object of Praat's"),
        (f"{HEAD}0\n10\n<absent>\n", "expected tiers with what was said, found none"),
        (f'{HEAD}0\n10\n"x"', r":6: expected whether there are tiers \(a flag\), found a text"),
        (short('"Tier"\n"T"\n0\n1\n0'), "expected a tier of intervals or points"),
        (short('"IntervalTier"\n"T"\n0\n1\n2.5'), r"a whole number\), found another"),
        (short(tier("T", (0, 1, "a")))[:-5], r":14: expected an interval's text, found the end"),
        (short(tier("T", (0, 1, "whisper")))[:-3], r":15: .*closing quotation mark"),
        (short(tier("T", (2, 1, "whisper"))), r":15: expected an annotation to end after"),
        (short(tier("T", (-2, 1, "whisper"))), "in seconds from the start of the recording"),
        (f'{HEAD}0 1 <exists> 999999999999 "IntervalTier" "T" 0 1 99999999', "the end of the file"),
    ],
)
def test_files_that_are_wrong(read: Read, content: str, message: str) -> None:
    with pytest.raises(TranscriptError, match=message) as error:
        read("a.TextGrid", content)
    assert "whisper" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [f'{HEAD}"{"x" * 11_000_000}', "<" * 2_000_000, "1 " * 2_000_000, f"{HEAD}{'a ' * 2_000_000}"],
    ids=["quote", "flags", "numbers", "words"],
)
def test_files_made_to_eat_time_or_memory(read: Read, content: str) -> None:
    with pytest.raises(TranscriptError, match="expected"):
        read("a.TextGrid", content)


TEXTS = st.text(alphabet=st.sampled_from("abc XYZ<>!\"'é😀.5"), min_size=1, max_size=20).map(
    lambda text: f"w{' '.join(text.split())}"
)


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.sampled_from("TC"), st.integers(10, 5000), TEXTS), max_size=10),
    st.sampled_from(["long_textgrid", "short_textgrid"]),
    st.sampled_from(["utf-8", "utf-16"]),
)
def test_what_praatio_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    talk: list[tuple[str, int, str]],
    form: str,
    encoding: str,
) -> None:
    talk = [("T", 100, "first"), ("C", 100, "second"), *talk]
    written = textgrid.Textgrid()
    expected = []
    spans: dict[str, list[tuple[float, float, str]]] = {"T": [], "C": []}
    now = 0
    for name, length, text in talk:
        spans[name].append((now / 1000, (now + length) / 1000, text))
        expected.append(({"T": T, "C": C}[name], text, now, now + length))
        now += length
    for name, entries in spans.items():
        written.addTier(textgrid.IntervalTier(name, entries, 0, now / 1000))
    path = tmp_path_factory.mktemp("grid") / "a.TextGrid"
    written.save(str(path), form, includeBlankSpaces=True)
    data = path.read_text("utf-8").encode(encoding)
    (session,) = read_sessions(io.BytesIO(data), name="a.TextGrid")
    assert turns_of(session) == expected
