from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alliance.serve.http.keys import verify
from alliance.serve.http.keys_file import KeysFile
from alliance.serve.store.cipher import StoreKey, new_key
from alliance.serve.store.store import Store
from alliance.serve.store_commands import keys, store


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALLIANCE_STORE", "ALLIANCE_STORE_KEY", "ALLIANCE_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)


def run(app: object, *words: str) -> Result:
    return CliRunner().invoke(app, list(words))  # type: ignore[arg-type]


def test_keys_in_a_file_and_in_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_key, url = new_key(), f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("ALLIANCE_STORE_KEY", store_key)
    for where in (["--keys-file", str(tmp_path / "keys.json")], ["--store", url]):
        added = run(keys, "add", "--group", "ward-3", "--scope", "read", *where)
        assert added.exit_code == 0, added.output
        token = added.stdout.strip()
        key_id = token.split("_")[1]
        assert key_id in added.stderr
        assert token not in added.stderr
        listed = run(keys, "list", *where)
        assert listed.stdout.splitlines()[1].split("\t")[:3] == [key_id, "ward-3", "read"]
        assert token not in listed.stdout
        opened = Store.open(url, key=store_key) if "--store" in where else None
        ring = KeysFile(tmp_path / "keys.json") if opened is None else opened.keys
        assert verify(ring, token) is not None
        assert run(keys, "revoke", key_id, *where).exit_code == 0
        assert verify(ring, token) is None
        if opened is not None:
            opened.close()
        assert run(keys, "revoke", "nobody", *where).exit_code != 0


def test_what_is_missing_or_wrong_is_told(tmp_path: Path) -> None:
    for words, told in (
        (["add"], "--keys-file FILE or --store URL"),
        (["add", "--scope", "all", "--keys-file", str(tmp_path / "k")], "label, read, annotate"),
        (["add", "--group", "", "--keys-file", str(tmp_path / "k")], "1 to 64 characters"),
        (["list", "--store", f"sqlite:///{tmp_path / 's.db'}"], "alliance store new-key"),
    ):
        failed = run(keys, *words)
        assert told in str(failed.exception), words
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_made_and_gets_a_new_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (run(store, "new-key").stdout.strip() for _ in range(2))
    assert old != new
    assert StoreKey.parse(old).encrypting
    monkeypatch.setenv("ALLIANCE_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("ALLIANCE_STORE_KEY", old)
    assert "revision 0001" in run(store, "upgrade").stderr
    assert "0 sessions and jobs erased" in run(store, "tidy").stderr
    monkeypatch.setenv("ALLIANCE_STORE_KEY", f"{new},{old}")
    assert run(store, "rotate").exit_code == 0
    monkeypatch.setenv("ALLIANCE_STORE_KEY", new)
    assert run(store, "upgrade").exit_code == 0
    monkeypatch.setenv("ALLIANCE_STORE_KEY", old)
    assert "the key that this store was made with" in str(run(store, "upgrade").exception)
