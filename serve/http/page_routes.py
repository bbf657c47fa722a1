"""What the page asks for; not part of the API. It keeps nothing but what the store is told to."""

import asyncio
import io
from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from alliance.model.explain import explain
from alliance.model.labelled import LabelledSession, Purpose, unlabelled_reason
from alliance.model.session import Session
from alliance.model.timeline import timeline
from alliance.serve.http.access import Caller, require
from alliance.serve.http.batching import LabelQueue
from alliance.serve.http.intake import (
    NotLabelled,
    read_form,
    read_request,
    read_session_in,
    reading_problems,
    role_map,
    within_limits,
)
from alliance.serve.http.messages import MAX_SESSIONS, UploadOptions
from alliance.serve.http.page_messages import CodingsIn, WhyIn
from alliance.serve.http.problems import Problem, not_ready, schema_names
from alliance.serve.page.comparison import CodedTurn, compare
from alliance.serve.page.preview import Preview, previews
from alliance.serve.page.strings import ENGLISH
from alliance.serve.page.teaching_set import TeachingSession, teaching_set
from alliance.serve.reasons import key_phrases, key_turns

__all__ = ["router"]

router: Final = APIRouter(prefix="/page", include_in_schema=False)

_EXAMPLE: Final = "first_strain.vtt"
_WHY: Final = ENGLISH["why_above"]  # the page asks for reasons one turn at a time
_LISTED: Final = 500  # stored sessions of a page
_PLAIN: Final = UploadOptions(format=None, encoding=None)

Labels = Annotated[Caller, Depends(require("label"))]
Reads = Annotated[Caller, Depends(require("read"))]


@router.get("/state")
async def state(request: Request) -> dict[str, Any]:
    """Who is here, what they may do, and the token that their changes must carry."""
    caller: Caller = request.state.caller
    app = request.app.state
    login = app.access.login(request) if app.access.asks_for_keys else None
    return {
        "ready": app.ready,
        "keys": app.access.asks_for_keys,
        "csrf": "" if login is None else login.csrf,
        "who": caller.key_id,
        "may": [scope for scope in ("label", "read", "annotate") if caller.may(scope)],
        "store": app.store is not None,
        "model": app.versions,
    }


@router.post("/preview")
async def preview(request: Request, caller: Labels) -> dict[str, Any]:
    """The sessions of a file and the speakers in them, before their roles are settled."""
    content, name, options = await read_form(request, schema_names(request.app))
    found = await asyncio.to_thread(_previews, content, name, options)
    return {"sessions": [one.to_dict() for one in found]}


def _previews(content: bytes, name: str, options: UploadOptions) -> list[Preview]:
    found: list[Preview] = []
    with reading_problems(name, options, advice=ENGLISH["read_advice"]):
        for one in previews(
            io.BytesIO(content),
            name=name or "session",
            format=options.format,
            columns=options.columns or None,
            encoding=options.encoding,
        ):
            if len(found) == MAX_SESSIONS:
                raise Problem(
                    422,
                    "File cannot be read",
                    f"expected at most {MAX_SESSIONS} sessions, found more; split the file",
                )
            session = within_limits(one.session)
            if isinstance(session, NotLabelled):
                raise session.problem
            found.append(one)
    return found


@router.get("/example")
def example(request: Request, caller: Labels) -> dict[str, Any]:
    """The example session, as a preview of its file."""
    content = (files("alliance.serve") / "examples" / _EXAMPLE).read_bytes()
    found = _previews(content, _EXAMPLE, _PLAIN)
    return {"sessions": [one.to_dict() for one in found]}


@router.post("/timeline")
async def show(request: Request, caller: Labels) -> dict[str, Any]:
    """The timeline of a session that is sent, as the page shows it; nothing is kept."""
    work = await read_request(request)
    if not work.single or not isinstance(work.sessions[0], Session):
        raise Problem(
            422, "Invalid request", "expected one session, found another number; send each alone"
        )
    return await _labelled(request, work.sessions[0], chosen=work.purpose)


async def _labelled(request: Request, session: Session, *, chosen: Purpose) -> dict[str, Any]:
    queue = _queue(request)

    def made() -> dict[str, Any]:
        labelled = queue.classifier.label_for(session)
        request.app.state.metrics.labelled(labelled[chosen].turns)
        return _shown(labelled, chosen=chosen)

    (shown,) = await queue.run_all([made], turns=len(session.turns))
    return shown


@router.post("/why")
async def why(request: Request, caller: Labels, body: WhyIn) -> dict[str, Any]:
    """What the label of one turn rests on: phrases of its words, and turns nearby."""
    queue = _queue(request)
    given: LabelledSession | None = None
    if body.session is None:
        given, _ = await _stored(request, caller, body.stored or "")
        session = given.session
    else:
        roles = role_map(body.roles)
        session = read_session_in(body.session, roles, session_id=body.session.id or "session")
    if body.turn >= len(session.turns):
        raise _not_found("turn")

    def explained() -> dict[str, Any]:
        labelled = given or queue.classifier.label(session, purpose=body.purpose)
        try:
            (one,) = explain(queue.classifier, labelled, turns=[body.turn])
        except ValueError:
            raise Problem(
                422,
                "Label cannot be explained",
                "expected a turn that this model has labelled, found one without a label or of "
                "another model; choose another turn",
            ) from None
        return {
            "phrases": key_phrases(one, session.turns[body.turn].text),
            "turns": key_turns(one),
        }

    (told,) = await queue.run_all([explained], turns=len(session.turns))
    return told


