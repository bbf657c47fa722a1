import datetime as dt
import json
from collections.abc import Callable

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from alliance.model.codebook import Label, Marker
from alliance.model.labelled import LabelledSession
from alliance.serve.store.annotations import Judgement
from alliance.serve.store.audit import Action, Service
from alliance.serve.store.cipher import new_key
from alliance.serve.store.errors import IdempotencyError, StoreDamagedError
from alliance.serve.store.store import Store
from alliance.serve.store.tables import AuditRow, TurnRow

Sketch = Callable[..., LabelledSession]
SIGH = Judgement(Label.WITHDRAWAL, Marker.W2, "a long sigh")


def actions(store: Store, subject: str) -> list[str]:
    with store.database.reading() as db:
        rows = select(AuditRow.action).where(AuditRow.subject == subject).order_by(AuditRow.id)
        return list(db.scalars(rows))


def test_a_session_comes_back_as_it_was_stored(store: Store, sketch: Sketch, anna: Service) -> None:
    labelled = sketch("tPT cW2@.9 _ o tN cC1?", timed=True, session_id="mine-7")
    stored = store.sessions.add(anna, labelled)
    assert stored.id.startswith("ses_")
    assert (stored.turns, stored.annotated_turns, stored.expires_at) == (6, 0, None)
    found = store.sessions.get(anna, stored.id)
    assert found is not None
    told, back, given_id = found
    assert (told, given_id) == (stored, "mine-7")
    assert (back.turns, back.model) == (labelled.turns, labelled.model)
    assert back.session.id == stored.id


def test_another_group_sees_nothing(
    store: Store, sketch: Sketch, anna: Service, ben: Service
) -> None:
    stored = store.sessions.add(anna, sketch("tN cN"))
    assert store.sessions.get(ben, stored.id) is None
    assert store.sessions.page(ben) == []
    assert store.sessions.audit(ben, stored.id) == []
    assert not store.sessions.erase(ben, stored.id)
    assert store.annotations.put(ben, stored.id, 0, SIGH, who="Ben") is None
    assert store.annotations.of(ben, stored.id) == []
    assert list(store.export(ben)) == []
    assert store.sessions.get(anna, stored.id) is not None


def test_a_page_names_given_ids_only_when_asked(
    store: Store, sketch: Sketch, anna: Service
) -> None:
    store.sessions.add(anna, sketch("tN", session_id="mine-7"))
    (one,) = store.sessions.page(anna, given_ids=True)
    assert one.given_id == "mine-7"
    assert "mine-7" not in one.to_dict().values()
    (one,) = store.sessions.page(anna)
    assert one.given_id is None


def test_pages_are_in_the_order_of_age(store: Store, sketch: Sketch, anna: Service) -> None:
    stored = sorted(store.sessions.add(anna, sketch("tN")).id for _ in range(5))
    first = [one.id for one in store.sessions.page(anna, limit=3)]
    rest = [one.id for one in store.sessions.page(anna, after=first[-1], limit=3)]
    assert (first, rest) == (stored[:3], stored[3:])


def test_reads_and_changes_are_in_the_audit(store: Store, sketch: Sketch, anna: Service) -> None:
    stored = store.sessions.add(anna, sketch("tN cN"))
    store.sessions.get(anna, stored.id)
    store.sessions.get(anna, stored.id, action=Action.TIMELINE_READ)
    store.annotations.put(anna, stored.id, 1, SIGH, who="Anna")
    entries = store.sessions.audit(anna, stored.id)
    assert [entry.action.value for entry in entries] == [
        "session.created",
        "session.read",
        "timeline.read",
        "annotation.created",
    ]
    assert {entry.actor for entry in entries} == {"anna"}
    assert entries[-1].turn == 1
    assert entries[-1].value == {"who": "Anna", "before": None, "after": SIGH.to_dict()}
    assert actions(store, stored.id)[-1] == "audit.read"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit",
        "UPDATE audit SET actor = 'nobody'",
        "UPDATE audit SET at = '2001-01-01 00:00:00+00'",
        "UPDATE audit SET subject = NULL",
        "UPDATE audit SET action = 'session.read', value = NULL",
        "UPDATE audit SET value = 'x'",
        "UPDATE turns SET content = 'x'",
    ],
)
def test_the_database_itself_refuses_to_change_the_audit_or_labels(
    store: Store, sketch: Sketch, anna: Service, statement: str
) -> None:
    store.sessions.add(anna, sketch("tN"))
    with (
        store.database.engine.connect() as connection,
        pytest.raises(DBAPIError, match=r"never|only"),
    ):
        connection.execute(text(statement))


def test_the_database_refuses_its_own_ways_around(
    store: Store, sketch: Sketch, anna: Service
) -> None:
    store.sessions.add(anna, sketch("tN"))
    ways = (
        [
            "INSERT OR REPLACE INTO audit SELECT id, at, 'x', owner_group, action, subject, turn, "
            "value FROM audit",
            "INSERT OR REPLACE INTO turns SELECT session_id, n, 'x' FROM turns",
        ]
        if store.database.is_sqlite
        else ["TRUNCATE audit"]
    )
    for way in ways:
        with (
            store.database.engine.connect() as connection,
            pytest.raises(DBAPIError, match=r"ever|only"),
        ):
            connection.execute(text(way))


