import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from alliance.model.codebook import Label, Marker
from alliance.model.labelled import (
    LabelledSession,
    LabelledTurn,
    ModelInfo,
    Probabilities,
    UnlabelledReason,
)
from alliance.model.session import Session, Turn
from alliance.serve.formats import open_writer
from alliance.serve.formats.writer import WriterOptions

# What breaks careless writers: quotes, line ends, markup, a right-to-left text, an emoji of two
# UTF-16 units, one of several code points, and what a spreadsheet takes for a formula.
TEXTS = (
    "=1+1",
    'She said "no",\nthen <left> & came back; \U0001f600!',
    "שלום, איך עבר השבוע?",
    "@\U0001f469\u200d\U0001f469\u200d\U0001f467 -5%",
    "[pause]",
    "Hello.",
)


@pytest.fixture(scope="session")
def session() -> LabelledSession:
    """Six turns: four labelled (one abstained), one without words, one of another speaker."""
    who = ("therapist", "client", "therapist", "client", "client", "Mother")
    turns = tuple(
        Turn(speaker, text, n * 2000, n * 2000 + 1500, f"a{n + 1}")
        for n, (speaker, text) in enumerate(zip(who, TEXTS, strict=True))
    )
    labels = (Label.NEUTRAL, Label.WITHDRAWAL, Label.ALLIANCE_POSITIVE, Label.CONFRONTATION)
    markers = (Marker.N, Marker.W2, Marker.PR, Marker.C1)
    labelled = [
        LabelledTurn(
            n,
            turns[n],
            label=label,
            probabilities=Probabilities(*(0.7 if label is each else 0.1 for each in Label)),
            marker=marker,
            p_marker=0.5,
            abstained=label is Label.ALLIANCE_POSITIVE,
        )
        for n, (label, marker) in enumerate(zip(labels, markers, strict=True))
    ]
    reasons = (UnlabelledReason.NO_WORDS, UnlabelledReason.ROLE_OTHER)
    labelled += [
        LabelledTurn(n, turns[n], unlabelled_reason=reason) for n, reason in enumerate(reasons, 4)
    ]
    return LabelledSession(Session("s-1", turns), tuple(labelled), ModelInfo("stub-1"))


@pytest.fixture(scope="session")
def written() -> Callable[..., bytes]:
    """What a writer makes of sessions, or of rows."""

    def write(
        name: str,
        *sessions: LabelledSession,
        rows: Iterable[Mapping[str, Any]] = (),
        **options: Any,
    ) -> bytes:
        stream = io.BytesIO()
        with open_writer(stream, name, options=WriterOptions(**options)) as writer:
            for session in sessions:
                writer.session(session)
            writer.rows(rows)
        return stream.getvalue()

    return write
