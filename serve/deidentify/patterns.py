"""Dates, numbers and addresses, known by their form."""

import re
from collections.abc import Iterator
from typing import Final

from alliance.serve.deidentify.kinds import Finding, Kind
from alliance.serve.deidentify.words import CAPITALISED, NO_NAMES

__all__ = ["by_form"]

_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR: Final = r"(?:19|20)\d{2}"
_ROADS: Final = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Drive|Close|Crescent|Court|Square|Terrace|Gardens|Grove|"
    r"Boulevard|Blvd|Way|Row|Mews|Park|Place)"
)
_HOUSES: Final = (
    r"(?:Hospital|Infirmary|School|College|University|Church|Academy|Surgery|Prison|Clinic|Centre|"
    r"Center|Institute|Hospice)"
)

_ANY_CASE: Final = (
    (Kind.EMAIL, "e-mail address", r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"),
    (Kind.WEB, "web address", r"\b(?:https?://|www\.)[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]"),
    (
        Kind.WEB,
        "web address",
        r"(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,4}(?:com|org|net|edu|gov|info|uk|de|fr|ch|eu|ie|ca|au|nz)\b"
        r"(?:/[^\s<>\"')\]]*[^\s<>\"')\].,;:!?])?",
    ),
    (Kind.WEB, "name on a platform", r"(?<![\w.@])@[a-z_][\w.]{1,28}\w"),
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
    (Kind.NUMBER, "social security number", r"\b\d{3}-\d{2}-\d{4}\b"),
    (Kind.NUMBER, "card number", r"(?<![\d.,-])(?:\d{4}[ -]){3}\d{1,7}(?![\d/])"),
    (
        Kind.PHONE,
        "telephone number",
        r"(?<![\d.,/-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,5}\)[ .-]?|\d{2,5}[ .-])\d{3,4}"
        r"(?:[ .-]\d{3,4})?(?![\d/])",
    ),
    (
        Kind.PHONE,
        "telephone number",
        r"(?<![\w.,/-])(?:\+|0)\d{1,5}(?:[ ()-]{1,3}\d{2,8}|/\d{5,8}){1,6}(?![\d/])",
    ),
    (Kind.NUMBER, "long number", r"(?<![\d.,])\d{6,}(?![\d.,]*\d)"),
)
_AS_WRITTEN: Final = (
    (Kind.POSTCODE, "British postcode", r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b"),
    (Kind.POSTCODE, "American ZIP code", r"\b[A-Z]{2} \d{5}(?:-\d{4})?\b"),
    (Kind.NUMBER, "account number", r"\b[A-Z]{2}\d{2}(?: ?[A-Z\d]{4}){3,7}(?: ?[A-Z\d]{1,3})?\b"),
    (Kind.ADDRESS, "street", rf"\b(?:\d{{1,4}}[a-z]?,? )?(?:{CAPITALISED} ){{1,3}}{_ROADS}\b"),
    (Kind.ADDRESS, "street", r"\b\d{1,4}[a-z]? [a-z]{3,} (?:street|road|avenue|lane)\b"),
    (Kind.PLACE, "house", rf"\b(?:St\.? )?(?:{CAPITALISED}(?:['’]s)? ){{1,4}}{_HOUSES}\b"),
    (Kind.PLACE, "house", rf"\bUniversity of {CAPITALISED}"),
    (Kind.PLACE, "saint", rf"\b(?:St|Saint)\.? {CAPITALISED}\b(?!(?:['’]s)? Day\b)(?:['’]s)?"),
)
_COMPILED: Final = tuple(
    (kind, rule, re.compile(pattern, flags))
    for patterns, flags in ((_ANY_CASE, re.IGNORECASE), (_AS_WRITTEN, 0))
    for kind, rule, pattern in patterns
)
_MODAL: Final = re.compile(r"may \d+")  # "we may 2 or 3 times"
_YEARS: Final = re.compile(rf"{_YEAR}[ -]{_YEAR}")
_FEWEST_DIGITS: Final = 7  # of a telephone number; fewer are more often something else


def by_form(text: str) -> Iterator[Finding]:
    """Pieces of a text that are known by their form; they may overlap."""
    for kind, rule, pattern in _COMPILED:
        for match in pattern.finditer(text):
            start, piece = match.start(), match[0]
            if kind in (Kind.ADDRESS, Kind.PLACE):
                # "The Court" and "My School" begin a sentence as often as they are called so.
                while piece.partition(" ")[0].casefold() in NO_NAMES:
                    first, _, piece = piece.partition(" ")
                    start += len(first) + 1
                if " " not in piece:
                    continue
            if not _is_chance(kind, piece):
                yield Finding(start, start + len(piece), kind, rule, piece)


def _is_chance(kind: Kind, piece: str) -> bool:
    if kind is Kind.PHONE:
        few = sum(map(str.isdigit, piece)) < _FEWEST_DIGITS
        return few or _YEARS.fullmatch(piece) is not None
    return _MODAL.fullmatch(piece) is not None
