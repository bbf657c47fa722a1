"""A live session that the server holds, with all that its client is told."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar, assert_never

from alliance.model.errors import InputError
from alliance.model.formats.roles import RoleMap
from alliance.model.labelled import LabelledTurn, Purpose
from alliance.model.session import Turn
from alliance.model.timeline import Timeline
from alliance.serve.http.batching import LabelQueue, Priority
from alliance.serve.http.live_limits import LiveLimits
from alliance.serve.http.logs import logger, trace
from alliance.serve.http.problems import Overloaded, Problem
from alliance.serve.live import LiveAnswer, LiveRevision, LiveSession

__all__ = [
    "AddTurn",
    "Change",
    "Connection",
    "EndSession",
    "HeldSession",
    "ReviseTurn",
    "Told",
]

_Result = TypeVar("_Result")

_PAUSE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class AddTurn:
    """Append a turn."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class ReviseTurn:
    """Put a turn in the place of the newest."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class EndSession:
    """End the session."""


Change = AddTurn | ReviseTurn | EndSession
"""What a message does to the session."""

Reply = LiveAnswer | Timeline | Problem
"""What a numbered message was answered with."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something that the client is told.

    Attributes:
        seq: the message that it answers, or up to which a revision sees the session.
        what: the answer or revision.
    """

    seq: int
    what: Reply | LiveRevision


class Connection(Protocol):
    """Whatever speaks for a session."""

    def news(self) -> None:
        """Told when there is more to tell the client."""
        ...

    def taken_over(self) -> None:
        """Told when another connection has resumed the session."""
        ...


class HeldSession:
    """A live session with its story: a message is taken once, and may be answered again.

    While there is something new, its full view is taken again and again in the background, each
    time of everything said until then. All its methods belong to the event loop.

    Args:
        queue: where turns are labelled.
        session_id: the identifier in the timeline.
        purpose: chooses the decision thresholds.
        key_id: the key that started it; no other may resume it.
        roles: who its speakers are.
        include_text: whether answers repeat what was said.
        limits: how much it may take.
        count: told of every turn that is labelled, for the server's figures.
    """

    def __init__(
        self,
        queue: LabelQueue,
        *,
        session_id: str,
        purpose: Purpose,
        key_id: str,
        roles: RoleMap,
        include_text: bool,
        limits: LiveLimits,
        count: Callable[[Sequence[LabelledTurn]], None],
    ) -> None:
        self.key_id = key_id
        self.roles = roles
        self.include_text = include_text
        self.connection: Connection | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self.story: list[Told] = []
        """What the client is told, in this order; it only grows."""
        self._queue = queue
        self._limits = limits
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._live = LiveSession(
            queue.classifier,
            session_id=session_id,
            purpose=purpose,
            max_turns=limits.turns,
            max_characters=limits.characters,
            tell=self._hear,
        )
        self._answers: list[int] = []  # where in the story message 1, 2, 3, … is answered
        self._revisions: dict[int, int] = {0: -1}  # where the view up to which message is told
        self._lock = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self._dropped = False

    @property
    def ended(self) -> bool:
        """Whether the client has ended it."""
        return self._live.ended

    @property
    def taken(self) -> int:
        """The last message that was taken; 0 if none was."""
        return len(self._answers)

    async def settled(self) -> None:
        """Wait until no message is in work."""
        async with self._lock:
            pass

    def place(self, seq: int) -> int:
        """Where in the story message ``seq``, which was taken, is answered."""
        return self._answers[seq - 1]

    def place_after(self, *, answer: int, revision: int) -> int | None:
        """Where the story goes on for a client that last heard these.

        Args:
            answer: the message whose answer arrived last; 0 if none did.
            revision: the ``seq`` of the revision that arrived last; 0 if none did.

        Returns:
            The place; None if no such answer or revision was told.
        """
        if answer > self.taken or revision not in self._revisions:
            return None
        heard = self._answers[answer - 1] if answer else -1
        return max(heard, self._revisions[revision]) + 1

    async def take(self, seq: int, change: Change | Problem) -> int:
        """Answer a numbered message; one that was taken before is not taken again.

        Args:
            seq: its number.
            change: what it does to the session, or what is wrong with it.

        Returns:
            Where in the story its answer is.

        Raises:
            Problem: if it cannot be taken now, and the session is as if it had not come: 409 if
                one before it is missing, 422 beyond the limit of messages, 503 if the queue
                stays full.
        """
        # A connection that goes away in the meantime leaves the message taken and answered.
        task = asyncio.ensure_future(self._take(seq, change))
        task.add_done_callback(_forget)
        return await asyncio.shield(task)

    def drop(self) -> None:
        """Nobody will ask for it again."""
        self._dropped = True

    async def _take(self, seq: int, change: Change | Problem) -> int:
        async with self._lock:
            if seq <= self.taken:
                return self.place(seq)
            if seq > self.taken + 1:
                raise Problem(
                    409,
                    "Message missing",
                    f"expected message {self.taken + 1}, found a later one; resume, and send from "
                    f"there",
                )
            if seq > self._limits.messages:
                raise Problem(
                    422,
                    "Too many messages",
                    f"expected at most {self._limits.messages} messages in a live session, found "
                    f"one more; start another",
                )
            if isinstance(change, Problem):
                self._add(Told(seq, change))
            else:
                await self._change(seq, change)
            return self.place(seq)

    async def _change(self, seq: int, change: Change) -> None:
        until = self._loop.time() + self._limits.patience_seconds
        while True:
            try:
                await self._do(seq, change)
            except InputError as error:
                self._add(Told(seq, Problem(422, "Not possible in this session", str(error))))
            except Overloaded:
                if self._loop.time() >= until:
                    raise
                # The client is not read from meanwhile, so what waits does not grow.
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            return

    async def _do(self, seq: int, change: Change) -> None:
        live = self._live
        match change:
            case AddTurn(turn):
                await self._run(lambda: live.add(turn, seq=seq))
            case ReviseTurn(turn):
                await self._run(lambda: live.revise_last(turn, seq=seq))
            case EndSession():
                self._add(Told(seq, await self._run(live.end)))
            case _:
                assert_never(change)

    async def _run(self, function: Callable[[], _Result]) -> _Result:
        return await self._queue.run(function, turns=1, priority=Priority.LIVE)

    def _hear(self, what: LiveAnswer | LiveRevision) -> None:
        """Called by the thread that made it, before its function returns."""
        self._loop.call_soon_threadsafe(self._add, Told(what.seq, what))

    def _add(self, told: Told) -> None:
        match told.what:
            case LiveRevision():
                self._revisions[told.seq] = len(self.story)
            case LiveAnswer(newest=newest):
                self._answers.append(len(self.story))
                self._count([newest])
                if self._looking is None:
                    self._looking = asyncio.ensure_future(self._look())
            case _:
                self._answers.append(len(self.story))
        self.story.append(told)
        if self.connection is not None:
            self.connection.news()

    async def _look(self) -> None:
        """Take full views until nothing is new; one of each session waits in the queue."""
        live = self._live
        try:
            while live.behind and not live.ended and not self._dropped:
                await self._queue.run(live.look, turns=0, priority=Priority.REVISION)
        except Exception as error:
            # The turns have their answers; the next one, or the end, tries again.
            logger().error("live view", **trace(error))
        finally:
            self._looking = None


def _forget(task: "asyncio.Task[int]") -> None:
    if not task.cancelled():
        task.exception()
