import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
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


@pytest.fixture(scope="session")
def ooxml() -> ModuleType:
    """The module ooxml.py, which makes Word and Excel files from their XML."""
    spec = importlib.util.spec_from_file_location("ooxml", Path(__file__).with_name("ooxml.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