def test_erasing_leaves_the_audit_without_its_values(
    store: Store, sketch: Sketch, anna: Service
) -> None:
    stored, other = (store.sessions.add(anna, sketch("tN cN")) for _ in range(2))
    for session in (stored, other):
        store.annotations.put(anna, session.id, 1, SIGH, who="Anna")
    assert store.sessions.erase(anna, stored.id)
    assert store.sessions.get(anna, stored.id) is None
    entries = store.sessions.audit(anna, stored.id)
    assert [entry.action.value for entry in entries] == [
        "session.created",
        "annotation.created",
        "session.erased",
    ]
    assert all(entry.value is None for entry in entries)
    with store.database.reading() as db:
        assert db.execute(text("SELECT count(*) FROM turns")).scalar() == 2
        assert db.execute(text("SELECT count(*) FROM annotations")).scalar() == 1
    assert store.sessions.audit(anna, other.id)[1].value is not None


def test_a_session_is_erased_when_its_retention_ends(
    url: str, open_store: Callable[..., Store], sketch: Sketch, anna: Service
) -> None:
    keeping = open_store(url)
    kept = keeping.sessions.add(anna, sketch("tN"))
    brief = open_store(url, retention=dt.timedelta(microseconds=1))
    gone = brief.sessions.add(anna, sketch("tN"))
    lasting = open_store(url, retention=dt.timedelta(days=1)).sessions.add(anna, sketch("tN"))
    assert lasting.expires_at == lasting.created_at + dt.timedelta(days=1)
    assert brief.tidy() == 1
    assert [one.id for one in brief.sessions.page(anna)] == sorted([kept.id, lasting.id])
    assert actions(brief, gone.id) == ["session.created", "session.expired"]


def test_the_same_request_stores_once(
    store: Store, sketch: Sketch, anna: Service, ben: Service
) -> None:
    labelled = sketch("tN cN")
    request = store.idempotency(anna, "session", "key-1", b"body")
    stored = store.sessions.add(anna, labelled, idempotency=request)
    assert store.sessions.add(anna, labelled, idempotency=request) == stored
    assert len(store.sessions.page(anna)) == 1
    with pytest.raises(IdempotencyError, match="same body"):
        store.sessions.add(
            anna, labelled, idempotency=store.idempotency(anna, "session", "key-1", b"other")
        )
    other = store.sessions.add(
        ben, labelled, idempotency=store.idempotency(ben, "session", "key-1", b"other")
    )
    assert other.id != stored.id
    assert "body" not in repr(request).replace("body_digest", "")


@pytest.mark.parametrize("swap", ["between turns", "left out"])
def test_turns_that_were_moved_or_taken_are_noticed(
    store: Store, sketch: Sketch, anna: Service, swap: str
) -> None:
    stored = store.sessions.add(anna, sketch("tN cN tN"))
    with store.database.transaction() as db:
        contents = db.scalars(select(TurnRow.content).order_by(TurnRow.n)).all()
        db.execute(text("DELETE FROM turns WHERE n > 0"))
        if swap == "between turns":
            db.add(TurnRow(session_id=stored.id, n=1, content=contents[2]))
            db.add(TurnRow(session_id=stored.id, n=2, content=contents[1]))
    with pytest.raises(StoreDamagedError):
        store.sessions.get(anna, stored.id)


def test_a_new_store_key_replaces_the_old_one(
    url: str, open_store: Callable[..., Store], sketch: Sketch, anna: Service
) -> None:
    old, new = new_key(), new_key()
    first = open_store(url, key=old)
    stored = first.sessions.add(anna, sketch("tN cN"))
    job = first.jobs.add(anna, [{"a": 1}], {"b": 2})
    first.annotations.put(anna, stored.id, 1, SIGH, who="Anna")
    assert open_store(url, key=f"{new},{old}").rotate() == 2
    second = open_store(url, key=new)
    assert second.sessions.get(anna, stored.id) is not None
    assert second.sessions.audit(anna, stored.id)[1].value is not None
    claimed = second.jobs.claim(dt.timedelta(seconds=60))
    assert claimed is not None
    assert (claimed.id, claimed.options) == (job.id, {"b": 2})


def test_no_words_lie_in_the_tables(store: Store, sketch: Sketch, anna: Service) -> None:
    labelled = sketch("tN cN o", text="MARKER of what was said", session_id="MARKER-id")
    stored = store.sessions.add(anna, labelled)
    note = Judgement(Label.NEUTRAL, None, "MARKER of a note")
    store.annotations.put(anna, stored.id, 1, note, who="MARKER-name")
    store.jobs.add(
        anna,
        [json.loads('{"text": "MARKER"}')],
        {"roles": {"MARKER": "client"}},
        idempotency=store.idempotency(anna, "job", "MARKER", b"MARKER"),
    )
    with store.database.reading() as db:
        for table in ("sessions", "turns", "annotations", "audit", "jobs", "job_items", "meta"):
            for row in db.execute(text(f"SELECT * FROM {table}")):
                assert b"MARKER" not in b"|".join(
                    value if isinstance(value, bytes) else str(value).encode() for value in row
                )
