"""Whether the store answers, asked with a time-out and by one thread at a time."""

import asyncio
from collections.abc import Callable
from typing import Final

from alliance.serve.http.problems import Problem
from alliance.serve.http.store_problems import store_problem
from alliance.serve.store.errors import StoreError

__all__ = ["StoreCheck"]

_SECONDS: Final = 2.0
"""A probe waits about as long; a database of this machine or its neighbour answers in a few ms."""

_RETRY: Final = "2"  # seconds


class StoreCheck:
    """Asks the store for a sign of life.

    Args:
        ping: asks the database; it may take long where that hangs, and then goes on alone.
        seconds: how long an answer may take.
    """

    def __init__(self, ping: Callable[[], None], *, seconds: float = _SECONDS) -> None:
        self._ping = ping
        self._seconds = seconds
        self._asking: asyncio.Task[None] | None = None

    async def ask(self) -> None:
        """Wait for the store's answer.

        Raises:
            Problem: 503 if it does not come in time, or says that the store cannot be used.
        """
        # However often a probe asks of a database that hangs, one thread waits for it.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(self._ping))
            self._asking.add_done_callback(_seen)
        done, _ = await asyncio.wait({self._asking}, timeout=self._seconds)
        if not done:
            raise Problem(
                503,
                "Store busy",
                f"expected the store to answer within {self._seconds:g} s, found no answer; look "
                f"after its database",
                {"Retry-After": _RETRY},
            )
        try:
            self._asking.result()
        except StoreError as error:
            raise Problem(
                503, "Store unusable", store_problem(error).detail, {"Retry-After": _RETRY}
            ) from None


def _seen(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.exception()  # perhaps nobody waits for it any more
