"""Bringing a store's tables up to this version's."""

import time
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from alliance.serve.store.database import Database
from alliance.serve.store.errors import StoreBusyError, StoreError

__all__ = ["upgrade"]

_LOCK: Final = 0x_A111A2CE  # any number that others are unlikely to use

_PATIENCE_S: Final = 120.0
"""How long another process may take to make the tables; on a slow disk that is not milliseconds."""
_AGAIN_S: Final = 0.2


def upgrade(database: Database) -> tuple[str | None, str]:
    """Run the migrations that are missing; safe to run from several processes at once.

    Args:
        database: the store's.

    Returns:
        The revision before and after.

    Raises:
        StoreError: if the store was made by a later version, or the database refuses.
    """
    config = Config()
    config.set_main_option("script_location", "alliance.serve.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    assert newest is not None  # a package without migrations would be broken
    deadline = time.monotonic() + (_PATIENCE_S if database.is_sqlite else 0.0)
    while True:
        try:
            return _upgraded(database, config, scripts, newest), newest
        except StoreBusyError:
            # Of SQLite's waits some end at once (a file's first change to WAL), and all others
            # when a transaction should long be over, which a migration need not be.
            if time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)


def _upgraded(
    database: Database, config: Config, scripts: ScriptDirectory, newest: str
) -> str | None:
    with database.transaction() as db:
        connection = db.connection()
        if not database.is_sqlite:  # there BEGIN IMMEDIATE is the lock
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before = _revision(connection)
        if before is not None and before not in {
            step.revision for step in scripts.walk_revisions()
        }:
            raise StoreError(
                f"expected a store of revision {newest} or earlier, found {before}; it was made by "
                f"a later version of alliance: install that one"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
