"""What the page sends: not part of the API, and told nowhere in its document."""

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from alliance.model.codebook import Label, Marker
from alliance.model.labelled import Purpose
from alliance.serve.http.messages import MAX_TURNS, Message, PurposeIn, RoleMapIn, SessionIn

__all__ = ["CodedTurnIn", "CodingIn", "CodingsIn", "WhyIn"]

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

    @model_validator(mode="after")
    def _each_once(self) -> "CodingsIn":
        if len({one.who for one in self.codings}) != len(self.codings):
            raise ValueError("expected each coding to have a name of its own")
        return self


class WhyIn(Message):
    """A turn whose label is to be explained, of a session that is sent or stored."""

    # As above: parsed JSON holds words, which stand for enums here.
    model_config = ConfigDict(strict=False)

    turn: int = Field(ge=0, lt=MAX_TURNS)
    session: SessionIn | None = None
    roles: RoleMapIn = Field(default_factory=dict)
    purpose: PurposeIn = Purpose.RESEARCH
    stored: str | None = Field(None, max_length=64)

    @model_validator(mode="after")
    def _one_of_them(self) -> "WhyIn":
        if (self.session is None) == (self.stored is None):
            raise ValueError("expected either a session or the id of a stored one")
        return self
