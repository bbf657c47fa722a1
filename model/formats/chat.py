"""CHAT transcripts (.cha) of TalkBank: one session, a turn for each main line.

A main line is ``*CLI:`` and what was said, made readable (see ``chat_text``); lines that begin with
a tab go on with the one above. Speakers are the codes of the main lines; their roles come from the
header ``@Participants`` (``CLI Anna Client, THE Therapist``). Times are those of the bullets
(U+0015) that link to the recording, in milliseconds. Dependent tiers (``%mor``, ``%com``, …) and
other headers are passed over, ``@Date`` excepted.
"""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Final

from alliance.model.formats.chat_text import readable
from alliance.model.formats.source import RawSession, RawTurn, Source
from alliance.model.formats.tiers import LONGEST_TEXT

_MAIN: Final = re.compile(r"\*([^\s:*]{1,20}):[ \t]*")
_HEADER: Final = re.compile(r"@([A-Za-z][^:\t]{0,40}):?[ \t]*")
# "0_1500", and in older files "%snd:"tape"_0_1500"; editors show the bullet's mark as a dot.
_BULLET: Final = re.compile(r"[\u0015•]([^\u0015•]{0,300})[\u0015•]")
_TIMES: Final = re.compile(r"(\d{1,12})_(\d{1,12})-?\s*$", re.ASCII)
_DATE: Final = re.compile(r"(\d{1,2})-([A-Z]{3})-(\d{4})")
_MONTHS: Final = (
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
_ROLE_FIELD: Final = 7  # of @ID: language|corpus|code|age|sex|group|SES|role|education|custom|
_CODE_FIELD: Final = 2


def read_cha(source: Source) -> Iterator[RawSession]:
    """The session of a CHAT file."""
    roles: dict[str, str] = {}
    turns: list[RawTurn] = []
    date: str | None = None
    for number, line in _logical_lines(source):
        if line.startswith("*"):
            turns.append(_turn(line, number, source))
        elif line.startswith("@") and (header := _HEADER.match(line)):
            name, value = header[1].casefold(), line[header.end() :]
            if name == "participants":
                roles.update(_participants(value))
            elif name == "id":
                code, role = _id(value)
                roles.setdefault(code, role)
            elif name == "date":
                date = _date(value)
    if not turns:
        raise source.error(
            "expected main lines such as '*CLI:' and a tab before what was said, found none; check "
            "that the file is whole"
        )
    for turn in turns:
        role = roles.get(turn.speaker, "")
        # "Participant" says nothing; then the code itself may.
        turn.role = role if source.roles.role(role) is not None else ""
    yield RawSession(source.stem, turns, turns[0].line, date=date)


def _logical_lines(source: Source) -> Iterator[tuple[int, str]]:
    """Lines with those that go on with them, and where each begins."""
    begun: list[str] = []
    started = length = 0
    for number, ended in enumerate(source.lines(), 1):
        line = ended.rstrip("\r\n")
        if not line.strip():
            continue
        length += len(line)
        if line[0] in "*@%":
            if begun:
                yield started, " ".join(begun)
            begun, started, length = [line], number, len(line)
        elif begun and line[0] in "\t ":
            begun.append(line.strip())
        else:
            raise source.error(
                "expected a CHAT line, which begins with @, *, % or a tab, found another; begin it "
                "with a tab if it goes on with the line above",
                line=number,
            )
        if length > LONGEST_TEXT:
            raise source.error(
                f"expected an utterance of at most {LONGEST_TEXT} characters, found a longer one; "
                f"check that the file is whole",
                line=started,
            )
    if begun:
        yield started, " ".join(begun)


def _turn(line: str, number: int, source: Source) -> RawTurn:
    main = _MAIN.match(line)
    if main is None:
        raise source.error(
            "expected a speaker's code and a colon after the asterisk ('*CLI:'), found something "
            "else; correct it",
            line=number,
        )
    said = line[main.end() :]
    times = [
        (int(found[1]), int(found[2]))
        for bullet in _BULLET.finditer(said)
        if (found := _TIMES.search(bullet[1]))
    ]
    start = min((start for start, _ in times), default=None)
    end = max((end for _, end in times), default=None)
    if start is not None and end is not None and end < start:
        raise source.error(
            "expected an utterance to end after its start, found an earlier end; correct its "
            "time bullet",
            line=number,
        )
    return RawTurn(main[1], readable(_BULLET.sub(" ", said)), number, start, end)


def _participants(value: str) -> Iterator[tuple[str, str]]:
    """Code and role of each: ``CLI Anna Client``, or ``CLI Client`` where no name is given."""
    for each in value.split(","):
        words = each.split()
        if len(words) > 1:
            yield words[0], words[-1].replace("_", " ")


def _id(value: str) -> tuple[str, str]:
    fields = value.split("|")
    if len(fields) <= _ROLE_FIELD:
        return "", ""
    return fields[_CODE_FIELD].strip(), fields[_ROLE_FIELD].strip().replace("_", " ")


def _date(value: str) -> str | None:
    """``03-MAY-2024`` as ISO 8601; None for what is no date."""
    match = _DATE.fullmatch(value.strip().upper())
    if match is None or match[2] not in _MONTHS:
        return None
    try:
        return dt.date(int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1])).isoformat()
    except ValueError:
        return None
