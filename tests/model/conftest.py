from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alliance.model.backend import Logits
from alliance.model.classifier import RuptureClassifier
from alliance.model.session import Session, Turn
from alliance.model.tokens import TokenIds


@pytest.fixture(scope="session")
def stub() -> Path:
    """A model folder of a few kilobytes whose labels are known (see make_stub_model.py)."""
    return Path(__file__).parents[1] / "data" / "stub_model"


@pytest.fixture(scope="session")
def classifier(stub: Path) -> RuptureClassifier:
    """The stub model, loaded."""
    return RuptureClassifier.load(stub)


@pytest.fixture
def contextual(classifier: RuptureClassifier) -> RuptureClassifier:
    """The stub, but a token hears what is said elsewhere in its window as well."""
    inner = classifier.backend

    def backend(ids: TokenIds) -> Logits:
        votes = inner(ids)
        return np.asarray(votes + 2 * votes.mean(axis=0, keepdims=True), dtype=np.float32)

    return classifier.with_backend(backend)


@pytest.fixture(scope="session")
def talk() -> Callable[..., Session]:
    """Makes a session of lines: ``t: ...`` therapist, ``c: ...`` client, ``m: ...`` mother."""

    def made(*lines: str) -> Session:
        speakers = {"t": "therapist", "c": "client", "m": "Mother"}
        return Session("s", tuple(Turn(speakers[line[0]], line[2:].strip()) for line in lines))

    return made
