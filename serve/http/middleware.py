"""What every request passes, from the outside in: envelope, guard, limits of the body."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alliance.serve.http.access import COOKIE, Access, is_public
from alliance.serve.http.intake import NDJSON
from alliance.serve.http.logs import logger, trace
from alliance.serve.http.metrics import METHODS, Metrics
from alliance.serve.http.problems import (
    Overloaded,
    Problem,
    not_ready,
    problem_response,
)
from alliance.serve.http.store_problems import store_problem
from alliance.serve.http.waiting import CLIENT_GONE, TOO_LONG, drain
from alliance.serve.store.errors import StoreError

__all__ = ["BodyLimits", "Envelope", "Guard"]

_SECURITY: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_RETRY_BODY: Final = 2  # seconds
_KEY_SECONDS: Final = 10.0
_SLOWEST: Final = 64 << 10  # bytes a second


class Envelope:
    """Headers, log and figures of every request; an unforeseen error becomes a problem.

    Args:
        app: what it wraps.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = secrets.token_hex(8)
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    headers.setdefault(name, value)
                versions = scope["app"].state.versions
                if versions.get("name"):
                    headers["Alliance-Model"] = versions["name"]
                headers["Alliance-Codebook"] = versions["codebook"]
                headers["X-Request-ID"] = request_id
            await send(message)

        facts: dict[str, Any] = {}
        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:  # before its body was whole
            status = status or CLIENT_GONE
        except Exception as error:
            facts = trace(error)
            if status == 0:
                await _reply(_unforeseen(request_id), scope, receive, sending)
        seconds = time.perf_counter() - began
        route = _route(scope)
        self._metrics.request(scope["method"], route, status, seconds)
        log = logger()
        (log.error if facts else log.info)(
            "request",
            request_id=request_id,
            method=scope["method"] if scope["method"] in METHODS else "OTHER",
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            **facts,
        )


def _route(scope: Scope) -> str:
    """The route's template, since an address may hold ids."""
    route = scope.get("route")
    return str(getattr(route, "path", "")) or "unmatched"


def _unforeseen(request_id: str) -> Problem:
    return Problem(
        500,
        "Server error",
        f"expected an answer, found a fault of the server; report it with the request's id "
        f"{request_id}, under which the log tells where it happened",
    )


class Guard:
    """Lets in only what comes from where it may, with a key where one is asked for.

    A socket may send its key in the first message, so it is let in without; its route then asks.

    Args:
        app: what it wraps.
        access: decides.
    """

    def __init__(self, app: ASGIApp, *, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._caller(scope)
        except (Problem, StoreError) as error:
            problem = error if isinstance(error, Problem) else store_problem(error)
            if scope["type"] == "websocket":
                await _deny(problem, scope, receive, send)
            else:
                await _reply(problem, scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Any:
        connection = HTTPConnection(scope)
        path = scope["path"]
        if path != "/livez":
            self._access.check_source(connection)
        if scope["type"] == "http" and is_public(path) and self._access.asks_for_keys:
            return None
        if (
            scope["type"] == "websocket"
            and self._access.asks_for_keys
            and not _shows_key(connection)
        ):
            return None
        # The ring of keys may be a database, and it may hang.
        try:
            async with asyncio.timeout(_KEY_SECONDS):
                caller = await asyncio.to_thread(self._access.caller, connection)
        except TimeoutError:
            raise Problem(
                503,
                "Store busy",
                f"expected to look the key up within {_KEY_SECONDS:g} s, found the store silent; "
                f"try again",
                {"Retry-After": str(_RETRY_BODY)},
            ) from None
        if path.startswith("/v1/") and not scope["app"].state.ready:
            raise not_ready()
        return caller


def _shows_key(connection: HTTPConnection) -> bool:
    return "authorization" in connection.headers or COOKIE in connection.cookies


class BodyLimits:
    """Refuses bodies that are too long, too slow, or too many at once.

    Args:
        app: what it wraps.
        body_bytes: of one request, at most.
        job_bytes: of a job that is sent as JSON lines: those are stored as they come.
        pending_bytes: of all requests in work, at most.
        body_seconds: time from the first byte to the last; such a job has a second more for
            every 64 KiB.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_bytes: int,
        job_bytes: int,
        pending_bytes: int,
        body_seconds: float,
    ) -> None:
        self._app = app
        self._most = body_bytes
        self._most_of_job = job_bytes
        self._most_pending = pending_bytes
        self._seconds = body_seconds
        self._pending = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        streams = _streams(scope)
        most = self._most_of_job if streams else self._most
        taken = held = 0
        complete = False
        deadline = asyncio.get_running_loop().time() + self._seconds

        async def receiving() -> Message:
            nonlocal taken, held, complete
            if complete:  # what comes now is the end of the connection, whenever
                return await receive()
            try:
                more = taken / _SLOWEST if streams else 0.0
                async with asyncio.timeout_at(deadline + more):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            if message["type"] == "http.request":
                complete = not message.get("more_body", False)
                size = len(message.get("body", b""))
                taken += size
                if streams:  # what came before has been read, and is held no more
                    self._pending -= held
                    held = 0
                held += size
                self._pending += size
                if taken > most:
                    raise _too_long(most)
                if self._pending > self._most_pending:
                    raise Overloaded(_RETRY_BODY)
            return message

        async def sending(message: Message) -> None:
            if (
                message["type"] == "http.response.start"
                and message["status"] == TOO_LONG
                and not complete
                and not waits
            ):
                await drain(receive)
            await send(message)

        # It sends nothing before it is told to.
        waits = HTTPConnection(scope).headers.get("expect", "").lower() == "100-continue"
        try:
            declared = HTTPConnection(scope).headers.get("content-length", "")
            if declared.isdecimal() and int(declared) > most:
                raise _too_long(most)
            await self._app(scope, receiving, sending)
        except Problem as problem:
            await _reply(problem, scope, receive, sending)
        finally:
            self._pending -= held

    def _too_slow(self) -> Problem:
        return Problem(
            408,
            "Body too slow",
            f"expected the whole body within {self._seconds:g} s, found part of it; send it faster",
            {"Connection": "close"},
        )


def _streams(scope: Scope) -> bool:
    """Whether the request is a job as JSON lines."""
    kind = HTTPConnection(scope).headers.get("content-type", "").partition(";")[0].strip().lower()
    return scope["path"] == "/v1/jobs" and kind == NDJSON


def _too_long(most: int) -> Problem:
    return Problem(
        TOO_LONG,
        "Body too long",
        f"expected a body of at most {most} bytes, found a longer one; send fewer sessions at once",
        {"Connection": "close"},
    )


async def _reply(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(problem, scope["app"].state.versions)
    await response(scope, receive, send)


async def _deny(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a socket before it opens, with a problem where the server can send one."""
    await receive()  # websocket.connect
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": problem.title})
        return
    response = problem_response(problem, scope["app"].state.versions)
    await send(
        {
            "type": "websocket.http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )
    await send({"type": "websocket.http.response.body", "body": response.body})
