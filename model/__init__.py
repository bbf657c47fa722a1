"""The inference core: read a session, label its turns, find its ruptures.

Imports neither torch nor transformers; numpy, ONNX Runtime and the tokenizer load when the
classifier is first used.
"""

from typing import TYPE_CHECKING, Any

from alliance.model.codebook import CODEBOOK_VERSION, Label, Marker, Role
from alliance.model.formats import read_session, read_sessions
from alliance.model.labelled import (
    LabelledSession,
    LabelledTurn,
    ModelInfo,
    Probabilities,
    Purpose,
    UnlabelledReason,
)
from alliance.model.session import Session, Turn
from alliance.model.timeline import (
    Kind,
    Outcome,
    RuptureEpisode,
    Timeline,
    TimelineConfig,
    timeline,
)

if TYPE_CHECKING:
    from alliance.model.classifier import RuptureClassifier

__all__ = [
    "CODEBOOK_VERSION",
    "Kind",
    "Label",
    "LabelledSession",
    "LabelledTurn",
    "Marker",
    "ModelInfo",
    "Outcome",
    "Probabilities",
    "Purpose",
    "Role",
    "RuptureClassifier",
    "RuptureEpisode",
    "Session",
    "Timeline",
    "TimelineConfig",
    "Turn",
    "UnlabelledReason",
    "read_session",
    "read_sessions",
    "timeline",
]


def __getattr__(name: str) -> Any:
    # The classifier brings numpy with it; everything else here is plain Python.
    if name == "RuptureClassifier":
        from alliance.model.classifier import RuptureClassifier

        return RuptureClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
