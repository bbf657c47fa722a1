import io
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.errors import ConfigError, TranscriptError
from alliance.model.formats.encoding import check_encoding, read_lines

TEXT = "T: Wie geht's, Frau Müller?\r\nC: Ganz gut – 😀\u2028danke.\n"


class Trickle(io.BytesIO):
    """Gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        super().__init__(data)
        self.sizes = itertools.cycle(sizes)

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(next(self.sizes), 1 << 30 if size is None or size < 0 else size))


def lines(data: bytes, encoding: str | None = None) -> list[str]:
    return list(read_lines(io.BytesIO(data), name="a.txt", encoding=check_encoding(encoding)))


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-8"),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        b"\xff\xfe" + TEXT.encode("utf-16-le"),
        TEXT.encode("utf-32"),
        b"\x00\x00\xfe\xff" + TEXT.encode("utf-32-be"),
    ],
)
@pytest.mark.parametrize("encoding", [None, "utf-8", "cp1252"])
def test_utf8_and_byte_order_marks(data: bytes, encoding: str | None) -> None:
    if encoding == "cp1252" and data == TEXT.encode("utf-8"):
        encoding = None  # without a mark the caller's word counts
    assert "".join(lines(data, encoding)) == TEXT


@pytest.mark.parametrize(
    "encoding", ["cp1252", "latin-1", "utf-16-le", "UTF-16BE", "utf-16", "mac-roman"]
)
def test_named_encodings(encoding: str) -> None:
    text = "T: Müller, naïve\n"
    assert lines(text.encode(encoding), encoding) == [text]


@pytest.mark.parametrize("encoding", ["utf-9", "base64", "rot13", "undefined", "idna", "a\0b", ""])
def test_names_of_no_text_encoding(encoding: str) -> None:
    with pytest.raises(ConfigError, match="expected the name of a text encoding"):
        check_encoding(encoding)


def test_only_line_ends_end_lines() -> None:
    text = "a\nb\r\nc\rd\x0be\x0cf\x1cg\x85h\u2028i\u2029j\r\r\n\n"
    assert lines(text.encode()) == [
        "a\n",
        "b\r\n",
        "c\r",
        "d\x0be\x0cf\x1cg\x85h\u2028i\u2029j\r",
        "\r\n",
        "\n",
    ]
    assert lines(b"") == []
    assert lines(b"\xef\xbb\xbf") == []
    assert lines(b"a\r") == ["a\r"]


@settings(deadline=None)
@given(
    st.text(alphabet=st.sampled_from("ab\r\né😀\u2028")),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
)
def test_chunks_make_no_difference(text: str, encoding: str, sizes: list[int]) -> None:
    data = text.encode(encoding)
    whole = lines(data)
    assert list(read_lines(Trickle(data, sizes), name="a.txt")) == whole
    # Past the beginning, which is looked at in one piece.
    data = ("-" * 4096 + text).encode(encoding)
    whole_, chunked = lines(data), list(read_lines(Trickle(data, [4096, *sizes]), name="a.txt"))
    assert chunked == whole_
    assert "".join(whole) == text
    assert whole == io.StringIO(text, newline="").readlines()


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"T: a\r\nC: b\xe9c\n", r"a\.txt:2: .* UTF-8, .*byte 11 of the file"),
        (b"\xef\xbb\xbfT: a\nC: \xff\n", r"a\.txt:2: .* UTF-8, .*byte 12 of the file"),
        (b"T: a\rC: b\xc3", r"a\.txt:2: .*byte 10 of the file"),
        (b"\xff\xfea\0\n\0\x00\xd8b\0", r"a\.txt:2: .* UTF-16-LE, .*byte 7 of the file"),
        (b"\xff\xfea\0b", r"a\.txt:1: .*byte 5 of the file"),
        (b"a\n" * 40_000 + b"\xff", r"a\.txt:40001: .*byte 80001 of the file"),
        ("é".encode() * 40_000 + b"\xff", r"a\.txt:1: .*byte 80001 of the file"),
    ],
)
def test_the_place_of_a_wrong_byte(data: bytes, place: str) -> None:
    with pytest.raises(TranscriptError, match=place) as error:
        lines(data)
    assert "--encoding cp1252" in str(error.value)


def test_a_wrong_byte_in_a_named_encoding() -> None:
    with pytest.raises(TranscriptError, match=r"a\.txt:1: expected text in ASCII"):
        lines(b"\xe9", "ascii")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(codec: str) -> None:
    data = "T: How are you?\nC: Fine.\n".encode(codec)
    with pytest.raises(TranscriptError, match=f"UTF-16 without a byte-order .*--encoding {codec}"):
        lines(data)
    assert len(lines(data, codec)) == 2


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a PNG image"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image"),
        (b"GIF89a\x01\x00", "a GIF image"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04\x14\x00", "a ZIP archive .such as a Word or Excel document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Word"),
        (b"{\\rtf1\\ansi", "an RTF document"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
        (b"RIFF\x24\x00\x00\x00WAVE", "a sound or video"),
        (b"\x00\x00\x00\x18ftypmp42", "a sound or video"),
        (b"ID3\x04\x00", "a sound"),
        (b"PAR1\x15\x04", "a Parquet table"),
        (b"\x00\x01\x02\x00\x00", "binary data"),
        (b"a\x00b\x00\x00c", "binary data"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.json", "a.vtt", "a.srt", "a.tsv"])
def test_files_that_are_no_text(data: bytes, kind: str, name: str) -> None:
    with pytest.raises(TranscriptError, match=rf"{name}: expected .*text file, found {kind}"):
        list(read_lines(io.BytesIO(data), name=name))


def test_names_that_begin_like_other_files() -> None:
    for text in ("PAR1: hello\n", "ID3: hello\n", "RIFF: hello\n", "GIF8: hello\n", "%PDF\n"):
        assert lines(text.encode()) == [text]


def test_nul_characters_further_down() -> None:
    with pytest.raises(TranscriptError, match=r"a\.txt:3: expected text, found a NUL character"):
        lines(b"a\n" + b"b" * 5000 + b"\nc\0")
    with pytest.raises(TranscriptError, match=r"a\.txt:1: .* found a NUL character"):
        lines("T: a".encode("utf-16-le"), "utf-8")
