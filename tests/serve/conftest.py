import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alliance.serve.main import app

STUB = Path(__file__).parents[1] / "data" / "stub_model"

PLAIN = """\
T: How has the week been?
C: I don't know. Fine.
T: [inaudible]
C: You are not listening to me.
"""


@pytest.fixture(scope="session")
def stub() -> Path:
    """A model folder of a few kilobytes that loads in milliseconds."""
    return STUB


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A transcript of four turns."""
    path = tmp_path / "plain.txt"
    path.write_text(PLAIN, encoding="utf-8")
    return path


@pytest.fixture
def alliance() -> Callable[..., Result]:
    """Runs the program in this process, with the stub model where a model is needed."""

    def run(*args: str | Path, stdin: bytes | None = None) -> Result:
        words = [str(arg) for arg in args]
        if words[:1] in (["label"], ["timeline"]) and "--model" not in words:
            words += ["--model", str(STUB)]
        return CliRunner().invoke(app, words, input=stdin, prog_name="alliance")

    return run


@pytest.fixture
def program() -> list[str]:
    """The words that run the program as a process of its own."""
    return [sys.executable, "-c", "from alliance.serve.main import main; main()"]


@pytest.fixture
def spawn(program: list[str]) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs the program as a process of its own, to the end."""

    def run(*args: str | Path, **keywords: object) -> subprocess.CompletedProcess[bytes]:
        words = [*program, *(str(arg) for arg in args)]
        return subprocess.run(words, capture_output=True, check=False, timeout=120, **keywords)  # type: ignore[call-overload,no-any-return]

    return run
