import io
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pympi.Elan import Eaf

from alliance.model.codebook import Label
from alliance.model.errors import AllianceError, ConfigError, InputError, TranscriptError
from alliance.model.formats import read_session
from alliance.model.labelled import LabelledSession, LabelledTurn, ModelInfo, Probabilities
from alliance.model.session import Session, Turn
from alliance.serve.formats import open_writer
from alliance.serve.formats.writer import WriterOptions

Write = Callable[..., bytes]

# As ELAN 6 writes it, with what a careless writer would lose: a comment, a media file, a
# controlled vocabulary, a locale, an unaligned time slot, single quotes and an entity.
ORIGINAL = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- kept by hand -->
<ANNOTATION_DOCUMENT AUTHOR='Ana &amp; Bo' DATE="2024-05-31T10:00:00+01:00" FORMAT="3.0" \
VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/s1.mp4" MIME_TYPE="video/mp4"/>
        <PROPERTY NAME="URN">urn:nl-mpi-tools-elan-eaf:1</PROPERTY>
        <PROPERTY NAME="lastUsedAnnotationId">4</PROPERTY>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1500"/>
        <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="2000"/>
        <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="3500"/>
        <TIME_SLOT TIME_SLOT_ID="ts5" TIME_VALUE="4000"/>
        <TIME_SLOT TIME_SLOT_ID="ts7"/>
        <TIME_SLOT TIME_SLOT_ID="ts6" TIME_VALUE="5500"/>
    </TIME_ORDER>
    <TIER DEFAULT_LOCALE="en" LINGUISTIC_TYPE_REF="speech" PARTICIPANT="Therapist" TIER_ID="T & B">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
                <ANNOTATION_VALUE>How are you? \u05e9</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts5" TIME_SLOT_REF2="ts6">
                <ANNOTATION_VALUE>Shall we go on?</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="speech" PARTICIPANT="Client" TIER_ID="C">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
                <ANNOTATION_VALUE>Fine \U0001f600 &lt;sighs&gt;</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="gloss" PARENT_REF="C" TIER_ID="gloss">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a2">
                <ANNOTATION_VALUE>well</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="speech" TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" CONTROLLED_VOCABULARY_REF="cv" \
GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="gloss" TIME_ALIGNABLE="false"/>
    <LOCALE COUNTRY_CODE="US" LANGUAGE_CODE="en"/>
    <CONSTRAINT DESCRIPTION="1-1" STEREOTYPE="Symbolic_Association"/>
    <CONTROLLED_VOCABULARY CV_ID="cv" DESCRIPTION="x">
        <CV_ENTRY DESCRIPTION="">well</CV_ENTRY>
    </CONTROLLED_VOCABULARY>
