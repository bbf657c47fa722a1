import pytest
from sqlalchemy import text

from alliance.serve.http.keys import KeyRing, Scope, verify
from alliance.serve.store.store import Store


def test_a_key_works_until_it_is_revoked(store: Store) -> None:
    ring: KeyRing = store.keys
    key, token = ring.add(group="north", scopes=[Scope.READ, Scope.LABEL])
    assert verify(ring, token) == key
    assert ring.get(key.id) == key
    assert list(ring.all()) == [key]
    assert key.scopes == {Scope.READ, Scope.LABEL}
    assert ring.revoke(key.id)
    assert verify(ring, token) is None
    revoked = ring.get(key.id)
    assert revoked is not None
    assert revoked.revoked is not None
    assert ring.revoke(key.id)
    assert ring.get(key.id) == revoked


def test_an_unknown_key_is_not_revoked(store: Store) -> None:
    assert not store.keys.revoke("nobody")
    assert store.keys.get("nobody") is None


def test_the_key_itself_is_not_kept(store: Store) -> None:
    key, token = store.keys.add(group="north", scopes=[])
    secret = token.rpartition("_")[2]
    with store.database.reading() as db:
        (row,) = db.execute(text("SELECT * FROM keys"))
        entries = db.execute(text("SELECT actor, action, subject FROM audit")).all()
    assert not any(secret in str(value) for value in row)
    assert [tuple(entry) for entry in entries] == [("console", "key.added", key.id)]


@pytest.mark.parametrize("scopes", [[], list(Scope)])
def test_scopes_come_back(store: Store, scopes: list[Scope]) -> None:
    key, _ = store.keys.add(group="north", scopes=scopes)
    found = store.keys.get(key.id)
    assert found is not None
    assert found.scopes == set(scopes)
