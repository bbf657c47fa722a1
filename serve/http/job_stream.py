"""Jobs as JSON lines: read and stored line by line, so that one may be larger than the memory.

A session that cannot be read or labelled has a problem in its place; the others go on.
"""

import asyncio
import codecs
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from functools import partial
from typing import Any, Final

from fastapi import Request
from pydantic import ValidationError

from alliance.serve.http.access import Caller
from alliance.serve.http.intake import read_session_in, role_map
from alliance.serve.http.messages import Options, SessionIn
from alliance.serve.http.problems import Overloaded, Problem, schema_names, validation_problem
from alliance.serve.http.store_calls import call
from alliance.serve.http.waiting import TOO_LONG
from alliance.serve.store.errors import StoreError
from alliance.serve.store.idempotency import Idempotency
from alliance.serve.store.job import StoredJob
from alliance.serve.store.job_uploads import JobUpload
from alliance.serve.store.store import Store

__all__ = ["MAX_LINES", "JobStreams"]

MAX_LINES: Final = 20_000
"""Sessions of a job that is sent as JSON lines."""

_AT_ONCE: Final = 4
"""Each holds a line in memory, and what is read from it."""
_RETRY_S: Final = 10
_LINE: Final = "line"
_PIECE: Final = 1 << 20  # bytes of lines that are stored together: a commit for each is slow


class JobStreams:
    """Takes jobs in that are sent as JSON lines.

    Args:
        store: where they go.
        line_bytes: of one line, at most.
    """

    def __init__(self, store: Store, *, line_bytes: int) -> None:
        self._store = store
        self._line_bytes = line_bytes
        self._running = 0

    async def receive(
        self, request: Request, caller: Caller, idempotency: Callable[[str], Idempotency | None]
    ) -> StoredJob:
        """Read a request's lines to the end and make them a job.

        The first line may hold options; every other one is a session. What has been stored of a
        job that is not taken in the end is erased.

        Args:
            request: the request.
            caller: who sends it.
            idempotency: what the request is known by, given a digest of its body.

        Raises:
            Problem: 413 for too long a line or too many, 422 for options that cannot be read or
                no session at all, 503 if too many such jobs are being sent.
        """
        if self._running >= _AT_ONCE:
            raise Overloaded(_RETRY_S)
        self._running += 1
        job = _Arriving(self._store, caller, schema_names(request.app))
        try:
            digest = hashlib.sha256()
            piece: list[bytes] = []
            size = 0
            async for line in self._lines(request, digest):
                piece.append(line)
                size += len(line) + 1
                if size >= _PIECE:
                    await call(partial(job.take, piece))
                    piece, size = [], 0
            await call(partial(job.take, piece))
            return await call(lambda: job.accept(idempotency(digest.hexdigest())))
        finally:
            self._running -= 1
            # Also when the client has gone and this is being cancelled.
            await asyncio.shield(asyncio.to_thread(job.clear))

    async def _lines(self, request: Request, digest: "hashlib._Hash") -> AsyncIterator[bytes]:
        begun: list[bytes] = []  # the parts of a line whose end has not come
        size = 0
        async for chunk in request.stream():
            digest.update(chunk)
            first, *rest = chunk.split(b"\n")
            begun.append(first)
            size += len(first)
            # Many lines, or a whole long one, may come at once.
            if max(size, *map(len, rest), 0) > self._line_bytes:
                raise Problem(
                    TOO_LONG,
                    "Line too long",
                    f"expected lines of at most {self._line_bytes} bytes, found a longer one; send "
                    f"one session a line",
                    {"Connection": "close"},
                )
            if rest:
                yield b"".join(begun)
                for line in rest[:-1]:
                    yield line
                begun, size = [rest[-1]], len(rest[-1])
        yield b"".join(begun)


class _Arriving:
    """A job whose lines come one after another; its methods block."""

    def __init__(self, store: Store, caller: Caller, names: Collection[str]) -> None:
        self._store = store
        self._caller = caller
        self._names = {*names, _LINE}
        self._options = Options()
        self._roles = role_map({})
        self._upload: JobUpload | None = None
        self._line = 0

    def take(self, lines: Sequence[bytes]) -> None:
        """Read and store the next lines.

        Raises:
            Problem: as :meth:`JobStreams.receive`.
            StoreError: if they cannot be stored.
        """
        payloads: list[dict[str, Any]] = []
        for line in lines:
            self._line += 1
            if self._line == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if not line.strip():
                continue
            if self._line == 1 and self._are_options(line):
                continue
            sent = len(payloads) + (0 if self._upload is None else self._upload.items)
            if sent == MAX_LINES:
                raise Problem(
                    TOO_LONG,
                    "Too many sessions",
                    f"expected at most {MAX_LINES} sessions in a job, found more; send several "
                    f"jobs",
                    {"Connection": "close"},
                )
            payloads.append(self._payload(line, sent + 1))
        if not payloads:
            return
        if self._upload is None:
            self._upload = self._store.job_uploads.begin(
                self._caller,
                {
                    "purpose": self._options.purpose.value,
                    "include_text": self._options.include_text,
                },
            )
        self._upload.add(payloads)

    def accept(self, idempotency: Idempotency | None) -> StoredJob:
        """All lines have come."""
        if self._upload is None:
            raise Problem(
                422,
                "Invalid request",
                "expected a session in each line, found no session; send at least one",
            )
        return self._upload.accept(idempotency)

    def clear(self) -> None:
        """Erase what was stored, unless it has become a job."""
        if self._upload is not None:
            with contextlib.suppress(StoreError):  # a disk that is full: housekeeping will
                self._upload.erase()

    def _are_options(self, line: bytes) -> bool:
        try:
            first = json.loads(line)
        except ValueError:
            return False
        if not isinstance(first, dict) or "turns" in first:
            return False
        try:
            self._options = Options.model_validate_json(line)
        except ValidationError as error:
            raise validation_problem(self._placed(error), self._names) from None
        self._roles = role_map(self._options.roles)
        return True

    def _payload(self, line: bytes, number: int) -> dict[str, Any]:
        session_id = f"session-{number}"
        try:
            given = SessionIn.model_validate_json(line)
            session_id = given.id or session_id
            place = (_LINE, self._line)
            session = read_session_in(given, self._roles, session_id=session_id, place=place)
        except ValidationError as error:
            problem = validation_problem(self._placed(error), self._names)
        except Problem as found:
            problem = found
        else:
            return {"session": session.to_dict()}
        return {"problem": problem.to_dict(), "session_id": session_id}

    def _placed(self, error: ValidationError) -> list[dict[str, Any]]:
        return [
            {**one, "loc": (_LINE, self._line, *one["loc"])}
            for one in error.errors(include_url=False)
        ]
