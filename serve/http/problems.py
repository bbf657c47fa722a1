"""What is said when a request cannot be answered: RFC 9457 ``application/problem+json``.

Nothing of what the client sent comes back: no value, no name of a key or a speaker, no path.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

__all__ = ["MEDIA_TYPE", "Overloaded", "Problem", "problem_response"]

MEDIA_TYPE: Final = "application/problem+json"


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
