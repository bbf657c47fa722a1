"""Which words at the start of a line name a speaker.

``T:``, ``Dr. Lee:``, ``[SPEAKER_00]:``, ``12 C1 (0:45):``, ``[00:01:23] Anna:`` or, on a line of
its own, Otter's ``Anna  0:05`` and Word's ``0:00:05 Speaker 1`` are *candidates*: a few words, then
a colon (or a tab, or a time alone). A candidate counts as a speaker if its name

- has a role, from the caller or because it is well known; or
- looks like a name (at most five words, each with a capital or a number) and stands before two
  turns or more, or before one that opens a paragraph or is in a file where every line has a
  speaker. In a file without capitals a single word that recurs will do.

Words that announce something else (``Note:``, ``Date:``, ``Okay:``) never count unless the caller
gives them a role. What does not count is text of the turn it stands in.
"""

import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from alliance.model.codebook import Role
from alliance.model.formats.roles import RoleMap, clean_name
from alliance.model.formats.times import clock_ms

__all__ = ["Prefix", "Prefixes", "TimeMark", "looks_like_a_name", "time_mark"]

_LOOKED_AT: Final = 200  # characters of a line; a prefix is much shorter
_LONGEST: Final = 40

_ABOUT_THE_FILE: Final = frozenset(
    {
        *("age", "agenda", "attendees", "audio", "client id", "code", "copyright", "date"),
        *("date of session", "duration", "end time", "file", "file name", "filename", "gender"),
        *("id", "interview", "language", "length", "location", "participants", "place"),
        *("present", "recording", "session", "session date", "session id", "session number"),
        *("setting", "source", "start time", "study", "time", "title", "topic"),
        *("transcribed by", "transcriber", "transcript", "transcription", "version"),
    }
)
_NO_SPEAKERS: Final = _ABOUT_THE_FILE | frozenset(
    {
        *("also", "and", "answer", "anyway", "because", "but", "comment", "comments", "e.g", "end"),
        *("example", "for example", "goal", "goals", "honestly", "homework", "http", "https"),
        *("i.e", "key", "legend", "like", "meaning", "n.b", "nb", "no", "note", "notes", "ok"),
        *("okay", "or", "p.s", "page", "part", "pause", "ps", "question", "quote", "re", "right"),
        *("silence", "so", "step", "sum", "summary", "then", "thing", "things", "warning", "well"),
        *("yeah", "yes"),
    }
)

_TIME: Final = r"(?:\d{1,3}:)?\d{1,3}:[0-5]\d(?:[.,]\d{1,3})?"
_SPAN: Final = rf"{_TIME}(?:[ \t]*(?:-->|[-–—])[ \t]*{_TIME})?"
_MINUTE: Final = r"\d{1,3}[ \t]*(?:min\b\.?|['′’])"  # spelt out, minutes are what was said
_MARK: Final = rf"[\[(<{{]?[ \t]*(?:{_SPAN}|{_MINUTE})[ \t]*[\])>}}]?"
_WORD: Final = r"[\w.'’&/#@-]"
# Credentials may follow a name ("Ana Ruiz, PhD, LMFT"); other commas are a sentence's.
_NAME: Final = rf"[^\W\d_]{_WORD}*(?:[ \t]{_WORD}+){{0,4}}(?:, [A-Z][\w.]{{1,7}}){{0,3}}"
_COLON: Final = re.compile(
    r"[ \t]*(?:[-–•][ \t]+)?"
    r"(?:\d{1,6}[.)|]?[ \t]+(?!min))?"  # a line's or a turn's number
    rf"(?:(?P<before>{_MARK})[ \t]*[-–—|]?[ \t]*)?"
    rf"[*_]{{0,2}}[\[<]?(?P<name>{_NAME})(?P<note>[ \t]*\([^()]{{0,40}}\))??"
    rf"(?:[ \t]*(?P<after>[\[(][ \t]*{_SPAN}[ \t]*[\])]))?[\]>]?[*_]{{0,2}}"
    r"(?:[ \t]*(?P<colon>[:：])[*_]{0,2}|(?P<tab>\t))"
)
_ALONE: Final = re.compile(
    rf"[ \t]*(?P<name>{_NAME})(?P<gap>[ \t]+)(?P<after>[\[(]?{_TIME}[\])]?)[ \t]*"
)
_ALONE_AFTER_TIME: Final = re.compile(
    rf"[ \t]*(?P<before>[\[(]?{_TIME}[\])]?)[ \t]+(?P<name>{_NAME})[ \t]*"
)
_MARKED: Final = re.compile(_MARK)
_TIMES: Final = re.compile(_TIME)
# Space, and marks that show nothing (zero-width, writing direction).
_INVISIBLE: Final = string.whitespace + "\u00a0\u3000\u200b\u200e\u200f\u2060\ufeff"
_NUMBER: Final = re.compile(r"[\s_#-]*\d{1,4}$")
_WITHIN_NAMES: Final = frozenset(
    {"&", "and", "da", "de", "del", "den", "der", "di", "du", "el", "la", "le", "of", "the", "van"}
    | {"von", "y"}
)


