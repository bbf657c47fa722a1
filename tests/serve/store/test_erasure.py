"""Erased words are not in the files any more; tried without encryption, so that it can fail."""

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from alliance.model.codebook import Label, Marker
from alliance.model.labelled import LabelledSession
from alliance.serve.store.annotations import Judgement
from alliance.serve.store.audit import Service
from alliance.serve.store.cipher import UNENCRYPTED
from alliance.serve.store.store import Store

Sketch = Callable[..., LabelledSession]
MARKER = "Xq7-marker"
LEASE = dt.timedelta(seconds=60)


def found(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if MARKER.encode() in file.read_bytes()}


def test_erased_words_are_in_no_file_of_an_sqlite_store(
    tmp_path: Path, open_store: Callable[..., Store], sketch: Sketch, anna: Service
) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", key=UNENCRYPTED)
    kept = store.sessions.add(anna, sketch("tN cN " * 20, text="what stays " * 10))
    erased = store.sessions.add(anna, sketch("tN cN " * 50, text=f"{MARKER} " * 40))
    for note in (f"{MARKER} first", f"{MARKER} second"):
        judgement = Judgement(Label.WITHDRAWAL, Marker.W1, note)
        store.annotations.put(anna, erased.id, 1, judgement, who="Anna")
    job = store.jobs.add(anna, [{"text": f"{MARKER} " * 500}] * 2, {"roles": {MARKER: "client"}})
    claimed = store.jobs.claim(LEASE)
    assert claimed is not None
    assert store.jobs.finish_item(claimed, 0, {"text": MARKER}, LEASE)
    assert found(tmp_path)

    assert store.sessions.erase(anna, erased.id)
    assert store.jobs.erase(anna, job.id)

    assert found(tmp_path) == set()
    assert (tmp_path / "store.db-wal").stat().st_size == 0
    with store.database.reading() as db:
        assert db.execute(text("PRAGMA freelist_count")).scalar() == 0
    assert store.sessions.get(anna, kept.id) is not None
    assert not store.jobs.finish_item(claimed, 1, {"text": MARKER}, LEASE)
    assert found(tmp_path) == set()


def test_the_end_of_a_retention_period_erases_as_well(
    tmp_path: Path, open_store: Callable[..., Store], sketch: Sketch, anna: Service
) -> None:
    brief = dt.timedelta(microseconds=1)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = open_store(url, key=UNENCRYPTED, retention=brief, jobs_kept=brief)
    session = store.sessions.add(anna, sketch("tN cN " * 50, text=f"{MARKER} " * 40))
    judgement = Judgement(Label.WITHDRAWAL, Marker.W1, MARKER)
    store.annotations.put(anna, session.id, 1, judgement, who=MARKER)
    store.jobs.add(anna, [{"text": f"{MARKER} " * 500}], {})
    claimed = store.jobs.claim(LEASE)
    assert claimed is not None
    assert store.jobs.finish_item(claimed, 0, {"text": f"{MARKER} " * 500}, LEASE)
    assert store.jobs.finish(claimed)
    upload = store.job_uploads.begin(anna, {"roles": {MARKER: "client"}})
    upload.add([{"text": f"{MARKER} " * 500}])
    assert found(tmp_path)
    upload.erase()
    assert store.tidy() == 2
    assert found(tmp_path) == set()
    with store.database.reading() as db:
        assert db.execute(text("PRAGMA freelist_count")).scalar() == 0


def test_a_long_read_delays_erasure_and_the_next_round_catches_up(
    tmp_path: Path, open_store: Callable[..., Store], sketch: Sketch, anna: Service
) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", key=UNENCRYPTED)
    erased = store.sessions.add(anna, sketch("tN cN", text=MARKER))
    with store.database.reading() as db:
        db.execute(text("SELECT count(*) FROM turns")).scalar()
        began = time.monotonic()
        assert store.sessions.erase(anna, erased.id)
        assert time.monotonic() - began < 60
    assert found(tmp_path)
    store.tidy()
    assert found(tmp_path) == set()


def test_an_erased_session_cannot_be_read_from_an_old_copy_of_the_audit(
    store: Store, sketch: Sketch, anna: Service
) -> None:
    """What PostgreSQL's log and dead rows still hold is ciphertext whose key is gone."""
    session = store.sessions.add(anna, sketch("tN cN", text=MARKER))
    judgement = Judgement(Label.WITHDRAWAL, Marker.W1, MARKER)
    store.annotations.put(anna, session.id, 1, judgement, who="Anna")
    with store.database.reading() as db:
        copy = [bytes(value) for value in db.scalars(text("SELECT content FROM turns"))]
        copy += [
            bytes(value)
            for value in db.scalars(text("SELECT value FROM audit WHERE value IS NOT NULL"))
        ]
    store.sessions.erase(anna, session.id)
    with store.database.reading() as db:
        assert db.execute(text("SELECT count(*) FROM sessions")).scalar() == 0  # nor its key
    assert len(copy) == 3
    assert all(MARKER.encode() not in value for value in copy)
