"""The page itself and its static files: the same for everybody, and without a session's words."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request, Response

from alliance.serve.http.access import STATIC
from alliance.serve.http.problems import Problem

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)

_PACKAGES: Final = ("alliance.serve.page", "alliance.serve.report")
_TYPES: Final[Mapping[str, str]] = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
# No inline script or style, nothing from elsewhere; a recording is played from the reader's disk.
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; media-src blob:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


@router.get("/")
def page(request: Request) -> Response:
    from alliance.serve.page.shell import render_shell

    state = request.app.state
    return Response(
        render_shell(body_bytes=state.settings.body_bytes, version=request.app.version),
        media_type="text/html",
        headers={"Content-Security-Policy": _CSP},
    )


@router.get(STATIC + "{name}")
def static(name: str) -> Response:
    content = _static().get(name)
    if content is None:
        raise Problem(404, "Not found", "expected a file of the page, found none; start at /")
    suffix = name[name.rindex(".") :]
    # Another version of the program has other files under the same names.
    return Response(content, headers={"Content-Type": _TYPES[suffix], "Cache-Control": "no-cache"})


@cache
def _static() -> Mapping[str, bytes]:
    return {
        file.name: file.read_bytes()
        for package in _PACKAGES
        for file in (files(package) / "static").iterdir()
        if "." in file.name and file.name[file.name.rindex(".") :] in _TYPES
    }