@dataclass(frozen=True, slots=True)
class Prefix:
    """A speaker at the start of a line: the name, the text after it, and the time beside it."""

    name: str
    text: str
    start_ms: int | None = None
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What could be a prefix.

    Attributes:
        prefix: the speaker and the rest.
        known_only: written so that only a name with a role counts (``T:well``, ``T<tab>well``).
        once: set off clearly enough to count although it stands once, where the layout allows.
    """

    prefix: Prefix
    known_only: bool = False
    once: bool = True


@dataclass(slots=True)
class _Seen:
    """How a name without a role is used in the file."""

    name: str
    times: int = 0
    opens_paragraph: bool = False

    @property
    def is_title(self) -> bool:
        """Whether it begins as what tells about a file does: ``Session Five: …``."""
        return self.name.split()[0].casefold() in _ABOUT_THE_FILE


class Prefixes:
    """Tells the speakers of one file from other words before colons.

    Args:
        lines: all lines of the file without their ends; blank ones part paragraphs.
        roles: whose roles are known.
    """

    def __init__(self, lines: Iterable[str], roles: RoleMap) -> None:
        self._roles = roles
        self._known: dict[str, Role | None] = {}  # what the map said; a file has few names
        self._accepted = self._accept(lines)

    def match(self, line: str) -> Prefix | None:
        """The speaker at the start of a line; None if the line goes on with what came before."""
        candidate = self._candidate(line)
        if candidate is None:
            return None
        name = candidate.prefix.name
        if self._role(name) is None and (
            candidate.known_only or name.casefold() not in self._accepted
        ):
            return None
        return candidate.prefix

    def about_the_file(self, line: str) -> bool:
        """Whether a line tells about the recording (``Date: 3 May``) instead of being said."""
        candidate = self._candidate(line)
        if candidate is None:
            return False
        name = candidate.prefix.name
        return _word(name) in _ABOUT_THE_FILE and self._role(name) is None

    def _role(self, name: str) -> Role | None:
        if name not in self._known:
            self._known[name] = self._roles.role(name)
        return self._known[name]

    def _accept(self, lines: Iterable[str]) -> frozenset[str]:
        seen: dict[str, _Seen] = {}
        begun = capitals = False
        every_line = True
        after_blank = True
        for line in lines:
            if not line.strip():
                after_blank = True
                continue
            candidate = self._candidate(line)
            name = "" if candidate is None else candidate.prefix.name
            if candidate is None:
                every_line = every_line and (not begun or time_mark(line) is not None)
            elif self._role(name) is not None:
                begun = True
                capitals = capitals or not name.islower()
            elif not candidate.known_only and _word(name) not in _NO_SPEAKERS:
                begun = True
                one = seen.setdefault(name.casefold(), _Seen(name))
                one.times += 1
                one.opens_paragraph |= after_blank and candidate.once
            after_blank = False
        accepted = {
            key
            for key, one in seen.items()
            if looks_like_a_name(one.name)
            and (one.times > 1 or ((one.opens_paragraph or every_line) and not one.is_title))
        }
        if accepted or capitals:
            return frozenset(accepted)
        return frozenset(
            key
            for key, one in seen.items()
            if " " not in _word(one.name) and (one.times > 1 or every_line)
        )

    def _candidate(self, line: str) -> _Candidate | None:
        line = line.lstrip(_INVISIBLE)
        head = line[:_LOOKED_AT].replace("\u00a0", " ")  # the no-break space in "Dr. Lee"
        if (match := _ALONE.fullmatch(head)) and len(line) <= _LOOKED_AT:
            set_off = match["gap"] != " " or match["after"][0] in "[("
            prefix = Prefix(clean_name(match["name"]), "", *_span(match["after"]))
            return _Candidate(prefix, once=set_off) if len(prefix.name) <= _LONGEST else None
        if (match := _ALONE_AFTER_TIME.fullmatch(head)) and len(line) <= _LOOKED_AT:
            # "0:05 Mm-hm." is talk with the margin's time; Word's transcripts number the speakers.
            prefix = Prefix(clean_name(match["name"]), "", *_span(match["before"]))
            numbered = _NUMBER.search(prefix.name) is not None
            return _Candidate(prefix, known_only=not numbered, once=False)
        match = _COLON.match(head)
        return None if match is None else self._with_colon(match, line)

    def _with_colon(self, match: re.Match[str], line: str) -> _Candidate | None:
        name, rest = clean_name(match["name"]), line[match.end() :]
        if len(name) > _LONGEST or rest.startswith("//"):  # a web address
            return None
        # "T:Well" may do for T; "see:this" would not. Full-width colons bring their own space.
        tight = match["colon"] == ":" and rest != "" and not rest[0].isspace()
        if note := (match["note"] or "").strip():
            whole = f"{name} {note}"
            if self._roles.given(whole) != self._roles.given(name) or (
                self._role(name) is None and self._roles.role(whole) is not None
            ):
                name = whole  # "Anna (therapist)"
            else:
                rest = f"{note} {rest.lstrip()}"  # "Client (crying): …"
        mark = match["before"] or match["after"]
        start, end = _span(mark) if mark else (None, None)
        prefix = Prefix(name, rest.strip(), start, end)
        return _Candidate(prefix, known_only=tight or match["tab"] is not None)


@dataclass(frozen=True, slots=True)
class TimeMark:
    """A time on a line of its own; ``bare`` if nothing but the digits shows that it is one."""

    start_ms: int | None
    end_ms: int | None
    bare: bool


def time_mark(line: str) -> TimeMark | None:
    """The time on a line that holds nothing else; None for any other line."""
    line = line.strip()
    match = _MARKED.fullmatch(line) if len(line) <= _LONGEST else None
    if match is None:
        return None
    return TimeMark(*_span(line), bare=line[0] not in "[(<{")


def _span(mark: str) -> tuple[int | None, int | None]:
    times = [clock_ms(time) for time in _TIMES.findall(mark)]
    if not times:
        minutes = re.search(r"\d+", mark)
        return (None if minutes is None else int(minutes[0]) * 60_000), None
    start, end = times[0], times[1] if len(times) > 1 else None
    return start, end if start is not None and end is not None and end >= start else None


def _word(name: str) -> str:
    return _NUMBER.sub("", name.casefold()).strip(" .")


def looks_like_a_name(name: str) -> bool:
    """Whether each word has a capital or a number, small words within names aside."""
    first, *rest = name.split()
    return _is_capital(first) and all(
        _is_capital(word) or word.casefold() in _WITHIN_NAMES for word in rest
    )


def _is_capital(word: str) -> bool:
    # Scripts without case have no capitals to ask for.
    return any(c.isupper() or c.isdigit() for c in word) or word.upper() == word.lower()
