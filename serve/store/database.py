"""The database behind the store: connections, transactions, errors, and what erasure takes.

SQLite runs in WAL mode with every commit forced to the disk (``synchronous=FULL``): what was
acknowledged survives `kill -9` and a power cut. PostgreSQL does so by default.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker

from alliance.serve.store.errors import (
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreUrlError,
)
from alliance.serve.store.tables import Base

__all__ = ["Database", "parse_url"]

_WAIT_S: Final = 10  # for a lock of another writer; a transaction takes milliseconds
_POOL_WAIT_S: Final = 10
_READS: Final = "alliance_reads"
_SWEEP_TRIES: Final = 10
_PG_FULL: Final = "53100"  # disk_full
_KINDS: Final = "sqlite:///PATH or postgresql://USER@HOST/DATABASE"


def parse_url(url: str) -> URL:
    """A store's URL with the driver that we use.

    Raises:
        StoreUrlError: if it is neither SQLite's with a file nor PostgreSQL's.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        # Its message repeats the URL, in which a password may stand.
        raise StoreUrlError(f"expected a store's URL ({_KINDS}), found no URL; mend it") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise StoreUrlError(
                "expected the file of an SQLite store, found none; write sqlite:///PATH, with four "
                "slashes for a path from the root"
            )
        return parsed.set(drivername="sqlite+pysqlite")
    if kind in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreUrlError(f"expected a store's URL ({_KINDS}), found one of {kind}; mend it")


class Database:
    """Connections to one database.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql://…``.
        max_pages: for tests of a full disk: the most pages an SQLite file may have.

    Raises:
        StoreUrlError: if the URL names no database we know.
        StoreError: if an SQLite file cannot be made.
    """

    def __init__(self, url: str, *, max_pages: int | None = None) -> None:
        self.url = parse_url(url)
        self._max_pages = max_pages
        self._sweeping = threading.Lock()
        self._unswept = False
        if self.is_sqlite:
            _make_private(Path(str(self.url.database)))
        keywords: dict[str, Any] = {} if self.is_sqlite else {"connect_args": _PG_ARGUMENTS}
        self.engine: Engine = create_engine(
            self.url,
            hide_parameters=True,  # an error's text would else hold the row
            pool_pre_ping=not self.is_sqlite,
            pool_size=8,
            max_overflow=8,
            pool_timeout=_POOL_WAIT_S,
            **keywords,
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", self._set_up_sqlite)
            event.listen(self.engine, "begin", _begin)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        reader = self.engine.execution_options(**{_READS: True})
        self._readers = sessionmaker(reader, expire_on_commit=False)

    @property
    def is_sqlite(self) -> bool:
        """SQLite, else PostgreSQL."""
        return self.url.get_backend_name() == "sqlite"

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            StoreError: if there is none.
        """
        with self.reading() as db:
            db.execute(text("SELECT 1"))

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: all of it is stored at the end of the block, or nothing.

        Raises:
            StoreFullError: if there is no room left.
            StoreBusyError: if the database does not answer.
            IntegrityError: of SQLAlchemy, for a row that is there already.
        """
        with _told(), self._sessions.begin() as db:
            yield db

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that writes nothing; on SQLite it waits for no writer.

        Raises:
            StoreBusyError: if the database does not answer.
        """
        with _told(), self._readers.begin() as db:
            yield db

    def sweep(self) -> bool:
        """Make what was erased disappear from the files, as far as the database can.

        SQLite: deleted bytes have been overwritten (``secure_delete``), free pages are given back
        and the write-ahead log is emptied. PostgreSQL: dead rows are vacuumed; their bytes are
        overwritten when their room is used again.

        Returns:
            Whether it was done; if a long read was in the way, the next call catches up.
        """
        with self._sweeping, _told():
            self._unswept = not (self._sweep_sqlite() if self.is_sqlite else self._vacuum())
            return not self._unswept

    def catch_up(self) -> None:
        """Sweep if the last sweep could not be finished."""
        if self._unswept:
            self.sweep()

    def _sweep_sqlite(self) -> bool:
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            # Not execute(): it takes one step of the statement, which frees one page.
            cursor.executescript("PRAGMA incremental_vacuum")
            cursor.execute("PRAGMA busy_timeout = 100")  # while we wait here, all writers wait
            for _ in range(_SWEEP_TRIES):
                (busy, _, _) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return True
                time.sleep(0.05)
            return False
        except sqlite3.OperationalError:  # busy: what was to be erased is, its traces wait
            return False
        finally:
            connection.cursor().execute(f"PRAGMA busy_timeout = {_WAIT_S * 1000}")
            connection.close()

    def _vacuum(self) -> bool:
        names = ", ".join(table.name for table in Base.metadata.sorted_tables)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"VACUUM {names}"))
        return True

    def _set_up_sqlite(self, connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, see _begin
        for pragma in (
            f"busy_timeout = {_WAIT_S * 1000}",
            "auto_vacuum = INCREMENTAL",  # takes effect in a new file, before its first table
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
            "temp_store = MEMORY",
            *(() if self._max_pages is None else (f"max_page_count = {self._max_pages}",)),
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()


_PG_ARGUMENTS: Final = {"connect_timeout": 10, "application_name": "alliance"}


def _begin(connection: Connection) -> None:
    # A transaction that starts by reading and then wants to write would fail at once if another
    # has written in between; so those that may write say so at their beginning.
    reads = connection.get_execution_options().get(_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _make_private(path: Path) -> None:
    """An SQLite file that its owner alone can read; its log takes over the file's mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(
            f"expected to open the store's file {path}, but: {error.strerror}; give a folder that "
            f"this user may write to"
        ) from error


@contextmanager
def _told() -> Iterator[None]:
    """The database's errors as ours; theirs may quote rows."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise _explained(error) from None
    except sqlite3.Error as error:
        raise _explained_sqlite(error) from None
    except PoolTimeoutError:
        raise StoreBusyError(_BUSY) from None
    except SQLAlchemyError as error:
        raise StoreError(
            f"expected the store to work, found {type(error).__name__}; see the service's version"
        ) from None


_BUSY: Final = "expected the store to answer, found it locked, busy or away; try again"
_FULL: Final = (
    "expected room in the store, found none; nothing was added and nothing is harmed: free some "
    "space and try again"
)


def _explained(error: DBAPIError) -> StoreError:
    if isinstance(error.orig, sqlite3.Error):
        return _explained_sqlite(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    if state == _PG_FULL:
        return StoreFullError(_FULL)
    # 08 connection, 40 try again, 53 resources, 55 locks, 57 shutdown; None: never connected
    if state is None or state[:2] in ("08", "40", "53", "55", "57"):
        return StoreBusyError(_BUSY)
    return StoreError(f"expected the store to work, found SQLSTATE {state}; see the database's log")


def _explained_sqlite(error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError(_FULL)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR):
        return StoreBusyError(_BUSY)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreError(f"expected the store to work, found {name}; check its file")
