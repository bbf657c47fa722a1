import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from alliance.serve.store.audit import Service
from alliance.serve.store.cipher import UNENCRYPTED, new_key
from alliance.serve.store.database import parse_url
from alliance.serve.store.store import Store

KEY = new_key()


def binaries() -> Path | None:
    """The newest PostgreSQL of Debian's packages, or the one on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return None if on_path is None else Path(on_path).parent


def as_user() -> dict[str, object]:
    """PostgreSQL refuses to run as root; as root it runs as `postgres` or `nobody`."""
    if os.name != "posix" or os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL cannot run as root, and there is no other user to run it as")


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A PostgreSQL cluster of its own, reached through a socket in a temporary folder."""
    bin_folder = binaries()
    if bin_folder is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    user = as_user()
    folder = Path(tempfile.mkdtemp(prefix="alliance-pg-", dir="/tmp"))  # a socket's path is short
    folder.chmod(0o755)
    data = folder / "data"
    try:
        if user:
            os.chown(folder, int(str(user["user"])), int(str(user["group"])))
        run = {"check": True, "capture_output": True, "cwd": folder, "timeout": 120, **user}
        subprocess.run(
            [
                bin_folder / "initdb",
                "-D",
                data,
                "-U",
                "alliance",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "-N",
            ],
            **run,  # type: ignore[call-overload]
        )
        # Without fsync: these tests kill the service, not the database's machine.
        options = (
            f"-c fsync=off -c listen_addresses='' -k {folder} -c log_min_error_statement=error"
        )
        subprocess.run(
            [bin_folder / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"],
            **{**run, "capture_output": False},  # type: ignore[call-overload]
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"postgresql://alliance@/postgres?host={folder}"
        finally:
            subprocess.run(
                [bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
                **run,  # type: ignore[call-overload]
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    found: str = request.getfixturevalue("cluster")
    engine = create_engine(parse_url(found), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                "datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return found


@pytest.fixture
def open_store() -> Iterator[Callable[..., Store]]:
    """Opens stores, and closes them at the end."""
    opened = []

    def open_(url: str, **keywords: object) -> Store:
        store = Store.open(url, **{"key": KEY, **keywords})  # type: ignore[arg-type]
        opened.append(store)
        return store

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(url: str, open_store: Callable[..., Store]) -> Store:
    """An empty encrypted store."""
    return open_store(url)


@pytest.fixture
def plain_store(url: str, open_store: Callable[..., Store]) -> Store:
    """An empty store without encryption, in whose bytes words can be looked for."""
    return open_store(url, key=UNENCRYPTED)


@pytest.fixture
def key() -> str:
    """The key of the stores that these tests open."""
    return KEY


@pytest.fixture
def anna() -> Service:
    """A key of the group `north`."""
    return Service("north", "anna")


@pytest.fixture
def ben() -> Service:
    """A key of another group."""
    return Service("south", "ben")
