"""Names and places: those that a turn introduces, those that are known, those that may be."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from alliance.serve.deidentify.kinds import Finding, Kind
from alliance.serve.deidentify.words import (
    ALSO_WORDS,
    CAPITALISED,
    FULL_NAME,
    NO_NAMES,
    PARTICLES,
    WHO,
)

__all__ = [
    "capitals",
    "introduced_names",
    "introduced_places",
    "is_name",
    "known_names",
    "known_places",
    "plain",
    "to_judge",
    "variants",
]

_TITLE: Final = (
    r"(?:dr|mr|mister|mrs|ms|miss|mx|prof|professor|doctor|nurse|aunt|auntie|aunty|uncle|sister|brother|"
    r"father|cousin|reverend|rev|pastor|rabbi|imam|judge|sergeant|officer|coach)"
)
_RELATION: Final = (
    r"(?:ex-?|step-?|half-?|grand|god)?(?:wife|husband|partner|spouse|boyfriend|girlfriend|"
    r"fianc[ée]e?|ex|son|daughter|child|baby|boy|girl|twin|brother|sister|mother|mom|mum|father|"
    r"dad|uncle|aunt|auntie|nephew|niece|cousin|ma|pa|granny|gran|nan|friend|mate|flatmate|"
    r"roommate|housemate|boss|manager|supervisor|colleague|co-?worker|teacher|tutor|neighbou?r|"
    r"therapist|counsell?or|psychiatrist|psychologist|doctor|nurse|social worker|lawyer|solicitor|"
    r"dog|cat)(?:-in-law)?s?"
)
_INTRODUCTIONS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?i:{_TITLE})\.? (?P<name>{FULL_NAME})",
        rf"\b(?i:my name is|my name's|calls? me|i am called|i'm called|named|called|this is|i'm|"
        rf"i am)[, ]+(?P<name>{FULL_NAME})",
        rf"\b(?i:(?:my|your|his|her|their|our)(?: [a-z-]+){{0,2}}? {_RELATION})[, ]+"
        rf"(?P<name>{FULL_NAME})(?:,? and (?P<second>{FULL_NAME}))?",
        rf"\b(?i:hello|hi|hey|dear|morning|afternoon|evening|thanks|thank you|goodbye|bye)[, ]+"
        rf"(?P<name>{FULL_NAME})",
        rf", (?P<name>{CAPITALISED})[.?!]+\s*$",  # "How are you, Anna?"
    )
)
_IN_SMALL_LETTERS: Final = re.compile(
    r"\b(?:my name is|my name's|i am called|i'm called) ([^\W\d_]{2,})"
)
_PLACES: Final = re.compile(
    r"\b(?i:(?:liv(?:e|es|ed|ing)|born|raised|grew up|mov(?:e|es|ed|ing)|work(?:s|ed|ing)?|"
    r"stud(?:y|ies|ied|ying)|based)(?: up| down| over| back| out)? "
    r"(?:in|to|near|at|from|around|outside)|(?:flat|house|home|job|back) (?:in|at|near)|"
    r"(?:i'm|am|is|are|come|comes|came|originally) from)"
    rf"(?: the)? ({CAPITALISED}(?: {CAPITALISED}){{0,2}})"
)
_MAY_BE: Final = re.compile(rf"(?<=[^\W\d_A-Z,;] ){FULL_NAME}|(?<=[,;\d] ){FULL_NAME}")
_SAYS: Final = re.compile(
    rf"(?:^|[.?!…] ){CAPITALISED}(?= (?:said|says|told|tells|asked|asks|texted|rang|phoned)\b)"
)
_CAPITAL: Final = "capital letter"
_DAY: Final = re.compile(
    r"\b(?:on|by|since|until|till|from|before|after) the \d{1,2}(?:st|nd|rd|th)\b"
)
# Before these, Will and May are verbs; after those, May is the month.
_AFTER_VERB: Final = re.compile(r" (?:i|you|he|she|it|we|they|this|that|there|the|not)\b", re.I)
_BEFORE_MONTH: Final = re.compile(
    r"\b(?:in|of|last|next|this|since|until|till|by|early|late|mid|through|during|every)[ -]$", re.I
)


def introduced_names(text: str) -> list[str]:
    """Names that a text introduces: after a title, "my name is", "my sister", "Hello"."""
    names = [
        name
        for pattern in _INTRODUCTIONS
        for match in pattern.finditer(text)
        for given in match.groupdict().values()
        if given and (name := _without_other_words(given))
    ]
    if not _has_capitals(text):
        names += [name for name in _IN_SMALL_LETTERS.findall(text) if name not in NO_NAMES]
    return list(dict.fromkeys(names))


def introduced_places(text: str) -> list[str]:
    """Places that a text introduces: after "live in", "work at", "I'm from"."""
    places = map(_without_other_words, _PLACES.findall(text))
    return list(dict.fromkeys(place for place in places if place))


def is_name(speaker: str) -> bool:
    """Whether a speaker goes by a name, not by who they are (Mother) or a sign (P2, SPEAKER_01)."""
    words = [word for word in re.split(r"[\s_]+", speaker) if word]
    return (
        all(word.replace("-", "").replace("'", "").isalpha() for word in words)
        and any(len(word) > 2 for word in words)
        and not any(word.casefold() in WHO for word in words)
    )


def variants(names: Iterable[str]) -> list[str]:
    """The names, each of their words, and both without accents, once each.

    Words that are no names by themselves (small ones within names, initials) are left out.
    """
    found: dict[str, None] = {}
    for name in names:
        words = [word for word in name.split() if _names_alone(word)]
        # What somebody gave as a name is one, whatever it is.
        for one in (name, *(words if " " in name else ())):
            if len(one) > 1:
                found |= dict.fromkeys((one, plain(one)))
    return list(found)


def known_names(
    text: str, names: Iterable[str], *, rule: str = "name that is known"
) -> Iterator[Finding]:
    """Where names stand as whole words; a name in capitals counts too.

    One in small letters counts if the text has no capitals at all (as some speech recognisers
    write) and the name is no word. A possessive ("Anna's") keeps its ending. "Will you" and "in
    May" are no names.
    """
    small, folded = not _has_capitals(text), text.casefold()
    for name in names:
        if name.casefold() not in folded:
            continue  # a clinic's list has thousands
        forms = [re.escape(name), re.escape(name.upper())]
        if small and name.casefold() not in ALSO_WORDS:
            forms.append(re.escape(name.lower()))
        for match in re.finditer(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)", text):
            if not _is_verb_or_month(text, match):
                yield Finding(match.start(), match.end(), Kind.NAME, rule, match[0])


def known_places(text: str, places: Iterable[str]) -> Iterator[Finding]:
    """Where places stand as whole words."""
    for place in places:
        for match in re.finditer(rf"(?<!\w){re.escape(place)}(?!\w)", text):
            rule = "place that is introduced"
            yield Finding(match.start(), match.end(), Kind.PLACE, rule, match[0])


def capitals(text: str) -> list[str]:
    """Words with a capital within a sentence, most of them names of somebody or something."""
    return [one.text for one in to_judge(text) if one.rule == _CAPITAL]


def to_judge(text: str) -> Iterator[Finding]:
    """What may tell who somebody is, for a person to judge: capitals in a sentence, "the 3rd"."""
    for match in _DAY.finditer(text):
        start = text.index(" the ", match.start()) + 1
        yield Finding(start, match.end(), Kind.UNSURE, "day of a month", text[start : match.end()])
    for pattern in (_MAY_BE, _SAYS):
        for match in pattern.finditer(text):
            piece = match[0].lstrip(".?!… ")
            while piece.partition(" ")[0].casefold() in NO_NAMES:
                piece = piece.partition(" ")[2]  # "Mrs Berg", "Mum Anna"
            if not piece:
                continue
            if not _is_verb_or_month(text, match):
                start = match.end() - len(piece)
                yield Finding(start, match.end(), Kind.UNSURE, _CAPITAL, piece)


def _names_alone(word: str) -> bool:
    no_initial = len(word.strip(".")) > 1
    return no_initial and word not in PARTICLES and word.casefold() not in NO_NAMES


def _without_other_words(name: str) -> str:
    """A name up to the first word that is none."""
    kept: list[str] = []
    for word in name.split():
        if word.casefold() in NO_NAMES:
            break
        kept.append(word)
    while kept and kept[-1] in PARTICLES:
        kept.pop()
    return " ".join(kept)


def _is_verb_or_month(text: str, match: re.Match[str]) -> bool:
    word = match[0].casefold()
    if word not in ("will", "may"):
        return False
    if _AFTER_VERB.match(text, match.end()):
        return True
    return word == "may" and _BEFORE_MONTH.search(text[: match.start()]) is not None


def _has_capitals(text: str) -> bool:
    return text != text.lower()


def plain(name: str) -> str:
    """A name without accents."""
    split = unicodedata.normalize("NFKD", name)
    return "".join(sign for sign in split if not unicodedata.combining(sign))
