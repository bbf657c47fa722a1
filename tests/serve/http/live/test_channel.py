"""One connection's messages."""

import asyncio

import pytest

from alliance.serve.http.live_channel import Channel
from alliance.serve.http.live_limits import LiveLimits


class Hearing:
    """A socket that hears what the test says."""

    def __init__(self) -> None:
        self.heard: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def receive(self) -> dict[str, str]:
        return await self.heard


async def cancelled_after(steps: int) -> None:
    socket = Hearing()
    channel = Channel(socket, LiveLimits())  # type: ignore[arg-type]
    reading = asyncio.ensure_future(channel.receive(30.0))
    await asyncio.sleep(0.01)
    socket.heard.set_result({"type": "websocket.receive", "text": "so"})
    for _ in range(steps):
        await asyncio.sleep(0)
    if reading.cancel():  # it had not ended yet
        with pytest.raises(asyncio.CancelledError):
            await reading
    else:
        assert reading.result() == "so"


@pytest.mark.parametrize("steps", range(5))
def test_a_reader_that_is_cancelled_as_a_message_comes_reads_no_more(steps: int) -> None:
    """Else it would wait for an answer that the writer, cancelled too, never writes."""
    asyncio.run(cancelled_after(steps))
