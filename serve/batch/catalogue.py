"""What a batch knows of its inputs, their finished sessions and all session ids.

Ten million turns may be a hundred thousand files. What has to be known of each lies in a temporary
database on the disk (SQLite's own: private, and gone when it is closed), so that memory does not
grow with the corpus. The journal is the truth; this can always be made again from it.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

__all__ = ["Catalogue", "InputState", "KnownSession"]

_SCHEMA: Final = """
CREATE TABLE inputs (
    place INTEGER PRIMARY KEY, name BLOB NOT NULL, key BLOB NOT NULL UNIQUE, size INTEGER NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0, sha256 TEXT, sessions INTEGER NOT NULL DEFAULT 0,
    turns INTEGER NOT NULL DEFAULT 0, error TEXT
);
CREATE TABLE sessions (
    place INTEGER NOT NULL, number INTEGER NOT NULL, offset INTEGER NOT NULL, digest TEXT NOT NULL,
    turns INTEGER NOT NULL, PRIMARY KEY (place, number)
) WITHOUT ROWID;
CREATE TABLE ids (id BLOB PRIMARY KEY, inputs INTEGER NOT NULL) WITHOUT ROWID;
"""

_CACHE_KIB: Final = 512
"""Pages that SQLite keeps in memory; by itself it would take four times as much, in time."""


@dataclass(frozen=True, slots=True)
class InputState:
    """What is known of an input.

    Attributes:
        place: which of the inputs it is, counted from 0.
        name: as the user gave it.
        key: what tells it from all other files.
        size: bytes; 0 where that cannot be known.
        finished: whether it was read to its end, or has failed.
        sha256: of its bytes, as hexadecimal digits; None where they were not all read.
        sessions: sessions that it holds.
        turns: turns in them.
        error: why it failed, in one sentence; None if it did not.
    """

    place: int
    name: str
    key: str
    size: int
    finished: bool
    sha256: str | None
    sessions: int
    turns: int
    error: str | None


@dataclass(frozen=True, slots=True)
class KnownSession:
    """A finished session: where its record stands, what it held, and how many turns."""

    offset: int
    digest: str
    turns: int


class Catalogue:
    """The temporary database; use as a context manager."""

    def __init__(self) -> None:
        # An empty name is a temporary file of SQLite's own.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{_CACHE_KIB}; "
            f"{_SCHEMA}"
        )
        self._inputs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def add_input(self, name: str, *, key: str, size: int) -> None:
        """One more input; nothing if it is there already.

        Args:
            name: as the user gave it.
            key: what tells it from all other files.
            size: bytes.
        """
        added = self._db.execute(
            "INSERT OR IGNORE INTO inputs (place, name, key, size) VALUES (?, ?, ?, ?)",
            (self._inputs, _storable(name), _storable(key), size),
        )
        self._inputs += added.rowcount

    def inputs(self) -> Iterator[InputState]:
        """All inputs, in order; what is changed meanwhile is seen."""
        place = 0
        while (state := self.input(place)) is not None:
            yield state
            place += 1

    def input(self, place: int) -> InputState | None:
        """One input, or None after the last."""
        found = self._db.execute(
            "SELECT place, name, key, size, finished, sha256, sessions, turns, error FROM inputs "
            "WHERE place = ?",
            (place,),
        ).fetchone()
        if found is None:
            return None
        number, name, key, size, done, *rest = found
        return InputState(number, _restored(name), _restored(key), size, bool(done), *rest)

    def place_of(self, key: str) -> int | None:
        """Which input has this key, or None."""
        query = "SELECT place FROM inputs WHERE key = ?"
        found = self._db.execute(query, (_storable(key),)).fetchone()
        return None if found is None else int(found[0])

    def total_bytes(self) -> int:
        """The sizes of all inputs together."""
        (total,) = self._db.execute("SELECT coalesce(sum(size), 0) FROM inputs").fetchone()
        return int(total)

    def begin(self, place: int, *, keep: int) -> None:
        """An input is read (again): of its finished sessions the first ``keep`` stay."""
        self._db.execute("UPDATE inputs SET finished = 0, error = NULL WHERE place = ?", (place,))
        self._db.execute("DELETE FROM sessions WHERE place = ? AND number >= ?", (place, keep))

    def add_session(self, place: int, session: KnownSession) -> None:
        """The next session of an input is finished."""
        self._db.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
            (place, self.session_count(place), session.offset, session.digest, session.turns),
        )

    def session_count(self, place: int) -> int:
        """How many sessions of an input are finished."""
        query = "SELECT max(number) + 1 FROM sessions WHERE place = ?"
        (count,) = self._db.execute(query, (place,)).fetchone()
        return int(count or 0)

    def session(self, place: int, number: int) -> KnownSession | None:
        """A finished session of an input, counted from 0, or None."""
        query = "SELECT offset, digest, turns FROM sessions WHERE place = ? AND number = ?"
        found = self._db.execute(query, (place, number)).fetchone()
        return None if found is None else KnownSession(*found)

    def sessions(self, place: int) -> Iterator[KnownSession]:
        """The finished sessions of an input, in order."""
        number = 0
        while (session := self.session(place, number)) is not None:
            yield session
            number += 1

    def finish(self, place: int, *, sha256: str | None, size: int, error: str | None) -> None:
        """An input was read to its end, or failed."""
        count, turns = self._db.execute(
            "SELECT count(*), coalesce(sum(turns), 0) FROM sessions WHERE place = ?", (place,)
        ).fetchone()
        self._db.execute(
            "UPDATE inputs SET finished = 1, sha256 = ?, size = ?, sessions = ?, turns = ?, "
            "error = ? WHERE place = ?",
            (sha256, size, count, turns, error, place),
        )

    def forget_sessions(self) -> None:
        """The journal was cleared."""
        self._db.execute("DELETE FROM sessions")

    def count_ids(self, ids: Iterable[str]) -> None:
        """The session ids of one more input."""
        self._db.executemany(
            "INSERT INTO ids VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET inputs = inputs + 1",
            ((_storable(each),) for each in ids),
        )

    def repeated_ids(self) -> int:
        """How many session ids occur in more than one input."""
        (count,) = self._db.execute("SELECT count(*) FROM ids WHERE inputs > 1").fetchone()
        return int(count)


def _storable(text: str) -> bytes:
    # Names of files, and broken JSON, can hold halves of characters, which SQLite's text cannot.
    return text.encode("utf-8", "surrogatepass")


def _restored(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")
