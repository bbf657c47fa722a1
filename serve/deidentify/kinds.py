"""What can be found in a turn that tells who is speaking or spoken of."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finder", "Finding", "Kind"]


class Kind(StrEnum):
    """What was found.

    UNSURE is what may tell and is left as it is, for a person to judge.
    """

    NAME = "name"
    PLACE = "place"
    ADDRESS = "address"
    EMAIL = "e-mail"
    WEB = "web address"
    PHONE = "telephone"
    NUMBER = "number"
    POSTCODE = "postcode"
    DATE = "date"
    AGE = "age"
    OTHER = "other"
    UNSURE = "to judge"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A piece of a turn's text.

    Attributes:
        start: first character, from 0.
        end: after the last.
        kind: what it is.
        rule: which rule found it.
        text: the piece.
    """

    start: int
    end: int
    kind: Kind
    rule: str
    text: str


Finder = Callable[[str], Iterable[Finding]]
"""Finds pieces of a text; they may overlap."""
