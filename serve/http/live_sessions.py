"""The live sessions that the server holds, in memory alone, with what has been answered in each."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from alliance.model.errors import InputError
from alliance.model.formats.roles import RoleMap
from alliance.model.labelled import LabelledTurn
from alliance.model.timeline import Timeline
from alliance.serve.http.batching import LabelQueue, Priority
from alliance.serve.http.problems import Overloaded, Problem
from alliance.serve.live import MAX_CHARACTERS, MAX_TURNS, LiveAnswer, LiveSession

__all__ = ["Change", "Connection", "HeldSession", "LiveLimits", "LiveSessions", "Reply"]

Reply = LiveAnswer | Timeline | Problem
"""What a numbered message was answered with."""

Change = Callable[[LiveSession], LiveAnswer | Timeline]
"""What a message does to the session; run in a worker thread."""

_PAUSE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """How much live sessions may take.

    Attributes:
        sessions: sessions held at once, those that wait for a lost client included.
        resume_seconds: how long a session waits for a lost client.
        turns: turns of one session.
        characters: characters of one session's turns.
        messages: numbered messages of one session.
        message_bytes: bytes of one message.
        messages_per_second: a client's messages are read no faster, on average.
        burst: so many may come at once.
        first_seconds: how long a connection may take to say what it wants.
        idle_seconds: how long a client may be silent.
        send_seconds: how long a client may take to read an answer.
        patience_seconds: how long a turn waits for room in the queue.
    """

    sessions: int = 200
    resume_seconds: float = 120.0
    turns: int = MAX_TURNS
    characters: int = MAX_CHARACTERS
    messages: int = 4 * MAX_TURNS
    message_bytes: int = 128 << 10
    messages_per_second: float = 20.0
    burst: int = 40
    first_seconds: float = 10.0
    idle_seconds: float = 1800.0
    send_seconds: float = 30.0
    patience_seconds: float = 10.0


class Connection(Protocol):
    """Whatever speaks for a session."""

    def taken_over(self) -> None:
        """Told when another connection has resumed the session."""
        ...


class HeldSession:
    """A live session with its answers: a message is taken once, and may be answered again.

    Args:
        live: the session.
        key_id: the key that started it; no other may resume it.
        roles: who its speakers are.
        include_text: whether answers repeat what was said.
        queue: where turns are labelled.
        limits: how much it may take.
        count: told of every turn that is labelled, for the server's figures.
    """

    def __init__(
        self,
        live: LiveSession,
        *,
        key_id: str,
        roles: RoleMap,
        include_text: bool,
        queue: LabelQueue,
        limits: LiveLimits,
        count: Callable[[Sequence[LabelledTurn]], None],
    ) -> None:
        self.key_id = key_id
        self.roles = roles
        self.include_text = include_text
        self.connection: Connection | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self._live = live
        self._queue = queue
        self._limits = limits
        self._count = count
        self._replies: list[Reply] = []
        self._lock = asyncio.Lock()

    @property
    def ended(self) -> bool:
        """Whether the client has ended it."""
        return self._live.ended

    async def replies(self) -> tuple[Reply, ...]:
        """What messages 1, 2, 3, … were answered, once none is in work."""
        async with self._lock:
            return tuple(self._replies)

    async def take(self, seq: int, change: Change | Problem) -> Reply:
        """Answer a numbered message; one that was taken before is answered as it was then.

        Args:
            seq: its number.
            change: what it does to the session, or what is wrong with it.

        Raises:
            Problem: if it cannot be taken now, and the session is as if it had not come: 409 if
                one before it is missing, 422 beyond the limit of messages, 503 if the queue
                stays full.
        """
        # A connection that goes away in the meantime leaves the message taken and answered.
        task = asyncio.ensure_future(self._take(seq, change))
        task.add_done_callback(_forget)
        return await asyncio.shield(task)

    async def _take(self, seq: int, change: Change | Problem) -> Reply:
        async with self._lock:
            taken = len(self._replies)
            if seq <= taken:
                return self._replies[seq - 1]
            if seq > taken + 1:
                raise Problem(
                    409,
                    "Message missing",
                    f"expected message {taken + 1}, found a later one; resume, and send from there",
                )
            if seq > self._limits.messages:
                raise Problem(
                    422,
                    "Too many messages",
                    f"expected at most {self._limits.messages} messages in a live session, found "
                    f"one more; start another",
                )
            reply = change if isinstance(change, Problem) else await self._change(change)
            self._replies.append(reply)
            if isinstance(reply, LiveAnswer):
                self._count([reply.newest])
            return reply

    async def _change(self, change: Change) -> Reply:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.patience_seconds
        while True:
            try:
                return await self._queue.run(
                    lambda: change(self._live), turns=1, priority=Priority.LIVE
                )
            except InputError as error:
                return Problem(422, "Not possible in this session", str(error))
            except Overloaded:
                if loop.time() >= until:
                    raise
            # The client is not read from meanwhile, so what waits does not grow.
            await asyncio.sleep(_PAUSE_SECONDS)


class LiveSessions:
    """All live sessions of the server, by the digest of their tokens.

    Args:
        limits: how much they may take.
    """

    def __init__(self, limits: LiveLimits) -> None:
        self.limits = limits
        self._held: dict[str, HeldSession] = {}
        self._digests: dict[HeldSession, str] = {}

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, held: HeldSession) -> str:
        """Take a session in; returns the token that resumes it, which nobody can guess.

        Raises:
            Problem: 503 if there are too many.
        """
        if len(self._held) >= self.limits.sessions and not self._forget_an_ended_one():
            raise Problem(
                503,
                "Too many live sessions",
                f"expected at most {self.limits.sessions} live sessions at once, found one more; "
                f"try again when others have ended",
                {"Retry-After": "30"},
            )
        token = secrets.token_urlsafe(32)
        self._held[_digest(token)] = held
        self._digests[held] = _digest(token)
        return token

    def find(self, token: str, *, key_id: str) -> HeldSession:
        """The session of a token.

        Raises:
            Problem: 404 if there is none, not any more, or it is another key's.
        """
        held = self._held.get(_digest(token))
        if held is None or held.key_id != key_id:
            raise Problem(
                404,
                "No such live session",
                f"expected the token of a live session, found none that is held; sessions are "
                f"kept {self.limits.resume_seconds:g} s after a connection is lost: start again",
            )
        return held

    def attach(self, held: HeldSession, connection: Connection) -> None:
        """Let a connection speak for a session; one that did so before is told."""
        if held.expiry is not None:
            held.expiry.cancel()
            held.expiry = None
        before, held.connection = held.connection, connection
        if before is not None:
            before.taken_over()

    def detach(self, held: HeldSession, connection: Connection) -> None:
        """The connection is lost or closed: keep the session for a while, unless another has it."""
        if held.connection is connection:
            held.connection = None
            loop = asyncio.get_running_loop()
            held.expiry = loop.call_later(self.limits.resume_seconds, self.drop, held)

    def drop(self, held: HeldSession) -> None:
        """Forget a session and all that was said in it."""
        if held.expiry is not None:
            held.expiry.cancel()
            held.expiry = None
        digest = self._digests.pop(held, None)
        if digest is not None:
            del self._held[digest]

    def _forget_an_ended_one(self) -> bool:
        """Ended sessions wait only for clients that did not get the timeline: the oldest goes."""
        for held in self._held.values():
            if held.ended and held.connection is None:
                self.drop(held)
                return True
        return False


def _digest(token: str) -> str:
    # Looked up by digest: how long it takes says nothing of how much of a guess was right.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _forget(task: "asyncio.Task[Reply]") -> None:
    if not task.cancelled():
        task.exception()
