"""The journal of a batch: what is finished, appended record by record.

A record is one line: the CRC-32 of what follows as eight hexadecimal digits, a space, a JSON
object, a line feed. It is handed to the operating system whole, so that the death of the process,
however sudden, loses at most the record that was being written; every :data:`SYNC_SECONDS` and at
the end the file is flushed to the disk (fsync), so that a power cut loses at most what was finished
since then. A record that is cut short or damaged ends the journal: it and what follows is dropped.
"""

import json
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["SYNC_SECONDS", "Entry", "Journal"]

SYNC_SECONDS: Final = 5.0
"""How often the journal is flushed to the disk."""

_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and where it stands, in bytes from the journal's start."""

    offset: int
    record: Mapping[str, Any]


class Journal:
    """An append-only file of records; use as a context manager.

    Args:
        path: the file; it is made if it is not there.

    Raises:
        OSError: if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._out = path.open("ab", buffering=0)
        self._in = path.open("rb")
        self._end = self._out.seek(0, os.SEEK_END)
        self._synced = time.monotonic()

    def fileno(self) -> int:
        """The open file's number, to be locked."""
        return self._out.fileno()

    def append(self, record: Mapping[str, Any]) -> int:
        """Add a record.

        Returns:
            Its offset, for :meth:`read`.

        Raises:
            OSError: if it cannot be written.
        """
        content = json.dumps(record, separators=(",", ":")).encode("ascii")
        line = memoryview(b"%08x %b\n" % (zlib.crc32(content), content))
        offset = self._end
        while line:
            written = self._out.write(line)
            self._end += written
            line = line[written:]
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            self.sync()
        return offset

    def sync(self) -> None:
        """Flush the file to the disk."""
        os.fsync(self._out.fileno())
        self._synced = time.monotonic()

    def read(self, offset: int) -> Mapping[str, Any]:
        """The record at an offset.

        Raises:
            OSError: if it is not there any more, or damaged.
        """
        self._in.seek(offset)
        record = _record(self._in.readline())
        if record is None:
            raise OSError(f"expected a finished session in {self._path}, found it damaged")
        return record

    def scan(self) -> Iterator[Entry]:
        """All records in order; the journal is cut off at the first that is damaged."""
        self._in.seek(0)
        offset = 0
        while line := self._in.readline():
            record = _record(line)
            if record is None:
                self._truncate(offset)
                return
            yield Entry(offset, record)
            offset += len(line)

    def clear(self) -> None:
        """Forget everything."""
        self._truncate(0)

    def close(self) -> None:
        """Close the file."""
        self._in.close()
        self._out.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _truncate(self, size: int) -> None:
        self._out.truncate(size)
        self._end = size
        # Its buffer may hold what was there before.
        self._in.close()
        self._in = self._path.open("rb")


def _record(line: bytes) -> Mapping[str, Any] | None:
    """The record of a line, or None if it is not whole."""
    checksum, content = line[:_DIGITS], line[_DIGITS + 1 : -1]
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(content):
        return None
    record: Mapping[str, Any] = json.loads(content)
    return record
