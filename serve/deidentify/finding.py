"""What in a turn tells who is speaking or spoken of, by rules for English."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["Finder", "Finding", "Kind", "find", "introduced_names", "is_name", "known_names"]


class Kind(StrEnum):
    """What was found."""

    NAME = "name"
    EMAIL = "e-mail"
    WEB = "web address"
    PHONE = "telephone"
    NUMBER = "number"
    POSTCODE = "postcode"
    DATE = "date"
    AGE = "age"
    OTHER = "other"


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

_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR: Final = r"(?:19|20)\d{2}"
_CAPITALISED: Final = r"(?:[A-Z]['’])?[A-Z][a-zà-öø-ÿ]+(?:[-'’][A-Z][a-zà-öø-ÿ]+)*"

_PATTERNS: Final = (
    (Kind.EMAIL, "e-mail address", r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    (Kind.WEB, "web address", r"\b(?:https?://|www\.)[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]"),
    (Kind.DATE, "year-month-day", rf"\b{_YEAR}-\d{{1,2}}-\d{{1,2}}\b"),
    (Kind.DATE, "numbers of a date", r"\b\d{1,2}([/.])\d{1,2}\1(?:\d{4}|\d{2})\b"),
    (
        Kind.DATE,
        "day and month",
        rf"\b{_DAY}(?:st|nd|rd|th)?(?: of)? {_MONTH}\b\.?(?:,? {_YEAR}\b)?",
    ),
    (
        Kind.DATE,
        "month and day",
        rf"\b{_MONTH}\.? {_DAY}(?:st|nd|rd|th)?\b(?!:)(?:,? {_YEAR}\b)?",
    ),
    (
        Kind.AGE,
        "age over 89",
        r"\b(?:9\d|1[01]\d)(?=[- ]years?[- ]old\b)"
        r"|(?<=\baged )(?:9\d|1[01]\d)\b|(?<=\bturned )(?:9\d|1[01]\d)\b",
    ),
    (Kind.POSTCODE, "British postcode", r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b"),
    (Kind.NUMBER, "social security number", r"\b\d{3}-\d{2}-\d{4}\b"),
    (
        Kind.PHONE,
        "telephone number",
        r"(?<![\d.,/-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,5}\)[ .-]?|\d{2,5}[ .-])\d{3,4}"
        r"(?:[ .-]\d{3,4})?(?![\d/])",
    ),
    (Kind.NUMBER, "long number", r"(?<![\d.,])\d{6,}(?![\d.,]*\d)"),
)
_COMPILED: Final = tuple(
    (kind, rule, re.compile(pattern, 0 if kind is Kind.POSTCODE else re.IGNORECASE))
    for kind, rule, pattern in _PATTERNS
)
_MODAL: Final = re.compile(r"may \d+")  # "we may 2 or 3 times"
_FEWEST_DIGITS: Final = 7  # of a telephone number; fewer are more often something else

_TITLED: Final = re.compile(
    rf"\b(?:Dr|Mr|Mrs|Ms|Miss|Prof|Professor|Doctor|Nurse|Aunt|Auntie|Uncle|Sister|Father)\.? "
    rf"({_CAPITALISED}(?: {_CAPITALISED})?)"
)
_INTRODUCED: Final = re.compile(
    rf"\b(?i:my name is|my name's|call me|i am called|i'm called|named|called|this is|"
    rf"my (?:wife|husband|partner|boyfriend|girlfriend|fianc[ée]e?|ex|son|daughter|brother|sister|"
    rf"mother|mom|mum|father|dad|friend|boss|manager|colleague|teacher|neighbou?r|cousin|"
    rf"grandmother|grandfather|grandson|granddaughter|therapist|doctor))[, ]+({_CAPITALISED})"
)
# Words that begin with a capital after such an introduction and are no names.
_NO_NAMES: Final = frozenset(
    "I A An And As At But By For From God He Her Him His How If In Is It Its It's Just Like "
    "Me My No Not Of Oh On Or She So That The Their Them Then There They This To Up We Well "
    "What When Where Which Who Why With Yeah Yes You Your English Monday Tuesday Wednesday "
    "Thursday Friday Saturday Sunday January February March April June July August September "
    "October November December Christmas Easter Mum Mom Dad Mummy Daddy Mother Father Grandma "
    "Grandpa Nan Gran".split()
)
# What people in the room are called by who they are.
_WHO: Final = frozenset(
    "mother father mum mom dad parent parents wife husband partner son daughter brother "
    "sister child grandmother grandfather observer nurse doctor interpreter translator "
    "supervisor trainee student teacher narrator group member other speaker person unknown "
    "interviewer coder staff".split()
)


def find(text: str, names: Iterable[str] = (), *, more: Sequence[Finder] = ()) -> list[Finding]:
    """What a text holds, in order, none overlapping another; the longer of two that would.

    Args:
        text: of a turn.
        names: names that are known, as they are written.
        more: further finders.
    """
    found: list[Finding] = []
    for kind, rule, pattern in _COMPILED:
        for match in pattern.finditer(text):
            if kind is Kind.PHONE and sum(map(str.isdigit, match[0])) < _FEWEST_DIGITS:
                continue
            if _MODAL.fullmatch(match[0]):
                continue
            found.append(Finding(match.start(), match.end(), kind, rule, match[0]))
    found += known_names(text, names)
    for name in introduced_names(text):
        found += known_names(text, [name], rule="name that is introduced")
    for finder in more:
        found += finder(text)
    kept: list[Finding] = []
    for one in sorted(found, key=lambda f: (f.start - f.end, f.start, f.kind)):
        if all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
    return sorted(kept)


def introduced_names(text: str) -> list[str]:
    """Names that a text introduces: after a title, "my name is", "my sister" and their like."""
    names = [match[1] for match in _TITLED.finditer(text)]
    names += [match[1] for match in _INTRODUCED.finditer(text)]
    return list(dict.fromkeys(name for name in names if name not in _NO_NAMES))


def is_name(speaker: str) -> bool:
    """Whether a speaker goes by a name, not by who they are (Mother) or a sign (P2, SPEAKER_01)."""
    words = [word for word in re.split(r"[\s_]+", speaker) if word]
    return (
        all(word.replace("-", "").replace("'", "").isalpha() for word in words)
        and any(len(word) > 2 for word in words)
        and not any(word.casefold() in _WHO for word in words)
    )


def known_names(
    text: str, names: Iterable[str], *, rule: str = "name that is known"
) -> Iterable[Finding]:
    """Where names stand as whole words; a name in capitals counts too, one in small letters not.

    A possessive ("Anna's") keeps its ending.
    """
    for name in names:
        pattern = rf"(?<!\w)(?:{re.escape(name)}|{re.escape(name.upper())})(?!\w)"
        for match in re.finditer(pattern, text):
            yield Finding(match.start(), match.end(), Kind.NAME, rule, match[0])
