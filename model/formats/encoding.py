"""From bytes to lines of text, without ever guessing an encoding.

UTF-8 is what a transcript is expected to be; a byte-order mark at its start overrules that, and
the caller's choice, since it is part of the file and says so itself. Anything else must be named:
detectors misjudge short texts, and a misjudged name or apostrophe changes what was said.
"""

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from alliance.model.errors import ConfigError, TranscriptError

_CHUNK: Final = 1 << 16
_SNIFFED: Final = 4096

# The longer marks come first: UTF-32's little-endian mark begins with UTF-16's.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_KINDS: Final = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (such as a Word or Excel document)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    # The byte after the letters keeps a speaker called ID3 or PAR1 apart from these.
    (b"ID3\x02", "a sound recording"),
    (b"ID3\x03", "a sound recording"),
    (b"ID3\x04", "a sound recording"),
    (b"OggS\x00", "a sound recording"),
    (b"fLaC\x00", "a sound recording"),
    (b"PAR1\x15", "a Parquet table"),
    (b"SQLite format 3\x00", "an SQLite database"),
)

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_NOT_FOR_FILES: Final = frozenset({"idna", "punycode"})  # of names in the web's addresses
_TO_TEXT: Final = "save it as plain text (UTF-8) or export it in a format that can be read"


def check_encoding(encoding: str | None) -> str | None:
    """The codec's own name for an encoding, or None for None.

    Raises:
        ConfigError: if Python knows no text encoding of that name.
    """
    if encoding is None:
        return None
    problem = ConfigError(
        f"expected the name of a text encoding such as utf-8, utf-16-le or cp1252, found "
        f"'{encoding}'; correct --encoding"
    )
    try:
        b"a".decode(encoding)  # refuses codecs that do not make text (base64, rot13, …)
    except UnicodeDecodeError:
        pass  # half a character in UTF-16
    except (LookupError, ValueError) as error:
        raise problem from error
    name = codecs.lookup(encoding).name
    if name in _NOT_FOR_FILES:
        raise problem
    return name


def read_lines(stream: BinaryIO, *, name: str, encoding: str | None = None) -> Iterator[str]:
    r"""The lines of a text file, each with its own line end (``\n``, ``\r\n`` or ``\r``).

    Nothing else ends a line: a line or paragraph separator (U+2028, U+2029), form feed or
    vertical tab stays inside. Reads in chunks and never closes the stream.

    Args:
        stream: the bytes.
        name: the file's name for errors.
        encoding: a codec's name as :func:`check_encoding` gives it; None for UTF-8. A byte-order
            mark overrules it.

    Raises:
        TranscriptError: if the bytes are not text in that encoding.
    """
    head = b""
    while len(head) < _SNIFFED and (more := _read(stream, _SNIFFED - len(head))):
        head += more  # a pipe may give a few bytes at a time
    marked = next(((mark, codec) for mark, codec in _MARKS if head.startswith(mark)), None)
    if marked is None:
        _refuse_what_is_no_text(head, name=name, encoding=encoding)
    mark, codec = marked or (b"", encoding or "utf-8")
    decoder = _Decoder(codec, name=name, read=len(mark), chosen=bool(encoding) or bool(mark))
    pieces: list[str] = []  # of a line whose end has not been read yet
    chunk, ended = head[len(mark) :], False
    while not ended:
        chunk = chunk or _read(stream, _CHUNK)
        ended = not chunk
        text = decoder.decode(chunk, final=ended)
        chunk = b""
        if pieces and pieces[-1].endswith("\r"):
            # A line feed at the chunk's start belongs to the carriage return before it.
            text, pieces = "".join(pieces) + text, []
        start = 0
        for match in _LINE_END.finditer(text):
            end = match.end()
            if end == len(text) and match[0] == "\r" and not ended:
                break  # its line feed may come with the next chunk
            decoder.line += 1
            yield "".join((*pieces, text[start:end])) if pieces else text[start:end]
            pieces, start = [], end
        if start < len(text):
            pieces.append(text[start:])
    if pieces:
        yield "".join(pieces)


class _Decoder:
    """An incremental decoder that knows where it is."""

    def __init__(self, codec: str, *, name: str, read: int, chosen: bool) -> None:
        self._decoder = codecs.getincrementaldecoder(codec)(errors="strict")
        self._codec = codec
        self._name = name
        self._read = read
        self._chosen = chosen
        self._first = True
        self.line = 1  # the line that is being read

    def decode(self, chunk: bytes, *, final: bool) -> str:
        state = self._decoder.getstate()[0]
        pending = len(state) if isinstance(state, bytes) else 0
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise self._undecodable(error, self._read - pending) from error
        self._read += len(chunk)
        if self._first and text:
            self._first = False
            text = text.removeprefix("\ufeff")
        if "\0" in text:
            line = self.line + _line_ends(text[: text.index("\0")])
            raise TranscriptError(
                f"expected text, found a NUL character; {_TO_TEXT}, or name its encoding with "
                f"--encoding (UTF-16 without a byte-order mark: utf-16-le)",
                source=self._name,
                line=line,
            )
        return text

    def _undecodable(self, error: UnicodeDecodeError, before: int) -> TranscriptError:
        good = error.object[: error.start].decode(self._codec, "ignore")
        expected = (
            self._codec.upper() if self._chosen else "UTF-8, or UTF-16 with a byte-order mark"
        )
        return TranscriptError(
            f"expected text in {expected}, found what is not at byte "
            f"{before + error.start + 1} of the file; name its encoding, e.g. --encoding cp1252",
            source=self._name,
            line=self.line + _line_ends(good),
        )


def kind_of(head: bytes) -> str | None:
    """What a file is by its first bytes (``a PDF document``), or None if they do not tell."""
    kind = next((kind for magic, kind in _KINDS if head.startswith(magic)), None)
    if kind is None and (head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and b"\0" in head)):
        kind = "a sound or video recording"
    return kind


def _read(stream: BinaryIO, size: int) -> bytes:
    return stream.read(size) or b""


def _line_ends(text: str) -> int:
    return sum(1 for _ in _LINE_END.finditer(text))


def _refuse_what_is_no_text(head: bytes, *, name: str, encoding: str | None) -> None:
    if (kind := kind_of(head)) is not None:
        raise TranscriptError(f"expected a text file, found {kind}; {_TO_TEXT}", source=name)
    if encoding is not None or b"\0" not in head:
        return
    # In UTF-16 without a mark, Latin letters have their NUL bytes all on one side.
    for first, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        if head[first::2].count(0) >= len(head) // 4 and not head[1 - first :: 2].count(0):
            raise TranscriptError(
                f"expected text in UTF-8, found what looks like UTF-16 without a byte-order mark; "
                f"add --encoding {codec}",
                source=name,
            )
    raise TranscriptError(
        f"expected a text file, found binary data (NUL bytes); {_TO_TEXT}", source=name
    )
