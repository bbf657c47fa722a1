"""Jobs: uploads too big to wait for. Accepted, done in the background, fetched within a day."""

import asyncio
import contextlib
import datetime as dt
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from alliance.model.session import Session
from alliance.serve.http.access import Caller, require
from alliance.serve.http.intake import JSON, NDJSON, Work, read_request
from alliance.serve.http.job_stream import MAX_LINES, JobStreams
from alliance.serve.http.job_worker import JobWorker, tidy_forever
from alliance.serve.http.problems import Problem
from alliance.serve.http.store_calls import (
    InFlight,
    call,
    idempotency_of,
    not_found,
    store_of,
)
from alliance.serve.http.stored_messages import (
    JOB_REQUEST,
    MAX_JOB_SESSIONS,
    JobOut,
    JobSessions,
)
from alliance.serve.http.stored_routes import IdempotencyKey
from alliance.serve.store.job import JobState, StoredJob

__all__ = ["router"]

_ID: Final = re.compile(r"job_[0-9a-f]{32}")
_RETRY_S: Final = 2
_IN_FLIGHT: Final = InFlight()

Labels = Annotated[Caller, Depends(require("label"))]


@contextlib.asynccontextmanager
async def _working(app: FastAPI) -> AsyncIterator[None]:
    """The worker and the housekeeping, for as long as the server runs."""
    if app.state.store is None:
        yield
        return
    app.state.job_streams = JobStreams(app.state.store, line_bytes=app.state.settings.body_bytes)
    worker = app.state.job_worker = JobWorker(
        app, lease=dt.timedelta(seconds=app.state.settings.job_lease_seconds)
    )
    working = asyncio.create_task(worker.run())
    tidying = asyncio.create_task(tidy_forever(app))
    try:
        yield
    finally:
        worker.stop()
        tidying.cancel()
        await asyncio.gather(working, tidying, return_exceptions=True)


def _body_schema() -> dict[str, Any]:
    """One session or up to the job's limit; the parts stand among the document's components."""
    several = JobSessions.model_json_schema(ref_template="#/components/schemas/{model}")
    del several["$defs"]
    return {"oneOf": [{"$ref": "#/components/schemas/OneSession"}, several]}


_LINES: Final = """\
{"purpose": "screening", "roles": {"Anna": "client"}}
{"id": "a", "turns": [{"speaker": "Anna", "text": "Thanks, that helps."}]}
{"id": "b", "turns": [{"speaker": "Anna", "text": "What is the use of this?"}]}
"""

router: Final = APIRouter(tags=["jobs"], lifespan=_working)


@router.post(
    "/v1/jobs",
    operation_id="make_job",
    summary="Have many sessions labelled in the background",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": _body_schema()},
                "multipart/form-data": {"schema": {"$ref": "#/components/schemas/Upload"}},
                NDJSON: {
                    "schema": {
                        "type": "string",
                        "description": "For many sessions: one a line, as in `sessions`, at most "
                        f"{MAX_LINES}. Where the first line has no `turns` it holds `roles`, "
                        "`purpose` and `include_text`.",
                    },
                    "example": _LINES,
                },
            },
        }
    },
)
async def make_job(
    request: Request, response: Response, caller: Labels, idempotency_key: IdempotencyKey = None
) -> JobOut:
    """Once this has answered, the job is not lost, whatever becomes of the server.

    What was sent is kept, encrypted, until it has been labelled; the result for a day. JSON lines
    are stored as they come, and may be longer than other bodies.
    """
    store = store_of(request)
    known_by = idempotency_of(store, caller, "job", idempotency_key, None)
    _IN_FLIGHT.enter(known_by)
    try:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == NDJSON:
            job = await request.app.state.job_streams.receive(
                request,
                caller,
                lambda digest: idempotency_of(store, caller, "job", idempotency_key, digest),
            )
        else:
            work = await read_request(
                request, schema=JOB_REQUEST, max_sessions=MAX_JOB_SESSIONS, others=[NDJSON]
            )
            payloads, options = _payloads(work)
            idempotency = idempotency_of(store, caller, "job", idempotency_key, [payloads, options])
            job = await call(
                lambda: store.jobs.add(caller, payloads, options, idempotency=idempotency)
            )
    finally:
        _IN_FLIGHT.leave(known_by)
    request.app.state.job_worker.wake()
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["Retry-After"] = str(_RETRY_S)
    return _told(job, request)


@router.get("/v1/jobs/{job_id}", operation_id="get_job", summary="How a job is getting on")
async def get_job(request: Request, response: Response, caller: Labels, job_id: str) -> JobOut:
    """While it is not done, `Retry-After` says when to ask again."""
    store, known_id = store_of(request), _checked(job_id)
    job = await call(lambda: store.jobs.get(caller, known_id))
    if job is None:
        raise not_found("job")
    if job.state in (JobState.QUEUED, JobState.RUNNING):
        response.headers["Retry-After"] = str(_RETRY_S)
    return _told(job, request)


@router.get(
    "/v1/jobs/{job_id}/result",
    operation_id="get_job_result",
    summary="The result of a job",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "JSON lines: a timeline or a problem for each session, in the order "
            "they were sent.",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        }
    },
)
async def get_job_result(request: Request, caller: Labels, job_id: str) -> StreamingResponse:
    """Answers `409` until the job is done and `410` once the result has gone."""
    store, known_id = store_of(request), _checked(job_id)
    if await call(lambda: store.jobs.get(caller, known_id)) is None:
        raise not_found("job")
    results = await call(lambda: store.jobs.results(caller, known_id))
    if results is None:
        raise Problem(
            409,
            "Job not done",
            f"expected a job that is done, found one at work; ask again in {_RETRY_S} s",
            {"Retry-After": str(_RETRY_S)},
        )

    def lines() -> Iterator[bytes]:
        for result in results:
            yield (json.dumps(result, ensure_ascii=False) + "\n").encode("utf-8", "replace")

    return StreamingResponse(
        lines(),
        media_type=NDJSON,
        headers={"Content-Disposition": 'attachment; filename="timelines.jsonl"'},
    )


@router.delete(
    "/v1/jobs/{job_id}", operation_id="erase_job", summary="Erase a job", status_code=204
)
async def erase_job(request: Request, caller: Labels, job_id: str) -> None:
    """What was sent and what came of it go at once; a job at work stops."""
    store, known_id = store_of(request), _checked(job_id)
    if not await call(lambda: store.jobs.erase(caller, known_id)):
        raise not_found("job")


def _payloads(work: Work) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    payloads: list[dict[str, Any]] = [
        {"session": one.to_dict()}
        if isinstance(one, Session)
        else {"problem": one.problem.to_dict(), "session_id": one.session_id}
        for one in work.sessions
    ]
    return payloads, {"purpose": work.purpose.value, "include_text": work.include_text}


def _told(job: StoredJob, request: Request) -> JobOut:
    result = f"/v1/jobs/{job.id}/result" if job.state is JobState.DONE else None
    return JobOut.model_validate(
        {**job.to_dict(), "result": result, "model": request.app.state.versions}
    )


def _checked(job_id: str) -> str:
    if _ID.fullmatch(job_id) is None:
        raise not_found("job")
    return job_id
