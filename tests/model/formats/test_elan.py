import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pympi import Elan

from alliance.model.errors import TranscriptError, UnknownSpeakerError
from alliance.model.formats import read_session, read_sessions
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
FIXTURE = Path(__file__).parents[2] / "data" / "annotations" / "session.eaf"


def eaf(*tiers: str, types: str = '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="u"/>') -> str:
    """A file of these tiers; time slot ``tN`` is at N tenths of a second."""
    slots = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="t{n}" TIME_VALUE="{n * 100}"/>\n' for n in range(100)
    )
    return (
        f"<ANNOTATION_DOCUMENT>\n<HEADER/><TIME_ORDER>\n{slots}</TIME_ORDER>\n"
        + "".join(tiers)
        + types
        + "</ANNOTATION_DOCUMENT>"
    )


def tier(name: str, *spans: tuple[int, int, str], attributes: str = "", kind: str = "u") -> str:
    annotations = "".join(
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}{place}" TIME_SLOT_REF1="t{start}"'
        f' TIME_SLOT_REF2="t{end}"><ANNOTATION_VALUE>{text}</ANNOTATION_VALUE>'
        f"</ALIGNABLE_ANNOTATION></ANNOTATION>\n"
        for place, (start, end, text) in enumerate(spans)
    )
    return (
        f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="{kind}" {attributes}>\n{annotations}</TIER>\n'
    )


def test_a_file_of_elans() -> None:
    session = read_session(FIXTURE)
    assert session.id == "session"
    assert [
        (turn.speaker, turn.text, turn.start_ms, turn.end_ms, turn.utterance_id)
        for turn in session.turns
    ] == [
        (T, "How was the week & the weekend?", 0, 1500, "a1"),
        (C, "Fine, 1 < 2. 😀", 1400, 2900, "a4"),
        (T, "I see.", 3000, None, "a2"),
        (T, "Tell me more.", None, 6000, "a3"),
        (C, "", 7000, 7250, "a5"),
    ]


def test_a_dependent_tier_or_type_that_is_chosen(read: Read) -> None:
    for name in ("B-translation", "translation"):
        (session,) = read("a.eaf", FIXTURE.read_bytes(), columns={"text": name})
        (turn,) = session.turns
        assert (turn.speaker, turn.text) == (C, "Gut, eins kleiner zwei.")
        assert (turn.start_ms, turn.end_ms, turn.utterance_id) == (1400, 2900, "a8")
    (session,) = read("a.eaf", FIXTURE.read_bytes(), columns={"text": "A-words, Gaze"})
    assert [(turn.speaker, turn.text) for turn in session.turns] == [
        (T, "How"),
        (T, "was"),
        (C, "away"),
    ]
    with pytest.raises(TranscriptError, match=r"called 'x', found 'A', 'B', 'A-words', .*correct"):
        read("a.eaf", FIXTURE.read_bytes(), columns={"text": "x"})


def test_speakers_nobody_knows_are_listed_with_what_to_do(read: Read) -> None:
    content = eaf(tier("Anna", (0, 9, "whisper")), tier("T", (9, 12, "Yes.")))
    with pytest.raises(UnknownSpeakerError) as error:
        read("a.eaf", content)
    assert error.value.speakers == ("Anna",)
    assert str(error.value).startswith("a.eaf:105: expected every speaker")
    assert "--role 'Anna=therapist|client|other'" in str(error.value)
    assert "leave tiers that are not speech out with --column text=TIER,TIER" in str(error.value)
    assert "whisper" not in str(error.value)
    assert [turn.speaker for turn in read("a.eaf", content, roles={"anna": C})[0].turns] == [C, T]
    (session,) = read("a.eaf", content, columns={"text": "T"})
    assert [turn.speaker for turn in session.turns] == [T]


def test_a_tiers_name_is_a_role_where_the_participant_is_a_name(said: Said) -> None:
    content = eaf(
        tier("Therapist", (0, 9, "Hi."), attributes='PARTICIPANT="Anna"'),
        tier("T", (9, 10, "Yes."), attributes='PARTICIPANT="Client"'),
    )
    assert said("a.eaf", content) == [(T, "Hi."), (C, "Yes.")]
    assert said("a.eaf", content, roles={"Anna": C})[0] == (C, "Hi.")


def test_tiers_that_are_not_speech(said: Said) -> None:
    speech = (tier("T", (0, 9, "Say yes.")), tier("C", (9, 15, "Yes."), (20, 30, "No.")))
    for name, *spans in (
        ("C-words", (9, 12, "Yes"), (20, 25, "No")),
        ("mor@C", (9, 15, "adv"), (20, 30, "adv")),
        ("Codes", (9, 15, "withdrawal"), (20, 30, "C2")),
        ("Markers", (9, 15, "denial")),
        ("Empty", (9, 15, ""), (20, 30, "...")),
    ):
        assert said("a.eaf", eaf(*speech, tier(name, *spans))) == [
            (T, "Say yes."),
            (C, "Yes."),
            (C, "No."),
        ], name
    # Named after the client, but speaks when the client does not.
    with pytest.raises(UnknownSpeakerError, match="C's mother"):
        said("a.eaf", eaf(*speech, tier("C's mother", (15, 20, "Well."))))


