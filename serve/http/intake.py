"""Reading a request for timelines: JSON or a transcript file becomes sessions, or problems."""

import asyncio
import io
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from alliance.model.codebook import Role
from alliance.model.errors import (
    ConfigError,
    MissingExtraError,
    TranscriptError,
    UnknownSpeakerError,
)
from alliance.model.formats import FORMATS, RoleMap, read_sessions
from alliance.model.formats.roles import clean_name
from alliance.model.labelled import Purpose
from alliance.model.session import Session, Turn
from alliance.serve.http.messages import (
    MAX_SESSIONS,
    MAX_TEXT,
    MAX_TURNS,
    TIMELINES_REQUEST,
    OneSession,
    SessionIn,
    UploadOptions,
)
from alliance.serve.http.problems import (
    Problem,
    schema_names,
    unsupported_media,
    validation_problem,
)

__all__ = [
    "JSON",
    "NDJSON",
    "NotLabelled",
    "Work",
    "read_form",
    "read_request",
    "read_session_in",
    "reading_problems",
    "role_map",
    "within_limits",
]

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
_MULTIPART: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Work:
    """What a request asks for.

    Attributes:
        sessions: the sessions in order; a problem in the place of one that cannot be labelled.
        purpose: which thresholds decide.
        include_text: whether the reply repeats what was said.
        single: whether the reply is one timeline and not a list.
    """

    sessions: Sequence["Session | NotLabelled"]
    purpose: Purpose
    include_text: bool
    single: bool


@dataclass(frozen=True, slots=True)
class NotLabelled:
    """A session that cannot be labelled, and why."""

    session_id: str
    problem: Problem


