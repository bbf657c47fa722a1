"""Output that appears whole or not at all.

A file is written beside its target under a hidden name, flushed to the disk and renamed over the
target at the end; whatever ends the program before that leaves the target as it was. A killed
process can leave the hidden file (``.alliance-*.part``) behind, never half an output.

Either output is written in parts (one per input file). A part that fails leaves no trace: in a
file it is cut off again, for standard output it waits in a temporary file until it is complete.
"""

import io
import os
import secrets
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, TextIO

from alliance.model.errors import InputError

_SPOOL: Final = 4 << 20  # bytes of a part for stdout that stay in memory


class Output(ABC):
    """Where results go, part by part; use as a context manager.

    Leaving the block without an error completes the output, if any part was kept.
    """

    def __init__(self) -> None:
        self.parts = 0
        """Parts kept so far."""

    @contextmanager
    def part(self) -> Iterator[TextIO]:
        """A text stream (UTF-8, line ends as written); an error within leaves nothing of it."""
        with self._part() as binary:
            # Half a surrogate pair, which JSON can smuggle in, has no UTF-8 form: "?" replaces it.
            text = io.TextIOWrapper(binary, encoding="utf-8", errors="replace", newline="")
            try:
                yield text
            finally:
                text.detach()  # flushes; the binary stream outlives this part
        self.parts += 1

    @contextmanager
    def binary_part(self) -> Iterator[BinaryIO]:
        """A stream of bytes; an error within leaves nothing of it."""
        with self._part() as binary:
            yield binary
        self.parts += 1

    @abstractmethod
    def _part(self) -> Any: ...

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._close(keep=kind is None and self.parts > 0)

    @abstractmethod
    def _close(self, *, keep: bool) -> None: ...


class FileOutput(Output):
    """A file that replaces its target when it is complete.

    Args:
        path: the target; a symbolic link is followed.

    Raises:
        InputError: if the target is a folder or its folder does not exist.
        OSError: if the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._target = Path(os.path.realpath(path))
        if self._target.is_dir():
            raise InputError(f"{path}: expected a file to write, found a folder; name a file in it")
        if not self._target.parent.is_dir():
            raise InputError(f"{path}: expected an existing folder, found none; make it first")
        self._temporary = self._target.parent / f".alliance-{secrets.token_hex(6)}.part"
        # Not from tempfile: its files are the owner's alone, whatever the user's umask says.
        self._file: BinaryIO = self._temporary.open("xb")

    @contextmanager
    def _part(self) -> Iterator[BinaryIO]:
        start = self._file.tell()
        try:
            yield self._file
        except BaseException:
            self._file.seek(start)
            self._file.truncate()
            raise

    def _close(self, *, keep: bool) -> None:
        try:
            if keep:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._temporary.replace(self._target)
        finally:
            # On Windows an open file cannot be removed; closing may meet the full disk again.
            try:
                self._file.close()
            finally:
                self._temporary.unlink(missing_ok=True)


class StreamOutput(Output):
    """Standard output, or a target that cannot be replaced (a pipe, ``/dev/null``).

    Args:
        stream: a binary stream; it is not closed.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream

    @contextmanager
    def _part(self) -> Iterator[BinaryIO]:
        with tempfile.SpooledTemporaryFile(_SPOOL) as spool:
            yield spool  # type: ignore[misc]  # all that TextIOWrapper asks of a BinaryIO
            spool.seek(0)
            shutil.copyfileobj(spool, self._stream)
        self._stream.flush()

    def _close(self, *, keep: bool) -> None:
        if keep:
            self._stream.flush()


@contextmanager
def open_output(path: Path | None) -> Iterator[Output]:
    """The output for a path; None or ``-`` is standard output.

    Raises:
        InputError: if the path is a folder or lies in none.
        OSError: if it cannot be written.
    """
    if path is None or str(path) == "-":
        with StreamOutput(sys.stdout.buffer) as output:
            yield output
    elif path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as stream, StreamOutput(stream) as output:
            yield output
    else:
        with FileOutput(path) as output:
            yield output