def test_two_tiers_of_one_speaker(said: Said) -> None:
    same = 'PARTICIPANT="C"'
    parts = eaf(
        tier("one", (0, 9, "Hi."), attributes=same), tier("two", (9, 19, "Yes."), attributes=same)
    )
    assert said("a.eaf", parts) == [(C, "Hi."), (C, "Yes.")]
    twice = eaf(
        tier("one", (0, 9, "Hi."), attributes=same), tier("two", (1, 8, "up"), attributes=same)
    )
    with pytest.raises(TranscriptError, match=r"several .* \('one', 'two'\); .*--column text="):
        said("a.eaf", twice)
    assert said("a.eaf", twice, columns={"text": "one"}) == [(C, "Hi.")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("whisper", r"a\.eaf:1: expected an ELAN file \(XML\), found what is not at column 1"),
        ("<html><body/></html>", "found other XML; export it from ELAN"),
        (FIXTURE.read_text("utf-8")[:3000], "unclosed|no element found"),
        (eaf(), "found no tiers|found none"),
        (eaf(tier("T", (0, 9, ""))), r"expected tiers with what was said, found none \('T'\)"),
        (eaf(tier("T", (200, 9, "whisper"))), r"a\.eaf:105: expected an annotation's time slots"),
        (eaf(tier("T", (9, 8, "whisper"))), r"a\.eaf:105: expected an annotation to end after"),
        (eaf().replace('"900"', '"soon"'), r"a\.eaf:12: expected a time slot in milliseconds"),
        (eaf().replace("<HEADER/>", '<HEADER TIME_UNITS="PAL-frames"/>'), "TIME_UNITS"),
        (eaf(*(tier(f"T{n}") for n in range(600))), "expected at most 500 tiers, found 600"),
    ],
)
def test_files_that_are_wrong(read: Read, content: str, message: str) -> None:
    with pytest.raises(TranscriptError, match=message) as error:
        read("a.eaf", content)
    assert "whisper" not in str(error.value)


def test_entities_that_grow_are_refused(read: Read) -> None:
    entities = '<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)
    )
    bomb = f"<!DOCTYPE x [{entities}]><ANNOTATION_DOCUMENT>&a11;</ANNOTATION_DOCUMENT>"
    with pytest.raises(TranscriptError, match="found XML with a document type"):
        read("a.eaf", bomb)
    outside = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><ANNOTATION_DOCUMENT/>'
    with pytest.raises(TranscriptError, match="found XML with a document type"):
        read("a.eaf", outside)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<ANNOTATION_DOCUMENT>" + "<a>" * 100_000, "nested without end"),
        ("<ANNOTATION_DOCUMENT a='" + "x" * 20_000_000, "expected a tag that ends"),
        ("<!--" + "x" * 20_000_000, "expected a tag that ends"),
        (eaf(tier("T", (0, 9, "x" * 11_000_000))), "at most 10000000 characters"),
    ],
    ids=["deep", "tag", "comment", "text"],
)
def test_files_made_to_eat_memory(read: Read, content: str, message: str) -> None:
    with pytest.raises(TranscriptError, match=message):
        read("a.eaf", content)


TEXTS = st.text(alphabet=st.sampled_from("abc XYZ<>&\"'é😀."), min_size=1, max_size=20).map(
    lambda text: f"w{' '.join(text.split())}"
)
TALK = st.lists(
    st.tuples(st.sampled_from("TC"), st.integers(1, 5000), TEXTS), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(TALK, st.integers(0, 3))
def test_what_pympi_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, talk: list[tuple[str, int, str]], gap: int
) -> None:
    written = Elan.Eaf()
    written.remove_tier("default")
    written.add_linguistic_type("dependent", "Symbolic_Association")
    written.add_tier("T")
    written.add_tier("C", part="Client")
    written.add_tier("T-translation", "dependent", "T")
    expected = []
    now = 0
    for name, length, text in talk:
        written.add_annotation(name, now, now + length, text)
        if name == "T":
            written.add_ref_annotation("T-translation", "T", now, f"x {text}")
        expected.append(({"T": T, "C": C}[name], text, now, now + length))
        now += length + gap
    path = tmp_path_factory.mktemp("eaf") / "a.eaf"
    written.to_file(str(path))
    with path.open("rb") as stream:
        (session,) = read_sessions(io.BytesIO(stream.read()), name="a.eaf")
    assert [(t.speaker, t.text, t.start_ms, t.end_ms) for t in session.turns] == expected
    again = Elan.Eaf(str(path))
    for speaker, name in ((T, "T"), (C, "C")):
        assert sorted(again.get_annotation_data_for_tier(name)) == sorted(
            (t.start_ms, t.end_ms, t.text) for t in session.turns if t.speaker == speaker
        )
