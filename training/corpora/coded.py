"""A coded session: a transcript with the codes that coders gave its turns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from alliance.model.codebook import Label, Marker
from alliance.model.session import Session

Codes = tuple[Marker | Label | None, ...]
"""One code per turn, in the order of the turns; None where a turn was not coded.

A code is a marker, or a label alone where a coding says no more.
"""


@dataclass(frozen=True, slots=True)
class CodedSession:
    """A session, the settled code of every turn, and the two codings behind it.

    A turn without words (:func:`alliance.model.text.has_words`) keeps the code it was given; a
    model never labels it, and evaluation counts how many coded turns that leaves out.

    Attributes:
        session: the transcript.
        codes: the settled code of each turn, or None for a turn without one.
        coder_a: what the first coder said of each turn; all None when not known. Authored
            sessions: the author's own intention.
        coder_b: what the second, independent coder said.
        fold: the cross-validation fold the session belongs to, or None.
        facts: what else is known of the session as a whole, e.g. ``setting`` or ``style``.

    Raises:
        ValueError: if a coding has not one entry per turn, or a code is one that the codebook
            does not allow for the turn's speaker.
    """

    session: Session
    codes: Codes
    coder_a: Codes
    coder_b: Codes
    fold: int | None = None
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
        for name in ("codes", "coder_a", "coder_b"):
            codes = tuple(getattr(self, name))
            object.__setattr__(self, name, codes)
            if len(codes) != len(self.session.turns):
                raise ValueError(f"{name} has {len(codes)} codes for {len(self)} turns")
            for index, (turn, code) in enumerate(zip(self.session.turns, codes, strict=True)):
                if code is not None and not code.may_be_said_by(turn.role):
                    raise ValueError(
                        f"{name} of turn {index} is {code.value}, which the codebook does not "
                        f"allow for a turn of role {turn.role.value}"
                    )

    def __len__(self) -> int:
        return len(self.session.turns)

    def __reduce__(self) -> tuple[type["CodedSession"], tuple[object, ...]]:
        # A mapping proxy does not pickle; worker processes need whole sessions.
        return (
            CodedSession,
            (self.session, self.codes, self.coder_a, self.coder_b, self.fold, dict(self.facts)),
        )

    @property
    def id(self) -> str:
        """The session's identifier."""
        return self.session.id

    @property
    def labels(self) -> tuple[Label | None, ...]:
        """The label that each settled code belongs to."""
        return tuple(None if code is None else code.label for code in self.codes)
