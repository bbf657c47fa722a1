"""What the page sends: not part of the API, and told nowhere in its document."""

from typing import Annotated

from pydantic import Field

from alliance.model.codebook import Label, Marker
from alliance.serve.http.messages import MAX_TURNS, Message

__all__ = ["CodedTurnIn", "CodingsIn"]

_MAX_CODINGS = 5
_MAX_NAME = 64


class CodedTurnIn(Message):
    """What somebody says of a turn."""

    # FastAPI hands over parsed JSON, in which strict mode would not take a word for its enum.
    turn: int = Field(ge=0, lt=MAX_TURNS)
    label: Label = Field(strict=False)
    marker: Annotated[Marker, Field(strict=False)] | None = None


class CodingIn(Message):
    """Somebody's coding of a session."""

    who: str = Field(min_length=1, max_length=_MAX_NAME)
    turns: list[CodedTurnIn] = Field(max_length=MAX_TURNS)


class CodingsIn(Message):
    """Codings of one session, to be compared."""

    codings: list[CodingIn] = Field(min_length=2, max_length=_MAX_CODINGS)
