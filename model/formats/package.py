"""Office Open XML packages (.docx, .xlsx): a ZIP archive of XML parts, read as a stream.

Of a package only the parts with text are read, a piece at a time, and what a part unpacks to is
counted while it is: an archive that grows without end costs no memory. A document type, which
could define entities that grow without end, is refused; Office never writes one. Namespaces are
passed over, so that files of the transitional and the strict kind read the same.

The structure is that of ECMA-376 (Office Open XML), parts 1 and 2.
"""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import BinaryIO, Final, Protocol
from xml.parsers import expat

from alliance.model.errors import TranscriptError
from alliance.model.formats.encoding import kind_of
from alliance.model.formats.source import Source

__all__ = ["Kind", "Package", "XmlHandler", "seekable"]

_CHUNK: Final = 1 << 16
_LONGEST_TAG: Final = 1 << 20  # bytes; a longer one is not closed
_DEEPEST: Final = 256  # elements within elements
_MOST_ELEMENTS: Final = 200_000_000  # a sheet as large as Excel allows has fewer
_LARGEST_FILE: Final = 1 << 30  # bytes of a file that comes through a pipe
_SMALL_PART: Final = 1 << 24  # bytes; what a package says of itself is much shorter
_HEAD: Final = 64
_COMPOUND: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_TEXT_LIKE: Final = frozenset(range(32, 256)) | {9, 10, 13}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a package is expected to be: ``a Word document``, ``.docx``, ``Word``."""

    name: str
    ending: str
    program: str

    @property
    def advice(self) -> str:
        """What to do about a file that is not one."""
        return f"open it in {self.program} and save it as {self.ending}"


class XmlHandler(Protocol):
    """Takes the elements of a part, by their names without namespace."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """A piece of the text within."""


class Package:
    """An open package.

    Args:
        source: the file; its stream must be able to go back (see :func:`seekable`).
        kind: what it is expected to be.

    Raises:
        TranscriptError: if it is no package, or not one that can be read.
    """

    def __init__(self, source: Source, kind: Kind) -> None:
        self._source = source
        self._kind = kind
        stream = seekable(source)
        self._refuse_what_is_no_package(stream)
        try:
            self._archive = zipfile.ZipFile(stream)
            self._parts = {_key(each.filename): each for each in self._archive.infolist()}
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise self.damaged() from error
        relations = self.relations("")
        main = [target for kind_, target in relations.values() if kind_ == "officeDocument"]
        if len(main) != 1:
            raise self._wrong("found a ZIP archive of another kind")
        self.main = main[0]

    def relations(self, part: str) -> Mapping[str, tuple[str, str]]:
        """The parts that a part refers to.

        Args:
            part: its name; empty for the package itself.

        Returns:
            The relations' ids, each with its kind (``worksheet``, ``styles``, …) and the other
            part's name.
        """
        path = PurePosixPath("/", part)
        where = str(path.parent / "_rels" / f"{path.name}.rels") if part else "/_rels/.rels"
        found = _Relations(path.parent if part else path)
        if self.has(where):
            for _ in self.parse(where, found, largest=_SMALL_PART):
                pass
        return found.targets

    def has(self, part: str) -> bool:
        """Whether the package has a part of that name."""
        return _key(part) in self._parts

    def parse(self, part: str, handler: XmlHandler, *, largest: int) -> Iterator[None]:
        """Parse a part; each step of the iterator takes the handler one piece further.

        Args:
            part: its name.
            handler: what the elements are told to.
            largest: bytes it may unpack to.

        Raises:
            TranscriptError: if it is not there, damaged, protected, or larger.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        depth = made = 0

        def start(name: str, attributes: Mapping[str, str]) -> None:
            nonlocal depth, made
            depth += 1
            made += 1
            if depth > _DEEPEST:
                raise self._wrong("found XML nested without end")
            if made > _MOST_ELEMENTS:
                raise self.too_large()
            handler.start(
                name.rpartition(" ")[2],
                {key.rpartition(" ")[2]: value for key, value in attributes.items()},
            )

        def end(name: str) -> None:
            nonlocal depth
            depth -= 1
            handler.end(name.rpartition(" ")[2])

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = handler.text
        parser.StartDoctypeDeclHandler = self._doctype
        read = 0
        for chunk in self._chunks(part, largest):
            read += len(chunk)
            try:
                parser.Parse(chunk, not chunk)
            except (expat.ExpatError, LookupError, ValueError) as error:
                # The last two: an encoding expat cannot use, or a value a handler cannot.
                raise self.damaged() from error
            if chunk and read - max(parser.CurrentByteIndex, 0) > _LONGEST_TAG + _CHUNK:
                raise self.damaged()
            yield

    def damaged(self) -> TranscriptError:
        """The error for a package that is not whole."""
        return self._wrong("found one that is damaged or cut off")

    def too_large(self) -> TranscriptError:
        """The error for a package that unpacks to more than a transcript could."""
        return self._wrong("found one that unpacks to more than a transcript could")

    def _chunks(self, part: str, largest: int) -> Iterator[bytes]:
        """The bytes of a part; an empty piece at the end."""
        info = self._parts.get(_key(part))
        if info is None:
            raise self.damaged()
        if info.flag_bits & 1:
            raise self._protected()
        size = 0
        try:
            with self._archive.open(info) as stream:
                # A read of a limited size unpacks no more than that, whatever the archive says.
                while chunk := stream.read(_CHUNK):
                    size += len(chunk)
                    if size > largest:
                        raise self.too_large()
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise self.damaged() from error
        except (NotImplementedError, RuntimeError) as error:  # a compression Office never uses
            raise self.damaged() from error
        yield b""

    def _refuse_what_is_no_package(self, stream: BinaryIO) -> None:
        head = stream.read(_HEAD)
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            stream.seek(-len(head), 1)
            return
        if head.startswith(_COMPOUND):
            if _holds(stream, _ENCRYPTED):
                raise self._protected()
            raise self._wrong("found the file of an old version of Office")
        if not head:
            raise self._source.error(
                f"expected {self._kind.name} ({self._kind.ending}), found an empty file; check "
                f"its export"
            )
        if (kind := kind_of(head)) is not None:
            raise self._wrong(f"found {kind}")
        if all(byte in _TEXT_LIKE for byte in head):
            found = "found what looks like text"
            raise self._wrong(found, or_else="give it the ending .txt or .csv")
        raise self._wrong("found a file of another kind")

    def _doctype(self, *_: object) -> None:
        raise self._wrong("found XML with a document type, which Office never writes")

    def _protected(self) -> TranscriptError:
        return self._source.error(
            f"expected {self._kind.name} that opens without a password, found one that needs it; "
            f"open it in {self._kind.program} and save it without a password"
        )

    def _wrong(self, found: str, *, or_else: str = "") -> TranscriptError:
        advice = f"{or_else}, or {self._kind.advice}" if or_else else self._kind.advice
        return self._source.error(
            f"expected {self._kind.name} ({self._kind.ending}), {found}; {advice}"
        )


