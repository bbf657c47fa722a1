from collections.abc import Callable
from pathlib import Path

import pytest

from alliance.model.classifier import RuptureClassifier
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session

STUB = Path(__file__).parents[2] / "data" / "stub_model"

SAID = ("I don't know.", "You are not listening!", "That helps, thank you.", "[pause]", "Mhm, well")


@pytest.fixture(scope="session")
def classifier() -> RuptureClassifier:
    """The stub model, one thread a window."""
    return RuptureClassifier.load(STUB, threads=1)


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table of sessions, each of a few turns that differ from all others."""

    def write(name: str, sessions: int, *, turns: int = 5, prefix: str = "s") -> Path:
        path = tmp_path / name
        lines = ["session,speaker,text"]
        for session in range(sessions):
            for turn in range(turns):
                speaker = "client" if turn % 2 else "therapist"
                said = SAID[(session + turn) % len(SAID)]
                lines.append(f'{prefix}{session},{speaker},"{said} {session} {turn}"')
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


class Counting:
    """A labeller that notes which sessions it is given, and is interrupted at one of them."""

    def __init__(self, inner: RuptureClassifier, *, interrupted_at: int | None = None) -> None:
        self.inner = inner
        self.name = inner.name
        self.interrupted_at = interrupted_at
        self.seen: list[str] = []

    def label(self, session: Session, *, purpose: Purpose = Purpose.RESEARCH) -> LabelledSession:
        if len(self.seen) == self.interrupted_at:
            raise KeyboardInterrupt
        self.seen.append(session.id)
        return self.inner.label(session, purpose=purpose)


@pytest.fixture
def counting(classifier: RuptureClassifier) -> Callable[..., Counting]:
    """Makes labellers that count."""

    def make(*, interrupted_at: int | None = None) -> Counting:
        return Counting(classifier, interrupted_at=interrupted_at)

    return make
