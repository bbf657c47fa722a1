"""What is said when a request cannot be answered: RFC 9457 ``application/problem+json``.

Nothing of what the client sent comes back: no value, no name of a key or a speaker, no path.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

__all__ = [
    "MEDIA_TYPE",
    "Overloaded",
    "Problem",
    "faults",
    "install",
    "not_ready",
    "problem_response",
    "schema_names",
    "unsupported_media",
    "validation_problem",
]

MEDIA_TYPE: Final = "application/problem+json"

_MOST_FAULTS: Final = 20
# Pydantic quotes the input in these messages.
_QUOTING: Final = frozenset({"union_tag_invalid", "value_error", "assertion_error"})
_OWN_WORDS: Final = {
    "extra_forbidden": "expected the keys that the OpenAPI document names, found another",
    "unexpected_keyword_argument": "expected the keys that the OpenAPI document names",
}
_MALFORMED: Final = frozenset({"json_invalid"})


class Problem(Exception):  # noqa: N818  # the name of RFC 9457
    """A request that cannot be answered; raised anywhere, it becomes the reply.

    Args:
        status: the HTTP status.
        title: the kind of problem in a few words, the same each time.
        detail: one sentence: what was expected, what was found, what to do; never quotes input.
        headers: to be sent with the reply, e.g. ``Retry-After``.
        errors: single faults of the input, as :func:`faults` makes them.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = tuple(errors)

    def to_dict(self) -> dict[str, Any]:
        """The problem's JSON, without the versions that every reply carries."""
        out: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            out["errors"] = [dict(error) for error in self.errors]
        return out


class Overloaded(Problem):
    """More is waiting than the server takes on; it says when to come back.

    Args:
        seconds: after how many seconds a new try makes sense.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(
            503,
            "Overloaded",
            f"expected room in the queue, found it full; try again in {seconds} s",
            {"Retry-After": str(seconds)},
        )


def not_ready() -> Problem:
    """The model still loads."""
    return Problem(
        503,
        "Not ready",
        "expected the model to be warm, found it loading; try again in 2 s",
        {"Retry-After": "2"},
    )


def unsupported_media(*expected: str) -> Problem:
    """A body of another media type than ``expected``."""
    return Problem(
        415,
        "Unsupported media type",
        f"expected a body of the type {' or '.join(expected)}, found another; say what it is in "
        f"the Content-Type header",
        {"Accept": ", ".join(expected)},
    )


def problem_response(problem: Problem, versions: Mapping[str, Any] | None = None) -> Response:
    """The reply to a problem.

    Args:
        problem: the problem.
        versions: model and codebook, which every reply names.
    """
    body = problem.to_dict()
    if versions:
        body["model"] = dict(versions)
    return Response(
        json.dumps(body, ensure_ascii=False),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def faults(errors: Sequence[Mapping[str, Any]], names: Collection[str]) -> list[dict[str, Any]]:
    """The faults that pydantic found, without anything the client chose.

    Args:
        errors: as ``ValidationError.errors()`` gives them.
        names: the names in the schema; others in a place become ``*``.
    """
    out = []
    for error in errors[:_MOST_FAULTS]:
        kind = str(error["type"])
        message = _OWN_WORDS.get(kind)
        if message is None:
            message = "expected another value" if kind in _QUOTING else str(error["msg"])
        place = [
            part if isinstance(part, int) or part in names else "*" for part in error.get("loc", ())
        ]
        out.append({"loc": place, "type": kind, "msg": message})
    return out


def validation_problem(errors: Sequence[Mapping[str, Any]], names: Collection[str]) -> Problem:
    """The problem of a request that is not as the schema says; arguments as in :func:`faults`."""
    if any(error["type"] in _MALFORMED for error in errors):
        return Problem(
            400,
            "Malformed JSON",
            "expected a body in JSON (UTF-8), found what is not; check how it was made",
        )
    count = len(errors)
    found = "1 fault" if count == 1 else f"{count} faults"
    return Problem(
        422,
        "Invalid request",
        f"expected a request as the OpenAPI document describes it, found {found}; see errors",
        errors=faults(errors, names),
    )


def install(app: FastAPI) -> None:
    """Answer every exception of a route with a problem."""

    def reply(problem: Problem) -> Response:
        return problem_response(problem, app.state.versions)

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return reply(error)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        # FastAPI wraps what went wrong while it read the body.
        cause = error.__cause__
        return reply(cause if isinstance(cause, Problem) else _http_problem(error))

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = error.errors()
        wants_json = any(fault["loc"][:1] == ("body",) for fault in found)
        said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if wants_json and said not in ("", "application/json") and "form" not in said:
            return reply(unsupported_media("application/json"))
        return reply(validation_problem(found, schema_names(app)))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)


def schema_names(app: FastAPI) -> Collection[str]:
    """Every name of a property or a parameter in the application's OpenAPI document."""
    names: frozenset[str] | None = getattr(app.state, "schema_names", None)
    if names is None:
        names = frozenset(_names(app.openapi())) | {"body", "query", "path", "header", "cookie"}
        app.state.schema_names = names
    return names


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict):
            yield from properties
        if "in" in node and isinstance(node.get("name"), str):
            yield node["name"]
        for value in node.values():
            yield from _names(value)
    elif isinstance(node, list):
        for value in node:
            yield from _names(value)


_HTTP: Final[Mapping[int, tuple[str, str]]] = {
    404: ("Not found", "expected the address of something, found nothing there; check the path"),
    405: (
        "Method not allowed",
        "expected a method that this address knows, found another; see the Allow header",
    ),
}


def _http_problem(error: HTTPException) -> Problem:
    title, detail = _HTTP.get(
        error.status_code,
        ("Bad request", "expected a request that can be read, found another; check how it is made")
        if error.status_code < 500
        else ("Server error", "expected an answer, found none; try again later"),
    )
    return Problem(error.status_code, title, detail, error.headers)
