"""Files that are no Word document or Excel workbook, or that would eat memory or time."""

import io
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from types import ModuleType

import pytest

from alliance.model.errors import TranscriptError
from alliance.model.formats import read_sessions
from alliance.model.session import Session

Read = Callable[..., list[Session]]

NAMES = ("a.docx", "a.xlsx")
MEGABYTE = 1 << 20
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def whole(ooxml: ModuleType, name: str) -> bytes:
    if name == "a.docx":
        return bytes(ooxml.docx(ooxml.paragraph("T: Hello.") + ooxml.paragraph("C: Hi.")))
    return bytes(ooxml.xlsx(ooxml.row(1, A="speaker", B="text") + ooxml.row(2, A="T", B="Hi.")))


def with_entities(ooxml: ModuleType, name: str, head: str, text: str) -> bytes:
    if name == "a.docx":
        return bytes(ooxml.docx(ooxml.paragraph(f"T: {text}"), head=head))
    parts = dict(parts_of(whole(ooxml, name)))
    sheet = parts["xl/worksheets/sheet1.xml"].decode()
    parts["xl/worksheets/sheet1.xml"] = (head + sheet.replace("Hi.", text)).encode()
    return bytes(ooxml.zipped(parts))


def parts_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def failed(read: Read, name: str, content: bytes) -> str:
    """The error, which comes soon and costs little memory."""
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(TranscriptError) as caught:
            read(name, content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * MEGABYTE
    assert time.process_time() - began < 30
    message = str(caught.value)
    assert message.startswith(f"{name}")
    assert "; " in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", NAMES)
def test_what_they_are_is_read(read: Read, ooxml: ModuleType, name: str) -> None:
    assert read(name, whole(ooxml, name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "found an empty file; "),
        (b"T: Hello.\n", "found what looks like text; give it the ending .txt"),
        (b"%PDF-1.7\n", "found a PDF document; open it in"),
        (b"{\\rtf1\\ansi", "found an RTF document; open it in"),
        (COMPOUND + b"\0" * 600, "found the file of an old version of Office; open it in"),
        (
            COMPOUND + b"\0" * 70_000 + "EncryptedPackage".encode("utf-16-le"),
            "that opens without a password, found one that needs it; open it in",
        ),
        (b"PK\x05\x06" + b"\0" * 18, "found a ZIP archive of another kind"),
        (b"PK\x03\x04 and no more", "found one that is damaged or cut off"),
        (b"\x00\x01\x02\x03\x04", "found a file of another kind"),
    ],
)
def test_files_of_another_kind(read: Read, name: str, content: bytes, found: str) -> None:
    message = failed(read, name, content)
    assert found in message
    assert ("Word" if name == "a.docx" else "Excel") in message


def test_each_kind_under_the_others_ending(read: Read, ooxml: ModuleType) -> None:
    for name, other in (NAMES, NAMES[::-1]):
        assert "expected a" in failed(read, other, whole(ooxml, name))
    assert "of another kind" in failed(read, "a.docx", ooxml.zipped({"hello.txt": "Hello."}))


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_cut_off(read: Read, ooxml: ModuleType, name: str) -> None:
    content = whole(ooxml, name)
    for size in range(4, len(content), 97):
        assert "damaged or cut off" in failed(read, name, content[:size])


@pytest.mark.parametrize("name", NAMES)
def test_parts_that_are_missing_or_broken(read: Read, ooxml: ModuleType, name: str) -> None:
    parts = parts_of(whole(ooxml, name))
    main = "word/document.xml" if name == "a.docx" else "xl/worksheets/sheet1.xml"
    for content in (None, b"", b"<", b"<a></b>", parts[main][:-20], b"\xff\xfe\x00"):
        broken = {key: value for key, value in parts.items() if key != main}
        if content is not None:
            broken[main] = content
        assert "damaged or cut off" in failed(read, name, ooxml.zipped(broken))
    deep = ooxml.zipped({**parts, main: b"<a>" * 5_000})
    assert "nested without end" in failed(read, name, deep)


@pytest.mark.parametrize("name", NAMES)
def test_a_part_with_a_password(read: Read, ooxml: ModuleType, name: str) -> None:
    content = bytearray(whole(ooxml, name))
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(sign)
        while place >= 0:
            content[place + offset] |= 1  # the flag of an encrypted part
            place = content.find(sign, place + 1)
    assert "without a password" in failed(read, name, bytes(content))


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">'
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("head", "text"),
    [
        (LAUGHS, "&i;"),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>', "&a;"),
        ('<!DOCTYPE x SYSTEM "http://localhost:1/x.dtd">', "Hi."),
    ],
)
def test_entities_are_refused(
    read: Read, ooxml: ModuleType, name: str, head: str, text: str
) -> None:
    content = with_entities(ooxml, name, head, text)
    assert "found XML with a document type" in failed(read, name, content)


