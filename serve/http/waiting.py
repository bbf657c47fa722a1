"""Waiting for a client, and no longer than the client waits for its answer."""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Final, TypeVar

from fastapi import Request
from starlette.types import Receive

from alliance.serve.http.problems import Problem

__all__ = ["CLIENT_GONE", "TOO_LONG", "drain", "while_connected"]

_Result = TypeVar("_Result")

CLIENT_GONE: Final = 499
"""The status, in logs and figures alone, of a request whose client hung up; as nginx has it."""

TOO_LONG: Final = 413
"""The status of a body that is refused before it has been read."""

_DRAINED_BYTES: Final = 4 << 20
_DRAINED_SECONDS: Final = 2.0


async def while_connected(request: Request, work: Awaitable[_Result]) -> _Result:
    """What the work comes to; it is cancelled if the client hangs up before.

    Args:
        request: the request, of which the whole body has been read.
        work: what takes its time.

    Raises:
        Problem: 499, which nobody receives, if the client has gone.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
    raise Problem(
        CLIENT_GONE,
        "Client gone",
        "expected a client that waits for its answer, found the connection closed; send it again",
    )


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def drain(receive: Receive) -> None:
    """Read on a little, and forget it, before a body is refused.

    A connection that is closed while the client still sends is reset, and the client may never
    see why. A much longer body is still cut off so.
    """
    taken = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAINED_SECONDS):
            more = True
            while more and taken < _DRAINED_BYTES:
                message = await receive()
                taken += len(message.get("body", b""))
                more = message["type"] == "http.request" and message.get("more_body", False)
