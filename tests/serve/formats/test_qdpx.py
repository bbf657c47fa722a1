import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyrefiqda import RefiProject

from alliance.model.codebook import MARKER_ORDER, Label
from alliance.model.errors import ConfigError
from alliance.model.labelled import LabelledSession
from alliance.serve.formats.columns import TURN_COLUMNS

Write = Callable[..., bytes]
NS = {"q": "urn:QDA-XML:project:1.0"}
GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")  # of the standard's GUIDType
# Children in the order of Project.xsd; what is not listed has none of which the order matters.
ORDER = {
    "Project": ["Users", "CodeBook", "Variables", "Cases", "Sources", "Notes", "Links", "Sets"],
    "Code": ["Description", "NoteRef", "Code"],
    "TextSource": ["Description", "PlainTextContent", "PlainTextSelection", "Coding", "NoteRef"],
    "PlainTextSelection": ["Description", "Coding", "NoteRef"],
}


def project(data: bytes) -> tuple[ET.Element, dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = ET.fromstring(archive.read("project.qde"))
        names = [name for name in archive.namelist() if name != "project.qde"]
        return root, {name: archive.read(name).decode("utf-8") for name in names}


def codings(root: ET.Element, sources: dict[str, str]) -> list[tuple[str, list[str]]]:
    """What is coded, with the names of its codes."""
    names = {code.get("guid"): code.get("name") for code in root.iter(f"{{{NS['q']}}}Code")}
    out = []
    for source in root.findall("q:Sources/q:TextSource", NS):
        text = sources[str(source.get("plainTextPath")).replace("internal://", "Sources/")]
        for each in source.findall("q:PlainTextSelection", NS):
            start, end = int(each.get("startPosition", "")), int(each.get("endPosition", ""))
            refs = [ref.get("targetGUID") for ref in each.findall("q:Coding/q:CodeRef", NS)]
            out.append((text[start:end], [str(names[ref]) for ref in refs]))
    return out


def test_selections_hold_the_words_of_the_labelled_turns(
    session: LabelledSession, written: Write
) -> None:
    root, sources = project(written("qdpx", session))
    texts = [turn.turn.text for turn in session]
    assert codings(root, sources) == [
        (texts[0], ["neutral"]),
        (texts[1], ["withdrawal rupture", "W2 minimal response"]),
        (texts[2], ["alliance-positive", "PR repair", "unsure"]),
        (texts[3], ["confrontation rupture", "C1 complaint about the therapist"]),
    ]
    (text,) = sources.values()
    assert text.startswith("therapist: =1+1\nclient: ")
    assert text.endswith("client: [pause]\nMother: Hello.\n")


def test_the_library_reads_it(session: LabelledSession, written: Write, tmp_path: Path) -> None:
    path = tmp_path / "p.qdpx"
    path.write_bytes(written("qdpx", session, session))
    read: Any = RefiProject.load(path, extract_dir=str(tmp_path / "extracted"))
    assert [code.name for code in read.code_book.codes.code] == [
        *(label.title for label in Label),
        "unsure",
    ]
    markers = [code.name.split()[0] for top in read.code_book.codes.code for code in top.code]
    assert set(markers) == {marker.value for marker in MARKER_ORDER} - {"N"}
    assert len(read.sources.text_source) == 2
    selection = read.sources.text_source[0].plain_text_selection[1]
    assert len(selection.coding) == 2
    assert selection.name == "turn 1"


def test_the_project_keeps_to_the_schema(session: LabelledSession, written: Write) -> None:
    root, sources = project(written("qdpx", session, session))
    guids = [node.get("guid") for node in root.iter() if node.get("guid")]
    assert len(guids) == len(set(guids))
    assert all(GUID.fullmatch(str(guid)) for guid in guids)
    for node in root.iter():
        tag = node.tag.rpartition("}")[2]
        assert node.tag.startswith(f"{{{NS['q']}}}")
        for name in ("targetGUID", "creatingUser", "creatingUserGUID"):
            assert node.get(name) in (None, *guids)
        children = [child.tag.rpartition("}")[2] for child in node]
        if tag in ORDER:
            assert children == sorted(children, key=ORDER[tag].index)
        if tag == "Code":
            assert re.fullmatch("#[0-9A-F]{6}", str(node.get("color")))
    for source in root.findall("q:Sources/q:TextSource", NS):
        assert f"Sources/{source.get('guid')}.txt" in sources


def test_the_same_bytes_at_another_time(
    session: LabelledSession, written: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = written("qdpx", session)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    assert written("qdpx", session) == once


def test_a_transcript_alone_and_nothing(session: LabelledSession, written: Write) -> None:
    rows = [{"session_id": "s", "turn": 0, "speaker": "client", "text": "No."}]
    root, sources = project(written("qdpx", rows=rows, columns=TURN_COLUMNS))
    assert codings(root, sources) == []
    assert list(sources.values()) == ["client: No.\n"]
    root, _ = project(written("qdpx"))
    assert root.find("q:Sources", NS) is None
    with pytest.raises(ConfigError, match="--no-text"):
        written("qdpx", session, include_text=False)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    texts=st.lists(st.text(max_size=20), min_size=1, max_size=4),
    name=st.text(min_size=1, max_size=8).filter(str.strip),
)
def test_places_are_right_in_any_text(texts: list[str], name: str, written: Write) -> None:
    rows = [
        {"session_id": name, "turn": n, "speaker": name, "text": text, "label": "neutral"}
        for n, text in enumerate(texts)
    ]
    root, sources = project(written("qdpx", rows=rows))
    said = [re.sub("\r\n?", "\n", text) for text in texts if text]
    assert [text for text, _ in codings(root, sources)] == said
