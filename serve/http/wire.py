"""What is answered below the application: requests that are no HTTP, handshakes that fail.

The server's own answers are plain text, and may quote the header that they could not read.
"""

import http
import json
import logging
from typing import Any, Final

import h11
from fastapi import FastAPI
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.server import ServerProtocol

from alliance.serve.http.problems import MEDIA_TYPE, Problem

__all__ = ["http_protocol", "socket_protocol"]

_MALFORMED: Final = Problem(
    400,
    "Malformed request",
    "expected a request in HTTP/1.1, found what is none; check how it is made, and that no TLS is "
    "spoken here",
)
_TELLING_NOTHING: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def http_protocol(app: FastAPI) -> type[H11Protocol]:
    """HTTP/1.1 whose own answers are problems.

    Args:
        app: whose versions they name.
    """

    class Protocol(H11Protocol):
        def send_400_response(self, msg: str) -> None:
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                body = _body(_MALFORMED, app)
                headers = {
                    "Content-Type": MEDIA_TYPE,
                    "Content-Length": str(len(body)),
                    "Connection": "close",
                    **_TELLING_NOTHING,
                }
                for event in (
                    h11.Response(
                        status_code=_MALFORMED.status,
                        headers=list(headers.items()),
                        reason=http.HTTPStatus(_MALFORMED.status).phrase,
                    ),
                    h11.Data(data=body),
                    h11.EndOfMessage(),
                ):
                    self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

    return Protocol


def socket_protocol(app: FastAPI) -> type[WebSocketsSansIOProtocol]:
    """WebSockets whose failed handshakes are answered with problems.

    Args:
        app: whose versions they name.
    """

    class Handshake(ServerProtocol):
        def reject(self, status: Any, text: str) -> Response:
            found = http.HTTPStatus(status)
            # The library's text quotes the header that it could not take.
            problem = Problem(
                found.value,
                found.phrase,
                "expected a handshake of a WebSocket (RFC 6455), found another request; check the "
                "client, or its proxy"
                if found.value < 500
                else "expected to open a WebSocket, found a fault of the server; try again later",
            )
            body = _body(problem, app)
            headers = Headers(
                {
                    "Connection": "close",
                    "Content-Length": str(len(body)),
                    "Content-Type": MEDIA_TYPE,
                    **_TELLING_NOTHING,
                }
            )
            return Response(found.value, found.phrase, headers, body)

    class Protocol(WebSocketsSansIOProtocol):
        def __init__(self, config: Config, *args: Any, **keywords: Any) -> None:
            super().__init__(config, *args, **keywords)
            # As the base class makes it, and without compression.
            self.conn = Handshake(
                max_size=config.ws_max_size, logger=logging.getLogger("uvicorn.error")
            )

    return Protocol


def _body(problem: Problem, app: FastAPI) -> bytes:
    return json.dumps({**problem.to_dict(), "model": dict(app.state.versions)}).encode()
