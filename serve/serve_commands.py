"""The command ``alliance serve``: flags in, one server run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alliance.model.errors import ConfigError
from alliance.serve.options import ModelOption

if TYPE_CHECKING:
    import socket

    from alliance.serve.http.settings import Settings


def serve(
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; 127.0.0.1 unless told, others need a key."),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8642 unless told.")] = None,
    model: ModelOption = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Windows read at once; all cores unless told.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Database that keeps sessions and jobs, e.g. sqlite:///alliance.db; needs "
            "ALLIANCE_STORE_KEY.",
        ),
    ] = None,
    keys_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="API keys, as `alliance keys add` wrote them."),
    ] = None,
    require_keys: Annotated[
        bool | None,
        typer.Option(
            "--require-keys/--no-keys",
            help="Ask for a key on loopback too, or not; unless told, where keys were made.",
        ),
    ] = None,
    rate_limit: Annotated[
        str | None,
        typer.Option(metavar="N/PERIOD", help="Requests of one key; 600/minute unless told."),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name clients call this server by. May be repeated."),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Another site whose pages may call. May be repeated."),
    ] = None,
    secure_cookie: Annotated[
        bool | None,
        typer.Option("--secure-cookie", help="Pages log in over TLS alone (behind a proxy)."),
    ] = None,
    retention_days: Annotated[
        int | None, typer.Option(metavar="N", help="Days after which stored sessions are erased.")
    ] = None,
) -> None:
    """Serve timelines over HTTP: an API, live sessions, and its documentation at /docs.

    Nothing is kept unless --store says where. Over loopback no key is asked for; elsewhere the
    server does not start without one. Every setting can also be an environment variable
    (ALLIANCE_PORT, ALLIANCE_QUEUED_TURNS, …); flags overrule them. It stops at SIGTERM or Ctrl-C
    once it has finished what it took.

    \b
    Examples:
      alliance serve
      alliance serve --port 9000 --model my-model
      alliance serve --host 0.0.0.0 --keys-file keys.json --allowed-host alliance.example.org
    """  # noqa: D301  # a real backspace is click's mark of lines that stay as they are
    from alliance.serve.http.app import create_app
    from alliance.serve.http.logs import configure, logger
    from alliance.serve.http.server import make_server

    settings = _settings(
        host=host,
        port=port,
        model=model,
        workers=workers,
        store=store,
        keys_file=keys_file,
        require_keys=require_keys,
        rate_limit=rate_limit,
        allowed_hosts=allowed_host,
        cors_origins=cors_origin,
        secure_cookie=secure_cookie,
        retention_days=retention_days,
    )
    configure()
    failures: list[Exception] = []

    def failed(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    opened = _open_store(settings)
    try:
        server = make_server(create_app(settings, store=opened, on_failure=failed), settings)
        with _listen(settings) as listener:
            host, port = listener.getsockname()[:2]
            logger().info("listening", host=host, port=port)
            server.run(sockets=[listener])
    finally:
        if opened is not None:
            opened.close()
    if failures:
        raise failures[0]


def _settings(**given: Any) -> "Settings":
    from pydantic import ValidationError

    from alliance.serve.http.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"expected a usable setting {name}, found another ({first['msg']}); correct "
            f"--{name.replace('_', '-')} or ALLIANCE_{name.upper()}"
        ) from None


def _open_store(settings: "Settings") -> Any:
    if settings.store is None:
        return None
    import datetime as dt

    from alliance.serve.store.store import Store

    key, days = settings.store_key, settings.retention_days
    return Store.open(
        settings.store.get_secret_value(),
        key=None if key is None else key.get_secret_value(),
        retention=None if days is None else dt.timedelta(days=days),
    )


def _listen(settings: "Settings") -> "socket.socket":
    import socket

    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"expected an address and a port to listen on, found that {settings.host} port "
            f"{settings.port} cannot be used ({error.strerror}); choose others with --host and "
            f"--port"
        ) from error
