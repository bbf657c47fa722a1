"""A full disk: a clear refusal, nothing added, nothing harmed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from alliance.model.labelled import LabelledSession
from alliance.serve.store.audit import Service
from alliance.serve.store.cipher import StoreKey, new_key
from alliance.serve.store.database import Database
from alliance.serve.store.errors import StoreFullError
from alliance.serve.store.migrating import upgrade
from alliance.serve.store.store import Store


def test_a_full_store_refuses_and_stays_whole(
    tmp_path: Path, sketch: Callable[..., LabelledSession], anna: Service
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}", max_pages=120)
    upgrade(database)
    store = Store(database, StoreKey.parse(new_key()))
    labelled = sketch("tN cN " * 40)
    stored = []
    with pytest.raises(StoreFullError, match="nothing was added and nothing is harmed"):  # noqa: PT012
        for _ in range(100):
            stored.append(store.sessions.add(anna, labelled).id)
    with database.reading() as db:
        assert db.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert db.execute(text("SELECT count(*) FROM turns")).scalar() == 80 * len(stored)
        assert sorted(db.scalars(text("SELECT id FROM sessions"))) == sorted(stored)
    assert len(stored) > 1
    assert store.sessions.erase(anna, stored[0])  # and erasing still works, and makes room
    assert store.sessions.get(anna, stored[1]) is not None
    store.sessions.add(anna, sketch("tN cN"))
    store.close()
