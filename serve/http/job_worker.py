"""The worker that labels the sessions of jobs, beside the requests of the same process.

It is one task of the server's event loop. A job that was in hand when the process died is taken
up again, by this process after its restart or by another one, once its lease has run out.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any, Final, TypeVar

from fastapi import FastAPI

from alliance.model.labelled import Purpose
from alliance.model.session import Session
from alliance.model.timeline import timeline
from alliance.serve.http.logs import logger, trace
from alliance.serve.http.problems import Overloaded
from alliance.serve.store.errors import StoreError
from alliance.serve.store.job import ClaimedJob
from alliance.serve.store.store import Store

__all__ = ["JobWorker", "tidy_forever"]

_T = TypeVar("_T")

_MAX_ATTEMPTS: Final = 3
"""A session at which the process died this often is given up, or it would never start again."""

_TIDY_EVERY_S: Final = 60.0


class JobWorker:
    """Does the jobs of a store, one at a time.

    Args:
        app: whose queue labels; it must be serving a store.
        lease: for how long a job stays in the hands of a worker that gives no sign of life.
        poll_s: seconds between two looks for jobs that other processes accepted or left.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        lease: dt.timedelta,
        poll_s: float = 5.0,
    ) -> None:
        self._state = app.state
        self._store: Store = app.state.store
        self._lease = lease
        self._poll_s = min(poll_s, lease.total_seconds())
        self._wake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Look for a job now."""
        self._wake.set()

    def stop(self) -> None:
        """End after the session in hand; the rest of the job waits in the store."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until :meth:`stop`."""
        while not self._stopping:
            try:
                job = await self._next()
                if job is not None:
                    await self._do(job)
            except Exception as error:  # whatever it was, the other jobs must not wait for ever
                logger().error("job worker waits", **trace(error))
                await self._sleep(self._poll_s)

    async def _next(self) -> ClaimedJob | None:
        if self._state.ready:
            job = await asyncio.to_thread(self._store.jobs.claim, self._lease)
            if job is not None:
                return job
        await self._sleep(self._poll_s if self._state.ready else 0.2)
        return None

    async def _sleep(self, seconds: float) -> None:
        if self._stopping:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _do(self, job: ClaimedJob) -> None:
        jobs, attempts = self._store.jobs, job.attempts
        while not self._stopping:
            item = await asyncio.to_thread(jobs.next_item, job)
            if item is None:
                await asyncio.to_thread(jobs.finish, job)
                return
            n, payload = item
            if attempts > _MAX_ATTEMPTS:
                result = _failed(payload)
            else:
                made = await self._held(job, self._label(payload, job.options))
                if made is None:
                    return
                result = made
            if not await asyncio.to_thread(jobs.finish_item, job, n, result, self._lease):
                return  # erased, or in other hands
            attempts = 0
        await asyncio.to_thread(jobs.give_back, job)

    async def _held(self, job: ClaimedJob, work: Any) -> dict[str, Any] | None:
        """Wait for a result and keep the lease meanwhile; None if the job was lost."""
        task: asyncio.Task[dict[str, Any]] = asyncio.ensure_future(work)
        while True:
            done, _ = await asyncio.wait([task], timeout=self._lease.total_seconds() / 3)
            if done:
                return task.result()
            if not await asyncio.to_thread(self._store.jobs.renew, job, self._lease):
                task.cancel()
                return None

    async def _label(self, payload: dict[str, Any], options: Any) -> dict[str, Any]:
        if "problem" in payload:
            return {**payload["problem"], "session_id": payload["session_id"]}
        session = Session.from_dict(payload["session"])
        while True:
            try:
                labelled = await self._state.queue.label(
                    session, purpose=Purpose(options["purpose"])
                )
                break
            except Overloaded as problem:  # those who wait for an answer come first
                await asyncio.sleep(float(problem.headers["Retry-After"]))
            except Exception as error:
                logger().error("job session failed", **trace(error))
                return _failed(payload)
        self._state.metrics.labelled(labelled.turns)
        return await asyncio.to_thread(
            lambda: timeline(labelled).to_dict(include_text=options["include_text"])
        )


async def tidy_forever(app: FastAPI, *, every_s: float = _TIDY_EVERY_S) -> None:
    """Erase what has been kept long enough, now and then, until cancelled."""
    store: Store = app.state.store
    while True:
        await _quietly(store.tidy)
        await asyncio.sleep(every_s)


async def _quietly(function: Callable[[], _T]) -> None:
    try:
        await asyncio.to_thread(function)
    except StoreError as error:
        logger().error("housekeeping failed", **trace(error))


def _failed(payload: dict[str, Any]) -> dict[str, Any]:
    session_id = payload.get("session_id") or payload["session"]["id"]
    return {
        "type": "about:blank",
        "title": "Session cannot be labelled",
        "status": 500,
        "detail": "expected a timeline, found a fault of the server; report it, and send the "
        "session by itself",
        "session_id": session_id,
    }
