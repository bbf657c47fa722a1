"""Waiting for work no longer than the client waits for its answer."""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Final, TypeVar

from fastapi import Request

from alliance.serve.http.problems import Problem

__all__ = ["CLIENT_GONE", "while_connected"]

_Result = TypeVar("_Result")

CLIENT_GONE: Final = 499
"""The status, in logs and figures alone, of a request whose client hung up; as nginx has it."""


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