def _shown(labelled: Mapping[Purpose, LabelledSession], *, chosen: Purpose) -> dict[str, Any]:
    """A labelled session as HTML, and as JSON with the labels of the chosen purpose."""
    from alliance.serve.report.names import Names
    from alliance.serve.report.render import render_timeline_fragment
    from alliance.serve.report.strings import ENGLISH as REPORT
    from alliance.serve.report.view import TimelineView

    view = TimelineView.from_timelines(
        [timeline(each) for each in labelled.values()], chosen=chosen, names=Names.KEEP
    )
    return {
        "html": str(render_timeline_fragment(view, strings={**REPORT, "js_why_unknown": _WHY})),
        "timeline": timeline(labelled[chosen]).to_dict(),
    }


@router.get("/sessions")
async def sessions(
    request: Request,
    caller: Reads,
    after: Annotated[str, Query(pattern=r"^(ses_[0-9a-f]{32})?$")] = "",
) -> dict[str, Any]:
    """A page of the stored sessions, under the ids by which those who stored them know them."""
    if request.app.state.store is None:
        return {"sessions": [], "next": None}
    from alliance.serve.http.store_calls import call, store_of

    store = store_of(request)
    found = await call(
        lambda: store.sessions.page(caller, after=after, limit=_LISTED, given_ids=True)
    )
    return {
        "sessions": [{**one.to_dict(), "given_id": one.given_id} for one in found],
        "next": found[-1].id if len(found) == _LISTED else None,
    }


@router.get("/sessions/{session_id}")
async def stored(request: Request, caller: Reads, session_id: str) -> dict[str, Any]:
    """A stored session: its timeline as it was stored, and what people say of its turns."""
    labelled, given_id = await _stored(request, caller, session_id)
    from alliance.serve.http.store_calls import call, store_of

    annotations = await call(lambda: store_of(request).annotations.of(caller, session_id))
    purpose = labelled.model.purpose
    shown = await asyncio.to_thread(partial(_shown, {purpose: labelled}, chosen=purpose))
    return {
        **shown,
        "given_id": given_id,
        "annotations": [one.to_dict() for one in annotations],
    }


@router.get("/sessions/{session_id}/purposes")
async def purposes(request: Request, caller: Reads, session_id: str) -> dict[str, Any]:
    """A stored session under every purpose's thresholds, so that they can be switched.

    What was stored stays what it is; for the other purposes the model reads the session again,
    which only the one that labelled it may do.
    """
    if not caller.may("label"):
        raise _not_found("session")
    stored_one, _ = await _stored(request, caller, session_id)
    queue = _queue(request)

    def made() -> dict[str, Any]:
        labelled = queue.classifier.label_for(stored_one.session)
        chosen = stored_one.model.purpose
        if labelled[chosen].model != stored_one.model:
            raise Problem(
                409,
                "Labelled by another model",
                "expected a session that this server's model has labelled, found one of another "
                "model; open its transcript again to see it under other thresholds",
            )
        return _shown({**labelled, chosen: stored_one}, chosen=chosen)

    (shown,) = await queue.run_all([made], turns=len(stored_one.session.turns))
    return {"html": shown["html"]}


async def _stored(request: Request, caller: Caller, session_id: str) -> tuple[LabelledSession, str]:
    """A stored session, and the id that its sender gave it."""
    if request.app.state.store is None or not caller.may("read"):
        raise _not_found("session")
    # Late: a server without a store does without the database's library too.
    from alliance.serve.http.store_calls import call, store_of

    store = store_of(request)
    found = await call(lambda: store.sessions.get(caller, session_id))
    if found is None:
        raise _not_found("session")
    _, labelled, given_id = found
    return labelled, given_id


@router.get("/teaching")
async def teaching(request: Request, caller: Labels) -> dict[str, Any]:
    """The teaching set's sessions, without anything that tells their codes."""
    return {"sessions": [_blind(one) for one in teaching_set()]}


def _blind(one: TeachingSession) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "setting": one.setting,
        "client": one.client,
        "turns": [turn.to_dict() for turn in one.session.turns],
    }


@router.get("/teaching/{session_id}")
async def coding(request: Request, caller: Labels, session_id: str) -> dict[str, Any]:
    """What is shown once a learner has coded: the settled codes and their reasons."""
    found = next((one for one in teaching_set() if one.id == session_id), None)
    if found is None:
        raise _not_found("session")
    return {
        "shows": found.shows,
        "coding": _coding(found),
        "reasons": {str(turn): reason for turn, reason in found.reasons.items()},
    }


def _coding(one: TeachingSession) -> list[dict[str, Any]]:
    return [
        {"turn": index, "label": code.label.value, "marker": code.value}
        for index, (turn, code) in enumerate(zip(one.session.turns, one.codes, strict=True))
        if unlabelled_reason(turn) is None
    ]


@router.post("/compare")
async def compare_codings(request: Request, caller: Labels, body: CodingsIn) -> dict[str, Any]:
    """Agreement of codings of one session, each with each, and where they differ."""
    codings: dict[str, dict[int, CodedTurn]] = {}
    try:
        for one in body.codings:
            codings[one.who] = {
                coded.turn: CodedTurn(coded.label, coded.marker) for coded in one.turns
            }
    except ValueError as error:
        # Our own words, of labels and markers.
        raise Problem(422, "Not in the codebook", str(error)) from None
    return compare(codings).to_dict()


def _not_found(what: str) -> Problem:
    return Problem(
        404, "Not found", f"expected the address of a {what}, found none there; start at /"
    )


def _queue(request: Request) -> LabelQueue:
    if not request.app.state.ready:
        raise not_ready()
    queue: LabelQueue = request.app.state.queue
    return queue
