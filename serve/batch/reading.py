"""An input as a stream of sessions, with digests of what was read."""

import hashlib
import io
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from alliance.model.session import Session
from alliance.serve.inputs import STDIN, UNREAD, Reading, why_unread

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["OpenInput", "UnreadableError", "digest_of", "open_input", "sha256_of", "size_of"]


_CHUNK: Final = 1 << 20


class UnreadableError(Exception):
    """An input that failed; the message is for the user, without transcript text."""


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What a file shows of itself from outside; another one means it was written to."""

    size: int
    changed_ns: int


class OpenInput:
    """An input that is open to be read; made by :func:`open_input`.

    Args:
        name: as the user gave it.
        stream: its bytes.
        regular: whether it is a file that can be read twice, not a pipe.
    """

    def __init__(self, name: str, stream: BinaryIO, *, regular: bool) -> None:
        self.name = name
        self._given = stream
        self._piped = None if regular else _HashingStream(stream)
        self._stream = stream if self._piped is None else io.BufferedReader(self._piped)
        self._sha256: str | None = None
        self._stamp = _stamp(Path(name)) if regular else None
        self._furthest = 0

    def digest(self) -> str | None:
        """SHA-256 of the bytes as they are before they are read; None for a pipe.

        Raises:
            UnreadableError: if they cannot be read.
        """
        if self._piped is None and self._sha256 is None:
            try:
                self._sha256 = sha256_of(self._given)
                self._given.seek(0)
            except OSError as error:
                raise UnreadableError(why_unread(self.name, error)) from error
        return self._sha256

    def sessions(self, reading: Reading) -> Iterator[Session]:
        """The sessions, one after another.

        Raises:
            UnreadableError: if the input cannot be read, or changes meanwhile.
        """
        sessions = reading.sessions(self._stream, name=self.name)
        while True:
            # Only reading is tried here: an error of writing or labelling is not the input's.
            try:
                session = next(sessions, None)
            except UNREAD as error:
                raise UnreadableError(why_unread(self.name, error)) from error
            except Exception as error:  # a reader's own fault must not cost the other inputs
                raise UnreadableError(
                    f"{self.name}: expected a transcript that can be read, found one on which its "
                    f"reader fails ({type(error).__name__}); leave it out, and please report it"
                ) from error
            if session is None:
                break
            yield session
        if self._stamp is not None and _stamp(Path(self.name)) != self._stamp:
            raise UnreadableError(
                f"{self.name}: expected a file that stays as it is, found that it changed while it "
                f"was read; label it again when it is complete"
            )

    def finished_digest(self) -> str | None:
        """SHA-256 of the bytes, once the input was read to its end."""
        return self._sha256 if self._piped is None else self._piped.hexdigest()

    def size(self) -> int:
        """Bytes; of a pipe those read so far."""
        return self._stamp.size if self._stamp is not None else self.position()

    def position(self) -> int:
        """How many bytes were read, for the progress bar; it never runs back."""
        try:
            found = self._stream.tell() if self._piped is None else self._piped.read_bytes
        except (OSError, ValueError):
            found = 0  # a stream that its reader has closed
        self._furthest = max(self._furthest, found)
        return self._furthest


@contextmanager
def open_input(name: str) -> Iterator[OpenInput]:
    """Open an input.

    Raises:
        UnreadableError: if it cannot be opened.
    """
    if name == STDIN:
        yield OpenInput(name, sys.stdin.buffer, regular=False)
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115  # closed below; this line is tried
    except OSError as error:
        raise UnreadableError(why_unread(name, error)) from error
    with stream:
        regular = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
        yield OpenInput(name, stream, regular=regular)


def sha256_of(stream: BinaryIO) -> str:
    """SHA-256 of what is left in a stream, as hexadecimal digits."""
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def size_of(file: Path | str) -> int:
    """Bytes of a file; 0 if that cannot be known."""
    try:
        return 0 if file == STDIN else Path(file).stat().st_size
    except OSError:
        return 0  # it will be named when it is opened


def digest_of(session: Session) -> str:
    """What a session holds, as hexadecimal digits: equal for equal sessions alone."""
    content = json.dumps(session.to_dict(), separators=(",", ":")).encode("ascii")
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None  # it has gone; what is open can still be read
    return _Stamp(found.st_size, found.st_mtime_ns)


class _HashingStream(io.RawIOBase):
    """A pipe whose bytes are hashed as they go by."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._hash = hashlib.sha256()
        self.read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        content = self._stream.read(len(view))
        view[: len(content)] = content
        self._hash.update(content)
        self.read_bytes += len(content)
        return len(content)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