</ANNOTATION_DOCUMENT>
""".replace("T & B", "T &amp; B")


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "s1.eaf"
    path.write_bytes(ORIGINAL.encode("utf-8"))
    return path


def labelled(session: Session, *, abstained: int = -1) -> LabelledSession:
    labels = (Label.NEUTRAL, Label.WITHDRAWAL, Label.CONFRONTATION)
    turns = tuple(
        LabelledTurn(
            n,
            turn,
            label=labels[n % 3],
            probabilities=Probabilities(*(float(each is labels[n % 3]) for each in Label)),
            abstained=n == abstained,
        )
        for n, turn in enumerate(session.turns)
    )
    return LabelledSession(session, turns, ModelInfo("stub"))


def opened(data: bytes, folder: Path) -> Eaf:
    path = folder / "out.eaf"
    path.write_bytes(data)
    return Eaf(str(path))


def values(eaf: Eaf, tier: str) -> list[tuple[int, int, str]]:
    return sorted(annotation[:3] for annotation in eaf.get_annotation_data_for_tier(tier))


def read(path: Path) -> LabelledSession:
    return labelled(read_session(path), abstained=1)


def test_labels_stand_under_what_was_labelled(
    original: Path, tmp_path: Path, written: Write
) -> None:
    session = read(original)
    assert [turn.turn.utterance_id for turn in session] == ["a1", "a2", "a3"]
    eaf = opened(written("eaf", session, original=original), tmp_path)
    assert set(eaf.get_tier_names()) == {
        *("T & B", "C", "gloss"),
        *("label@T & B", "label@C", "unsure@C"),
    }
    assert values(eaf, "label@C") == values(eaf, "unsure@C") == [(2000, 3500, "withdrawal")]
    references = {ref: value for ref, value, *_ in eaf.tiers["label@T & B"][1].values()}
    assert references == {"a1": "neutral", "a3": "confrontation"}
    assert eaf.tiers["label@C"][2]["PARENT_REF"] == "C"
    assert eaf.tiers["label@C"][2]["PARTICIPANT"] == "Client"
    assert eaf.linguistic_types["alliance-code"]["CONSTRAINTS"] == "Symbolic_Association"


def test_everything_else_stays_to_the_byte(original: Path, written: Write) -> None:
    data = written("eaf", read(original), original=original).decode("utf-8")
    tier = r' +<TIER [^>]*TIER_ID="(?:label|unsure)@.*?</TIER>\n'
    kind = r' +<LINGUISTIC_TYPE [^>]*"alliance-code"[^>]*>\n'
    kept = re.sub(f"{tier}|{kind}", "", data, flags=re.DOTALL)
    assert kept == ORIGINAL.replace(">4</PROPERTY>", ">8</PROPERTY>")
    assert "\u05e9" in data
    order = [child.tag for child in ET.fromstring(data)]
    assert order == sorted(order, key=list(dict.fromkeys(order)).index), "parts stay together"


def test_identifiers_are_new_and_counted(original: Path, written: Write) -> None:
    root = ET.fromstring(written("eaf", read(original), original=original))
    ids = [node.get("ANNOTATION_ID") for node in root.iter() if node.get("ANNOTATION_ID")]
    assert len(ids) == len(set(ids))
    assert {int(str(each)[1:]) for each in ids} == set(range(1, 9))
    counter = root.find("HEADER/PROPERTY[@NAME='lastUsedAnnotationId']")
    assert counter is not None
    assert counter.text == "8"


def test_what_is_no_annotation_goes_to_aligned_tiers(
    original: Path, tmp_path: Path, written: Write
) -> None:
    turns = (
        Turn("therapist", "x", 0, 1500),  # the times of a1
        Turn("client", "y", 2100, 3000),
        Turn("client", "z", 2500, 3400),  # overlaps the one before
    )
    session = labelled(Session("s", turns))
    eaf = opened(written("eaf", session, original=original), tmp_path)
    assert [v for _, v, *_ in eaf.tiers["label@T & B"][1].values()] == ["neutral"]
    assert values(eaf, "label@client") == [(2100, 3000, "withdrawal")]
    assert values(eaf, "label@client 2") == [(2500, 3400, "confrontation")]
    assert eaf.linguistic_types["alliance-code-aligned"]["TIME_ALIGNABLE"] == "true"


def test_a_labelled_file_reads_as_the_same_transcript(original: Path, written: Write) -> None:
    before = read_session(original)
    data = written("eaf", read(original), original=original)
    again = read_session(io.BytesIO(data), name="s1.eaf")
    assert again.turns == before.turns


def test_a_new_file_is_made_of_times(
    session: LabelledSession, tmp_path: Path, written: Write
) -> None:
    data = written("eaf", session)
    eaf = opened(data, tmp_path)
    texts = [turn.turn.text for turn in session]
    assert values(eaf, "therapist") == [(0, 1500, texts[0]), (4000, 5500, texts[2])]
    assert values(eaf, "label@Mother") == [] if "label@Mother" in eaf.tiers else True
    assert values(eaf, "marker@client") == [(2000, 3500, "W2"), (6000, 7500, "C1")]
    assert values(eaf, "unsure@therapist") == [(4000, 5500, "alliance_positive")]
    again = read_session(io.BytesIO(data), name="s.eaf", roles={"Mother": "other"})
    assert [turn.speaker for turn in again.turns] == [turn.turn.speaker for turn in session]
    said = [" ".join(turn.turn.text.split()) for turn in session]
    assert [" ".join(turn.text.split()) for turn in again.turns] == said
    hidden = written("eaf", session, include_text=False).decode()
    assert "came back" not in hidden
    assert written("eaf", session) == data


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_file_without_times_or_types(
    tmp_path: Path, session: LabelledSession, written: Write, line_end: str
) -> None:
    bare = (
        '<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-31T10:00:00Z" VERSION="3.0">{0}<HEADER/>{0}'
    )
    path = tmp_path / "bare.eaf"
    path.write_text((bare + "<TIME_ORDER/></ANNOTATION_DOCUMENT>").format(line_end), newline="")
    root = ET.fromstring(written("eaf", session, original=path))
    assert [child.tag for child in root][:2] == ["HEADER", "TIME_ORDER"]
    assert len(root.findall("TIME_ORDER/TIME_SLOT")) == 2 * (4 + 4 + 1)
    assert [child.tag for child in root][-1] == "LINGUISTIC_TYPE"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected an ELAN file"),
        (b"<a/>", "found other XML"),
        (b"<ANNOTATION_DOCUMENT>", "expected an ELAN file"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><ANNOTATION_DOCUMENT/>', "document type"),
        ("<ANNOTATION_DOCUMENT/>".encode("utf-16"), "UTF-16"),
        (
            b'<ANNOTATION_DOCUMENT><TIER TIER_ID="label@C"/></ANNOTATION_DOCUMENT>',
            "without our labels, found a tier 'label@C'",
        ),
    ],
)
def test_what_cannot_be_added_to(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "bad.eaf"
    path.write_bytes(data)
    with pytest.raises(TranscriptError, match=said):
        open_writer(tmp_path / "out.eaf", "eaf", options=WriterOptions(original=path))
    assert [file.name for file in tmp_path.iterdir()] == ["bad.eaf"]


def test_errors_say_what_to_do(
    original: Path, tmp_path: Path, session: LabelledSession, written: Write
) -> None:
    untimed = labelled(Session("s", (Turn("client", "y"),)))
    with pytest.raises(InputError, match=r"neither at turn 0; .*--original"):
        written("eaf", untimed, original=original)
    with pytest.raises(InputError, match=r"the times of every turn .* at turn 0"):
        written("eaf", untimed)
    with pytest.raises(TranscriptError, match="found: No such file"):
        written("eaf", session, original=tmp_path / "none.eaf")
    with pytest.raises(ConfigError, match=r"one session for an \.eaf file, found more"):
        written("eaf", session, session)
    with pytest.raises(ConfigError, match="found none"):
        written("eaf")


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    text=st.text(max_size=30),
    speaker=st.text(min_size=1, max_size=10).filter(str.strip),
    data=st.binary(max_size=40),
    at=st.integers(0, len(ORIGINAL.encode())),
)
def test_any_text_and_any_damage_end_in_a_file_or_an_error(
    text: str, speaker: str, data: bytes, at: int, tmp_path: Path, written: Write
) -> None:
    session = labelled(Session("s", (Turn(speaker, text, 0, 1500), Turn(speaker, text, 5, 9))))
    ET.fromstring(written("eaf", session))
    whole = ORIGINAL.encode()
    path = tmp_path / "damaged.eaf"
    path.write_bytes(whole[:at] + data + whole[at + len(data) :])
    with suppress(AllianceError):
        ET.fromstring(written("eaf", session, original=path))


def test_a_prefix_that_nothing_declares_is_refused(tmp_path: Path, written: Write) -> None:
    path = tmp_path / "prefix.eaf"
    assert "xmlns:xsi" in ORIGINAL
    path.write_text(ORIGINAL.replace("xmlns:xsi", "xmlns:xsl", 1), encoding="utf-8")
    session = labelled(Session("s", (Turn("client", "Hm.", 0, 1500),)))
    with pytest.raises(AllianceError, match="unbound prefix"):
        written("eaf", session, original=path)