def seekable(source: Source) -> BinaryIO:
    """The file's stream, able to go back; what comes through a pipe is held in memory.

    Raises:
        TranscriptError: if it comes through a pipe and is larger than a gibibyte.
    """
    try:
        source.stream.seek(0, 1)
    except (OSError, ValueError, AttributeError):
        data = BytesIO()
        while chunk := source.stream.read(_CHUNK):
            if data.tell() > _LARGEST_FILE:
                raise source.error(
                    "expected a file of at most one gibibyte, found a larger one; name it instead "
                    "of sending it through a pipe"
                ) from None
            data.write(chunk)
        data.seek(0)
        return data
    return source.stream


class _Relations:
    """Collects the relations of a part (``Relationship`` elements)."""

    def __init__(self, folder: PurePosixPath) -> None:
        self.targets: dict[str, tuple[str, str]] = {}
        self._folder = folder

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = str(self._folder / attributes.get("Target", ""))
            kind = attributes.get("Type", "").rpartition("/")[2]
            self.targets[attributes.get("Id", "")] = (kind, target)

    def end(self, name: str) -> None:
        pass

    def text(self, text: str) -> None:
        pass


def _key(part: str) -> str:
    """A part's name as it is compared: without dots, a slash in front, or upper case."""
    path: list[str] = []
    for step in part.replace("\\", "/").casefold().split("/"):
        if step == "..":
            path[-1:] = []
        elif step not in ("", "."):
            path.append(step)
    return "/".join(path)


def _holds(stream: BinaryIO, wanted: bytes) -> bool:
    """Whether the rest of a stream holds some bytes."""
    before = b""
    while chunk := stream.read(_CHUNK):
        if wanted in before + chunk:
            return True
        before = chunk[-len(wanted) :]
    return False
