import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from alliance.serve.store.cipher import new_key
from alliance.serve.store.database import Database, parse_url
from alliance.serve.store.errors import StoreBusyError, StoreError, StoreKeyError, StoreUrlError
from alliance.serve.store.migrating import upgrade
from alliance.serve.store.store import Store
from alliance.serve.store.tables import Base


def test_the_migrations_make_the_tables_of_the_models(url: str) -> None:
    database = Database(url)
    assert upgrade(database) == (None, "0001")
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert upgrade(database) == ("0001", "0001")
    database.close()


def test_several_processes_may_upgrade_at_once(url: str) -> None:
    databases = [Database(url) for _ in range(4)]
    found: list[tuple[str | None, str]] = []
    threads = [
        threading.Thread(target=lambda one=one: found.append(upgrade(one))) for one in databases
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close()
    assert sorted(found, key=str) == [("0001", "0001")] * 3 + [(None, "0001")]


def test_a_slow_upgrade_of_another_process_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    monkeypatch.setattr("alliance.serve.store.database._WAIT_S", 0)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    threading.Timer(0.5, lambda: other.execute("COMMIT")).start()
    database = Database(f"sqlite:///{path}")
    assert upgrade(database) == (None, "0001")
    other.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr("alliance.serve.store.migrating._PATIENCE_S", 0.3)
    with pytest.raises(StoreBusyError, match="locked, busy or away"):
        upgrade(database)
    other.close()
    database.close()


def test_a_store_of_a_later_version_is_refused(url: str) -> None:
    database = Database(url)
    upgrade(database)
    with database.transaction() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="later version of alliance"):
        upgrade(database)
    database.close()


def test_a_store_opens_with_its_own_key_alone(
    url: str, store: Store, open_store: Callable[..., Store]
) -> None:
    open_store(url)  # with the same key
    for other in (new_key(), "unencrypted"):
        with pytest.raises(StoreKeyError, match="the key that this store was made with"):
            open_store(url, key=other)


def test_without_a_key_nothing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(StoreKeyError, match="alliance store new-key"):
        Store.open(f"sqlite:///{path}", key=None)
    assert not path.exists()


def test_an_sqlite_store_is_its_owners_alone_and_forced_to_disk(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = Store.open(f"sqlite:///{path}", key=new_key())
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    with store.database.engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete", "auto_vacuum")
        }
    store.close()
    assert set(modes.values()) == {0o600}
    assert {"store.db", "store.db-wal"} <= modes.keys()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "auto_vacuum": 2,
    }


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StoreError, match="SQLITE_NOTADB"):
        Store.open(f"sqlite:///{path}", key=new_key())
    with pytest.raises(StoreError, match="No such file or directory"):
        Store.open(f"sqlite:///{tmp_path}/nowhere/store.db", key=new_key())


def test_a_postgresql_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="locked, busy or away"):
        Store.open(f"postgresql://alliance@/x?host={tmp_path}", key=new_key())


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:"]
)
def test_other_urls_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(StoreUrlError, match="sqlite:///PATH") as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_sqlite_is_new_enough_for_what_we_ask_of_it() -> None:
    assert sqlite3.sqlite_version_info >= (3, 35)  # RETURNING
