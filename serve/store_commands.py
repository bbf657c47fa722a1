"""The commands `alliance keys` and `alliance store`: API keys, and what an administrator does."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alliance.model.errors import ConfigError

if TYPE_CHECKING:
    from alliance.serve.http.keys import KeyRing
    from alliance.serve.store.store import Store

__all__ = ["keys", "store"]

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="ALLIANCE_STORE",
        help="The service's store: sqlite:///PATH or postgresql://USER@HOST/DATABASE; its key is "
        "taken from ALLIANCE_STORE_KEY.",
    ),
]
KeysFileOption = Annotated[
    Path | None,
    typer.Option(
        "--keys-file",
        metavar="FILE",
        envvar="ALLIANCE_KEYS_FILE",
        help="The file of keys of a service without a store.",
    ),
]

keys: Final = typer.Typer(
    help="Make, list and revoke the API keys of the service.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
store: Final = typer.Typer(
    help="Look after the store of `alliance serve --store`.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@keys.command("add")
def add_key(
    group: Annotated[
        str, typer.Option(metavar="NAME", help="Whose stored sessions the key sees.")
    ] = "default",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="label|read|annotate|admin",
            help="What the key may do; may be repeated. Else label.",
        ),
    ] = None,
    store: StoreOption = None,
    keys_file: KeysFileOption = None,
) -> None:
    """Make a key and show it; it is not kept and cannot be shown again.

    \b
    Examples:
      alliance keys add --keys-file keys.json
      alliance keys add --store sqlite:///alliance.db --group ward-3 --scope label --scope read
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.serve.http.keys import Scope

    names = scope or [Scope.LABEL.value]
    unknown = [name for name in names if name not in set(Scope)]
    if unknown:
        raise ConfigError(
            f"expected the scopes {', '.join(Scope)}, found {unknown[0]!r}; correct --scope"
        )
    if not 0 < len(group) <= 64:
        raise ConfigError("expected a group's name of 1 to 64 characters; correct --group")
    with _ring(store, keys_file) as ring:
        key, token = ring.add(group=group, scopes=[Scope(name) for name in names])
    print(
        f"alliance: key {key.id} of group {group}; what follows is shown this once", file=sys.stderr
    )
    print(token)


@keys.command("list")
def list_keys(store: StoreOption = None, keys_file: KeysFileOption = None) -> None:
    """List the keys: id, group, scopes, when made, when revoked. Tab-separated."""
    with _ring(store, keys_file) as ring:
        found = ring.all()
    print("id\tgroup\tscopes\tcreated\trevoked")
    for key in found:
        print(
            "\t".join(
                [key.id, key.group, ",".join(sorted(key.scopes)), key.created, key.revoked or ""]
            )
        )


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `alliance keys list` shows it.")],
    store: StoreOption = None,
    keys_file: KeysFileOption = None,
) -> None:
    """Stop a key; a running service refuses it from now on."""
    with _ring(store, keys_file) as ring:
        if not ring.revoke(key_id):
            raise ConfigError(
                "expected the id of a key, found none of that id; see `alliance keys list`"
            )
    print(f"alliance: key {key_id} is revoked", file=sys.stderr)


@store.command("new-key")
def new_store_key() -> None:
    """Make a key that encrypts a store, for ALLIANCE_STORE_KEY.

    Without it nothing in the store can be read: keep a copy, and not beside the store. To replace
    a key, set ALLIANCE_STORE_KEY to NEW,OLD, run `alliance store rotate`, and leave OLD out.
    """
    from alliance.serve.store.cipher import new_key

    print(new_key())


@store.command("upgrade")
def upgrade_store(store: StoreOption = None) -> None:
    """Make a store, or bring its tables up to this version; `alliance serve` does it too."""
    from alliance.serve.store.migrating import upgrade

    with _store(store) as opened:
        _, revision = upgrade(opened.database)
    print(f"alliance: the store is at revision {revision}", file=sys.stderr)


@store.command("rotate")
def rotate_store(store: StoreOption = None) -> None:
    """Wrap everything with the first of the keys in ALLIANCE_STORE_KEY."""
    with _store(store) as opened:
        count = opened.rotate()
    print(
        f"alliance: {count} sessions and jobs need the first key alone; leave the others out of "
        f"ALLIANCE_STORE_KEY",
        file=sys.stderr,
    )


@store.command("tidy")
def tidy_store(store: StoreOption = None) -> None:
    """Erase what has been kept long enough; a running service does it every minute."""
    with _store(store) as opened:
        count = opened.tidy()
    print(f"alliance: {count} sessions and jobs erased", file=sys.stderr)


@contextmanager
def _ring(url: str | None, keys_file: Path | None) -> "Iterator[KeyRing]":
    if url is not None:
        with _store(url) as opened:
            yield opened.keys
        return
    if keys_file is None:
        raise ConfigError(
            "expected where the service keeps its keys, found nothing; give --keys-file FILE or "
            "--store URL"
        )
    from alliance.serve.http.keys_file import KeysFile

    yield KeysFile(keys_file)


@contextmanager
def _store(url: str | None) -> "Iterator[Store]":
    from alliance.serve.store.cipher import KEY_VARIABLE
    from alliance.serve.store.store import Store

    if url is None:
        raise ConfigError(
            "expected the URL of a store, found none; give --store URL or set ALLIANCE_STORE"
        )
    opened = Store.open(url, key=os.environ.get(KEY_VARIABLE))
    try:
        yield opened
    finally:
        opened.close()
