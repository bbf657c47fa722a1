import io
from collections.abc import Callable
from typing import Any

import pytest

from alliance.model.formats import read_sessions
from alliance.model.session import Session

Read = Callable[..., list[Session]]


@pytest.fixture(scope="session")
def read() -> Read:
    """Reads a file of that name and content (text is UTF-8) to its end."""

    def run(name: str, content: str | bytes, **options: Any) -> list[Session]:
        data = content.encode("utf-8") if isinstance(content, str) else content
        return list(read_sessions(io.BytesIO(data), name=name, **options))

    return run


@pytest.fixture(scope="session")
def said(read: Read) -> Callable[..., list[tuple[str, str]]]:
    """Speaker and text of each turn of the one session in a file."""

    def run(name: str, content: str | bytes, **options: Any) -> list[tuple[str, str]]:
        (session,) = read(name, content, **options)
        return [(turn.speaker, turn.text) for turn in session.turns]

    return run
