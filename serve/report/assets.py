"""The static files: one by one for a server, or as one script for a file that stands alone.

The JavaScript is plain modules that a browser loads as they are. For one file they are joined by
a small rule instead of a build step: every import stands on one line of its own and names what it
takes, every export is an ``export`` in front of a declaration, and no two modules declare the same
name at their top (a test holds all three).
"""

import re
from functools import lru_cache
from importlib.resources import files
from typing import Final

__all__ = ["asset", "asset_names", "bundled"]

_STATIC: Final = files("alliance.serve.report") / "static"
_IMPORT: Final = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?function |const |class )", re.MULTILINE)


def asset_names() -> list[str]:
    """The names of all static files."""
    return sorted(file.name for file in _STATIC.iterdir() if file.name.endswith((".js", ".css")))


@lru_cache
def asset(name: str) -> str:
    """One static file's text.

    Raises:
        KeyError: if there is none of that name.
    """
    if name not in asset_names():
        raise KeyError(name)
    return (_STATIC / name).read_text(encoding="utf-8")


@lru_cache
def bundled(name: str) -> str:
    """A module and all that it imports as one script, each module once, before it is needed.

    Raises:
        KeyError: if there is no module of that name.
    """
    parts: dict[str, str] = {}
    _collect(name, parts, ())
    return "\n".join(parts.values())


def _collect(name: str, parts: dict[str, str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"modules import each other in a circle: {' > '.join((*above, name))}")
    if name in parts:
        return
    source = asset(name)
    for needed in _IMPORT.findall(source):
        _collect(needed, parts, (*above, name))
    parts[name] = _EXPORT.sub("", _IMPORT.sub("", source)).strip() + "\n"
