import re
from collections.abc import Callable

import pytest

from alliance.model.codebook import LABELS, Label, Marker
from alliance.model.labelled import (
    LabelledSession,
    LabelledTurn,
    ModelInfo,
    Probabilities,
    UnlabelledReason,
)
from alliance.model.session import Session, Turn

_TURN = re.compile(
    r"(?P<who>[tc])(?P<letter>[PWCN])(?P<rest>[1-7TBGR]?)(?P<unsure>\??)(@(?P<p>.+))?"
)
_SPEAKERS = {"t": "therapist", "c": "client"}


def labelled_turn(index: int, word: str, *, text: str | None, timed: bool) -> LabelledTurn:
    start, end = (index * 10_000, index * 10_000 + 8_000) if timed else (None, None)
    if word in ("_", "o"):
        speaker, said = ("client", "[pause]") if word == "_" else ("Mother", "Hello.")
        reason = UnlabelledReason.NO_WORDS if word == "_" else UnlabelledReason.ROLE_OTHER
        return LabelledTurn(index, Turn(speaker, said, start, end), unlabelled_reason=reason)
    parts = _TURN.fullmatch(word)
    assert parts is not None, word
    label = next(label for label in LABELS if label.letter == parts["letter"])
    p = float(parts["p"] or 0.7)
    others = (1.0 - p) / 3
    code = parts["letter"] + parts["rest"]
    known = code in set(Marker)
    said = f"Words of turn {index}." if text is None else text
    return LabelledTurn(
        index,
        Turn(_SPEAKERS[parts["who"]], said, start, end),
        label=label,
        probabilities=Probabilities(*(p if name is label else others for name in Label)),
        marker=Marker(code) if known else None,
        p_marker=p / 2 if known else None,
        abstained=bool(parts["unsure"]),
    )


@pytest.fixture(scope="session")
def sketch() -> Callable[..., LabelledSession]:
    """A labelled session from a few letters.

    Each word is a turn: who (t or c), its label's letter or its marker, `?` if the model abstains,
    and the label's probability after `@` (else .7). `_` is a client's turn without words, `o` one
    of another speaker. A turn says `text`, else its own number.
    """

    def make(
        words: str, *, text: str | None = None, timed: bool = False, session_id: str = "s"
    ) -> LabelledSession:
        turns = tuple(
            labelled_turn(index, word, text=text, timed=timed)
            for index, word in enumerate(words.split())
        )
        session = Session(session_id, tuple(turn.turn for turn in turns))
        return LabelledSession(session, turns, ModelInfo("stub-1"))

    return make