WORD, BOOK = "alliance.model.formats.word", "alliance.model.formats.workbook"


def test_a_part_that_grows_without_end(read: Read, ooxml: ModuleType) -> None:
    blank = ooxml.docx("<w:p><w:r><w:t>T: a</w:t></w:r></w:p>" + " " * (160 * MEGABYTE))
    assert len(blank) < MEGABYTE
    assert "unpacks to more than a transcript could" in failed(read, "a.docx", blank)


@pytest.mark.parametrize(
    ("limit", "most", "body"),
    [
        ("_LARGEST_TEXT", 100_000, "<w:p/>" * 50_000),
        ("_LARGEST_STYLES", 100_000, None),
        ("_MOST_BLOCKS", 10_000, "<w:p/>" * 20_000),
        ("_MOST_BLOCKS", 10_000, "<w:tbl><w:tr><w:tc/></w:tr></w:tbl>" * 10_000),
        ("_MOST_BLOCKS", 10_000, f"<w:tbl>{'<w:tr><w:tc/></w:tr>' * 10_000}</w:tbl>"),
        ("_MOST_BLOCKS", 10_000, f"<w:tbl><w:tr>{'<w:tc/>' * 20_000}</w:tr></w:tbl>"),
    ],
)
def test_documents_without_end(
    read: Read,
    ooxml: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    most: int,
    body: str | None,
) -> None:
    # The limits are lower here than they are, so that the test is quick.
    monkeypatch.setattr(f"{WORD}.{limit}", most)
    content = ooxml.docx(body or "", styles="" if body else "<w:style/>" * 50_000)
    assert "unpacks to more than a transcript could" in failed(read, "a.docx", content)


def test_workbooks_without_end(
    read: Read, ooxml: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = ooxml.row(1, A="speaker", B="text")
    far = header + '<row r="99999999999"><c r="A2"><v>1</v></c></row>'
    assert "damaged or cut off" in failed(read, "a.xlsx", ooxml.xlsx(far))
    wide = header + f'<row r="2">{"<c><v>1</v></c>" * 20_000}</row>'
    assert "found '1'" in failed(read, "a.xlsx", ooxml.xlsx(wide))
    monkeypatch.setattr(f"{BOOK}._MOST_ROWS", 10_000)
    assert "damaged or" in failed(read, "a.xlsx", ooxml.xlsx(header + "<row/>" * 20_000))
    for limit, most, sheet, strings, styles in (
        ("_MOST_STRINGS", 1_000_000, header, "<si><t>a</t></si>" * 20_000, ""),
        ("_MOST_CELLS", 1_000, header + f"<row>{'<c/>' * 20_000}</row>", "", ""),
        ("_LARGEST_PART", 100_000, header + "<x/>" * 50_000, "", ""),
        ("_SMALL_PART", 100_000, header, "", "<x/>" * 50_000),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(f"{BOOK}.{limit}", most)
            content = ooxml.xlsx(sheet, strings=strings, styles=styles)
            assert "unpacks to more than a transcript" in failed(read, "a.xlsx", content)
    monkeypatch.setattr("alliance.model.formats.package._MOST_ELEMENTS", 10_000)
    content = ooxml.xlsx(header + "<x/>" * 20_000)
    assert "unpacks to more than a transcript" in failed(read, "a.xlsx", content)


def test_a_part_that_lies_about_its_size(read: Read, ooxml: ModuleType) -> None:
    content = bytearray(ooxml.docx(ooxml.paragraph("T: " + "a" * 10 * MEGABYTE)))
    place = content.rfind(b"PK\x01\x02")
    assert b"word/document.xml" in content[place : place + 100]
    struct.pack_into("<I", content, place + 24, 100)
    assert "damaged or cut off" in failed(read, "a.docx", bytes(content))


def test_a_tag_that_never_ends(read: Read, ooxml: ModuleType) -> None:
    body = f'<w:p w:x="{"a" * 8 * MEGABYTE}"/>'
    assert "damaged or cut off" in failed(read, "a.docx", ooxml.docx(body))


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_through_a_pipe(
    ooxml: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = whole(ooxml, name)

    class Pipe(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            raise io.UnsupportedOperation

    (session,) = read_sessions(Pipe(content), name="-", format=name[2:])
    assert session.id == "stdin"
    monkeypatch.setattr("alliance.model.formats.package._LARGEST_FILE", 100)
    with pytest.raises(TranscriptError, match=r"^-: .* at most one gibibyte"):
        list(read_sessions(Pipe(content * 100), name="-", format=name[2:]))
