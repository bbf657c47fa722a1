"""Valid documents and tables with something changed end in sessions or one of our own errors."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alliance.model.errors import TranscriptError
from alliance.model.formats import read_sessions

DATA = Path(__file__).parents[2] / "data" / "formats"
FILES = {
    "a.docx": (DATA / "session.docx").read_bytes(),
    "a.xlsx": (DATA / "session.xlsx").read_bytes(),
    "a.parquet": (DATA / "sessions.parquet").read_bytes(),
    "utterances.jsonl": (DATA / "convokit" / "utterances.jsonl").read_bytes(),
}
# What is read of a package; the rest of the archive is passed over.
PARTS = {
    "a.docx": ("_rels/.rels", "word/_rels/document.xml.rels", "word/document.xml"),
    "a.xlsx": (
        *("_rels/.rels", "xl/_rels/workbook.xml.rels", "xl/workbook.xml", "xl/styles.xml"),
        "xl/worksheets/sheet1.xml",
    ),
}
PIECES = st.sampled_from(
    [
        *(
            b"",
            b"\0",
            b"\xff" * 4,
            b"<",
            b">",
            b"/>",
            b"</",
            b"&amp;",
            b"&#0;",
            b"<!--",
            b"<![CDATA[",
        ),
        *(
            b"<w:del>",
            b"<w:tbl>",
            b"</w:tbl>",
            b"<w:tr>",
            b"<w:tc>",
            b"</w:tc>",
            b"<w:p>",
            b"</w:p>",
        ),
        *(
            b"<row>",
            b"</row>",
            b"<c>",
            b"</c>",
            b"<f/>",
            b"<v>9</v>",
            b' t="s"',
            b' r="ZZZ9"',
            b"-1",
        ),
        *(b"1e999", b"nan", b"99999999999999999999", b"T: ", b"0:05", b'"', b"{", b"null", b"[]"),
    ]
)


def check(name: str, data: bytes) -> None:
    try:
        sessions = list(read_sessions(io.BytesIO(data), name=name))
    except TranscriptError as error:
        message = str(error)
        assert message.startswith(name)
        assert "\n" not in message
        assert len(message) < 3_000
    else:
        assert all(session.turns for session in sessions)


def changed(draw: st.DrawFn, data: bytes) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 8, 100])))
        piece = draw(PIECES | st.binary(min_size=1, max_size=4))
        data = data[:start] + piece + data[end:]
    return data


@st.composite
def files(draw: st.DrawFn, name: str) -> bytes:
    """The file with a few bytes changed."""
    return changed(draw, FILES[name])


@st.composite
def packages(draw: st.DrawFn, name: str) -> bytes:
    """The package, whole as an archive, with one of its parts changed."""
    part = draw(st.sampled_from(PARTS[name]))
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(FILES[name])) as before,
        zipfile.ZipFile(out, "w") as after,
    ):
        for each in PARTS[name]:
            data = before.read(each)
            after.writestr(each, changed(draw, data) if each == part else data)
    return out.getvalue()


SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", FILES)
def test_the_files_themselves_are_read(name: str) -> None:
    roles = {"12": "therapist", "anna": "client"}
    assert list(read_sessions(io.BytesIO(FILES[name]), name=name, roles=roles))


@pytest.mark.parametrize("name", FILES)
@SETTINGS
@given(data=st.data())
def test_files_with_changed_bytes(name: str, data: st.DataObject) -> None:
    check(name, data.draw(files(name)))


@pytest.mark.parametrize("name", PARTS)
@SETTINGS
@given(data=st.data())
def test_packages_with_changed_parts(name: str, data: st.DataObject) -> None:
    check(name, data.draw(packages(name)))
