from pathlib import Path

import pytest

from alliance.model.classifier import RuptureClassifier


@pytest.fixture(scope="session")
def stub() -> Path:
    """A model folder of a few kilobytes whose labels are known (see make_stub_model.py)."""
    return Path(__file__).parents[1] / "data" / "stub_model"


@pytest.fixture(scope="session")
def classifier(stub: Path) -> RuptureClassifier:
    """The stub model, loaded."""
    return RuptureClassifier.load(stub)
