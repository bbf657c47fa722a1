"""Live sessions for the benchmark: turns arrive at random, and every delay is noted."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect

from alliance.model.session import Turn

__all__ = ["Delays", "talk"]

_WARM_TURNS: Final = 6
_JOINED: Final = 5  # turns' words in one turn of the warm-up: together they fill all windows
_PATIENCE: Final = 120.0  # seconds


@dataclass
class Delays:
    """What somebody who talks has to wait for.

    Attributes:
        labels: seconds from when a turn was said to its label.
        views: seconds from when a turn was said to the first full view that has seen it.
        revised: views that came.
    """

    labels: list[float] = field(default_factory=list)
    views: list[float] = field(default_factory=list)
    revised: int = 0


async def talk(
    url: str,
    turns: Sequence[Turn],
    *,
    sessions: int,
    seconds: float,
    interval: float,
    seed: int,
    begun: Callable[[], None] | None = None,
) -> Delays:
    """Hold live sessions at once, in which turns arrive at random (Poisson).

    Each has been going on for a while when the clock starts, so that all windows are full. A turn
    that waits for the one before it counts from when it was said: a client that is held up must
    not hide the delay.

    Args:
        url: the server.
        turns: what may be said.
        sessions: how many.
        seconds: for how long turns arrive.
        interval: mean seconds between two turns of a session.
        seed: of the random draws.
        begun: told when the clock starts.
    """
    delays = Delays()
    warm = asyncio.Barrier(sessions)
    talkers = [
        _Talker(url, turns, random.Random(f"{seed}-{number}"), delays) for number in range(sessions)
    ]
    await asyncio.gather(
        *(
            talker.talk(warm, seconds=seconds, interval=interval, begun=None if number else begun)
            for number, talker in enumerate(talkers)
        )
    )
    return delays


class _Talker:
    def __init__(
        self, url: str, turns: Sequence[Turn], draw: random.Random, delays: Delays
    ) -> None:
        self._url = url.replace("http", "ws", 1) + "/v1/live"
        self._turns = turns
        self._draw = draw
        self._delays = delays
        self._said: dict[int, float] = {}  # seq to time, of turns without a view
        self._seq = 0
        self._seen = 0
        self._counted = False
        self._caught_up = asyncio.Event()

    async def talk(
        self,
        warm: asyncio.Barrier,
        *,
        seconds: float,
        interval: float,
        begun: Callable[[], None] | None,
    ) -> None:
        async with connect(self._url, proxy=None, compression=None) as connection:
            await connection.send(json.dumps({"type": "start"}))
            await connection.recv()
            hearing = asyncio.create_task(self._hear(connection))
            for _ in range(_WARM_TURNS):
                said = [self._draw.choice(self._turns) for _ in range(_JOINED)]
                await self._say(connection, said[0].speaker, " ".join(one.text for one in said))
            await self._catch_up()
            await warm.wait()
            if begun is not None:
                begun()
            self._counted = True
            now = time.perf_counter()
            end = now + seconds
            said_at = now + self._draw.expovariate(1 / interval)
            while said_at < end:
                await asyncio.sleep(max(0.0, said_at - time.perf_counter()))
                turn = self._draw.choice(self._turns)
                await self._say(connection, turn.speaker, turn.text, said_at)
                said_at += self._draw.expovariate(1 / interval)
            await self._catch_up()
            hearing.cancel()

    async def _say(
        self, connection: ClientConnection, speaker: str, text: str, at: float | None = None
    ) -> None:
        self._seq += 1
        self._said[self._seq] = time.perf_counter() if at is None else at
        self._caught_up.clear()
        message = {"type": "turn", "seq": self._seq, "speaker": speaker, "text": text}
        await connection.send(json.dumps(message))

    async def _catch_up(self) -> None:
        if self._seen < self._seq:
            await asyncio.wait_for(self._caught_up.wait(), _PATIENCE)

    async def _hear(self, connection: ClientConnection) -> None:
        async for text in connection:
            now = time.perf_counter()
            message: dict[str, Any] = json.loads(text)
            if message["type"] == "labelled" and self._counted:
                self._delays.labels.append(now - self._said[message["seq"]])
            elif message["type"] == "revised":
                self._seen = message["seq"]
                for seq in [seq for seq in self._said if seq <= self._seen]:
                    said = self._said.pop(seq)
                    if self._counted:
                        self._delays.views.append(now - said)
                self._delays.revised += self._counted
                if self._seen == self._seq:
                    self._caught_up.set()
