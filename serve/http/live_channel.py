"""One connection of ``/v1/live`` as a channel of messages, with its limits."""

import asyncio

from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect

from alliance.serve.http.live_limits import LiveLimits
from alliance.serve.http.live_messages import CloseCode
from alliance.serve.http.problems import Problem

__all__ = ["Channel", "GoneError", "Pace"]


class GoneError(Exception):
    """The client has gone, or another connection has taken the session over."""


class Channel:
    """Texts in, messages out.

    Args:
        websocket: the connection, accepted.
        limits: how long and how big messages may be, and how long each step may take.
    """

    def __init__(self, websocket: WebSocket, limits: LiveLimits) -> None:
        self._websocket = websocket
        self._limits = limits
        self._sending = asyncio.Lock()

    async def receive(self, seconds: float) -> str:
        """The next message.

        Raises:
            Problem: 408 if none comes in time, 413 if it is too big, 415 if it is not text.
            GoneError: if the connection is closed.
        """
        try:
            # Not wait_for: Python 3.11's loses a cancellation that comes together with a message,
            # and whoever cancelled would wait for this task for ever.
            async with asyncio.timeout(seconds):
                event = await self._websocket.receive()
        except TimeoutError as error:
            raise Problem(
                408,
                "Silent for too long",
                f"expected a message within {seconds:g} s, found none; send a ping now and then",
            ) from error
        if event["type"] != "websocket.receive":
            raise GoneError
        text: str | None = event.get("text")
        if text is None:
            raise Problem(415, "Not text", "expected a text message, found a binary one; send JSON")
        most = self._limits.message_bytes
        if len(text) > most or len(text.encode()) > most:
            raise Problem(
                413,
                "Message too big",
                f"expected at most {most} bytes in a message, found more; send less at once",
            )
        return text

    async def send(self, message: BaseModel) -> None:
        """Write a message; several tasks may, and each is written whole.

        Raises:
            GoneError: if the connection is closed, or its client does not read.
        """
        text = message.model_dump_json(exclude_none=False)
        try:
            async with asyncio.timeout(self._limits.send_seconds), self._sending:
                await self._websocket.send_text(text)
        except (TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            # RuntimeError is what a socket says that has been closed from this side.
            raise GoneError from error

    async def close(self, code: CloseCode) -> None:
        """Close the connection, if it still stands."""
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await self._websocket.close(code)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            pass  # it is closed already, or nobody is there


class Pace:
    """Lets messages through at a steady rate, after a burst at most."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._left = float(burst)
        self._since = asyncio.get_running_loop().time()

    async def wait(self) -> None:
        """Wait until the next message is due."""
        now = asyncio.get_running_loop().time()
        self._left = min(self._burst, self._left + (now - self._since) * self._per_second)
        self._since = now
        self._left -= 1.0
        if self._left < 0:
            await asyncio.sleep(-self._left / self._per_second)
