"""Running the application: one uvicorn server in this process."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from alliance.serve.http.settings import Settings
from alliance.serve.http.wire import http_protocol, socket_protocol

__all__ = ["in_thread", "make_server"]

_SOCKET_BYTES = 256 << 10  # of one message of a live session; a turn has 20,000 characters at most


def make_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """A server for the application; ``run()`` serves until it is told to stop.

    At SIGTERM or SIGINT it takes no more connections, finishes what it took, and ends.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=http_protocol(app),
            ws=socket_protocol(app),
            ws_max_size=_SOCKET_BYTES,
            ws_per_message_deflate=False,  # compressed secrets beside chosen text can be guessed
            log_config=None,
            access_log=False,  # it would tell addresses, which hold ids
            server_header=False,
            proxy_headers=False,  # nothing here depends on the client's address
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )
    )


@contextmanager
def in_thread(app: FastAPI, settings: Settings) -> Iterator[str]:
    """Serve in a thread of this process, for tests and benchmarks.

    Yields:
        The server's address, e.g. ``http://127.0.0.1:40123``.
    """
    server = make_server(app, settings)
    listener = socket.create_server((settings.host, settings.port))
    port = listener.getsockname()[1]
    failure: list[BaseException] = []

    def serve() -> None:
        try:
            asyncio.run(server.serve(sockets=[listener]))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=serve, name="server")
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.005)
        if failure:
            raise failure[0]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