async def read_request(
    request: Request,
    *,
    schema: "TypeAdapter[Any]" = TIMELINES_REQUEST,
    max_sessions: int = MAX_SESSIONS,
    others: Sequence[str] = (),
) -> Work:
    """Read the body of a request for timelines, JSON or a form with a file.

    Args:
        request: the request.
        schema: reads the JSON: one session, or several, told apart by a tag.
        max_sessions: of a file.
        others: media types that the caller reads itself, for the problem.

    Raises:
        Problem: 400, 415 or 422, if it cannot be read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    names = schema_names(request.app)
    if kind == JSON:
        body = await request.body()
        # Megabytes of JSON would hold up everybody's event loop.
        return await asyncio.to_thread(_read_json, body, names, schema)
    if kind == _MULTIPART:
        content, name, options = await read_form(request, names)
        return await asyncio.to_thread(_read_file, content, name, options, max_sessions)
    raise unsupported_media(JSON, _MULTIPART, *others)


def _read_json(body: bytes, names: Any, schema: "TypeAdapter[Any]") -> Work:
    try:
        asked = schema.validate_json(body)
    except ValidationError as error:
        # The first part of a place is the tag of the union, which is ours and not the client's.
        errors = [{**one, "loc": one["loc"][1:]} for one in error.errors(include_url=False)]
        raise validation_problem(errors, names) from None
    roles = role_map(asked.roles)
    single = isinstance(asked, OneSession)
    given = [asked.session] if isinstance(asked, OneSession) else asked.sessions
    sessions: list[Session | NotLabelled] = []
    for number, one in enumerate(given, start=1):
        session_id = one.id or f"session-{number}"
        place = ("session",) if single else ("sessions", number - 1)
        try:
            sessions.append(read_session_in(one, roles, session_id=session_id, place=place))
        except Problem as problem:
            if single:
                raise
            sessions.append(NotLabelled(session_id, problem))
    return Work(sessions, asked.purpose, asked.include_text, single)


def role_map(roles: Mapping[str, Role]) -> RoleMap:
    """The map from speakers to roles that a client sent.

    Raises:
        Problem: 422 if it contradicts itself.
    """
    try:
        return RoleMap(roles)
    except ConfigError:
        raise Problem(
            422,
            "Invalid request",
            "expected one role for each speaker's name (upper and lower case are the same), found "
            "an empty name or one with two roles; correct 'roles'",
            errors=[{"loc": ["roles"], "type": "roles", "msg": "expected one role for each name"}],
        ) from None


def read_session_in(
    given: SessionIn,
    roles: RoleMap,
    *,
    session_id: str,
    place: Sequence[str | int] = ("session",),
) -> Session:
    """The session that a client sent, with the roles of its speakers settled.

    Args:
        given: the session as it was sent.
        roles: who is who.
        session_id: its identifier.
        place: where it stands in the request, for the problem.

    Raises:
        Problem: 422 if a speaker's role is not known or a turn ends before it starts.
    """
    errors: list[dict[str, Any]] = []
    turns: list[Turn] = []
    for index, turn in enumerate(given.turns):
        name = clean_name(turn.speaker)
        role = roles.role(name) if name else None
        spot = [*place, "turns", index]
        if role is None:
            errors.append(_unknown_speaker(spot))
            continue
        if turn.start_ms is not None and turn.end_ms is not None and turn.end_ms < turn.start_ms:
            errors.append(
                {
                    "loc": [*spot, "end_ms"],
                    "type": "end_before_start",
                    "msg": "expected a turn to end no sooner than it starts",
                }
            )
            continue
        turns.append(
            Turn(
                roles.speaker(name, role),
                turn.text,
                turn.start_ms,
                turn.end_ms,
                turn.utterance_id,
            )
        )
    if errors:
        count = len(errors)
        raise Problem(
            422,
            "Session cannot be labelled",
            f"expected turns of speakers whose role is known, with times that run forwards, found "
            f"{count} other{'' if count == 1 else 's'}; see errors, and name the speakers' roles "
            f"in 'roles'",
            errors=errors[:20],
        )
    return Session(session_id, tuple(turns))


def _unknown_speaker(place: Sequence[str | int]) -> dict[str, Any]:
    return {
        "loc": [*place, "speaker"],
        "type": "unknown_speaker",
        "msg": "expected a speaker whose role is known: therapist, client, a well-known name, or "
        "one that 'roles' tells the role of",
    }


async def read_form(request: Request, names: Any) -> tuple[bytes, str, UploadOptions]:
    """The file, its name and the options of a multipart form, all in memory."""

    async def stream() -> AsyncGenerator[bytes, None]:
        async for chunk in request.stream():
            yield chunk

    parser = MultiPartParser(Headers(scope=request.scope), stream(), max_files=1, max_fields=10)
    # The limit of the body holds already; a larger file would be written to the disk.
    parser.spool_max_size = request.app.state.settings.body_bytes + 1
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError):
        raise Problem(
            400,
            "Malformed form",
            "expected a multipart form with one file and a few short fields, found another; check "
            "how it was made",
        ) from None
    try:
        return await _form_parts(form, names)
    finally:
        await form.close()


async def _form_parts(form: FormData, names: Any) -> tuple[bytes, str, UploadOptions]:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Problem(
            422,
            "Invalid request",
            "expected a transcript in the field 'file', found none; add it",
            errors=[{"loc": ["file"], "type": "missing", "msg": "expected a file"}],
        )
    fields: dict[str, Any] = {}
    for key, value in form.multi_items():
        if key == "file":
            continue
        if key in fields or not isinstance(value, str):
            raise validation_problem([{"type": "extra_forbidden", "loc": (key,), "msg": ""}], names)
        fields[key] = value
    for key in ("roles", "columns"):
        if key in fields:
            fields[key] = _json_field(fields[key])
    try:
        options = UploadOptions.model_validate(fields)
    except ValidationError as error:
        raise validation_problem(error.errors(include_url=False), names) from None
    return await file.read(), file.filename or "", options


def _json_field(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None  # no map: the schema refuses it


def _read_file(
    content: bytes, name: str, options: UploadOptions, max_sessions: int = MAX_SESSIONS
) -> Work:
    sessions: list[Session | NotLabelled] = []
    with reading_problems(name, options):
        for session in read_sessions(
            io.BytesIO(content),
            name=name or "session",
            format=options.format,
            roles=role_map(options.roles),
            columns=options.columns or None,
            encoding=options.encoding,
        ):
            if len(sessions) == max_sessions:
                raise _unread(f"expected at most {max_sessions} sessions, found more")
            sessions.append(within_limits(session))
    return Work(sessions, options.purpose, options.include_text, single=False)


_ADVICE: Final = (
    "mend the file, or say how to read it with 'format', 'encoding', 'columns' or 'roles'"
)


@contextmanager
def reading_problems(name: str, options: UploadOptions, *, advice: str = _ADVICE) -> Iterator[None]:
    """What keeps a file from being read, as a problem that repeats nothing of it.

    Args:
        name: the file's name, if it has one.
        options: how it is to be read.
        advice: what to do, in the words of who asked: fields of the API, or of a form.

    Raises:
        Problem: 422 in the place of whatever the readers raise.
    """
    chosen = options.format
    unreadable = partial(_unread, advice=advice)
    if chosen is not None and chosen not in FORMATS:
        raise unreadable(f"expected one of the formats {', '.join(FORMATS)}, found another")
    if chosen is None and not name:
        raise unreadable("expected a file with a name, or the field 'format', found neither")
    try:
        yield
    except UnknownSpeakerError as error:
        count = len(error.speakers)
        raise unreadable(
            f"expected every speaker's role to be known, found {count} whose role is not, first",
            line=error.line,
            errors=[_unknown_speaker(["file"])],
        ) from None
    except TranscriptError as error:
        raise unreadable(_expected(error.problem), line=error.line) from None
    except ConfigError as error:
        raise unreadable(_expected(str(error))) from None
    except MissingExtraError as error:
        raise Problem(
            422,
            "File cannot be read",
            f"expected the server to have the extra [{error.extra}], which reads this format, "
            f"found it without; have it installed, or save the file in another format",
        ) from None


def within_limits(session: Session) -> "Session | NotLabelled":
    """The session, or why it is too long for one request."""
    if len(session.turns) > MAX_TURNS:
        fault = f"expected at most {MAX_TURNS} turns in a session, found more"
    elif any(len(turn.text) > MAX_TEXT for turn in session.turns):
        fault = f"expected turns of at most {MAX_TEXT} characters, found a longer one"
    else:
        return session
    return NotLabelled(session.id, Problem(422, "Session cannot be labelled", f"{fault}; cut it"))


_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")


def _expected(problem: str) -> str:
    """What a reader expected; what it found may be words of the file, so that is left out."""
    wanted = problem.partition(", found")[0]
    if not wanted.startswith("expected"):
        wanted = "expected a transcript that can be read"
    return f"{_QUOTED.sub('a field', wanted)}, found something else"


def _unread(
    problem: str,
    *,
    advice: str = _ADVICE,
    line: int | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
) -> Problem:
    where = "" if line is None else f" in line {line}"
    return Problem(422, "File cannot be read", f"{problem}{where}; {advice}", errors=errors)
