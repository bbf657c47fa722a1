"""A session with its identifying pieces replaced, and the list of what was replaced."""

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alliance.model.codebook import Role
from alliance.model.session import Session, Turn
from alliance.serve.deidentify.finding import find
from alliance.serve.deidentify.kinds import Finder, Kind
from alliance.serve.deidentify.names import (
    capitals,
    introduced_names,
    introduced_places,
    is_name,
    variants,
)
from alliance.serve.deidentify.pseudonyms import Pseudonyms

__all__ = ["Deidentified", "Replacement", "deidentify"]


@dataclass(frozen=True, slots=True)
class Replacement:
    """One replaced piece. It tells what was said: it is for review, and stays in the house.

    Attributes:
        session: the session's identifier in the result.
        turn: the turn, from 0.
        kind: what it is.
        rule: which rule found it.
        found: what stood there.
        replaced_by: what stands there now; None if it was left: it is no date of the calendar, or
            for a person to judge.
    """

    session: str
    turn: int
    kind: Kind
    rule: str
    found: str
    replaced_by: str | None


@dataclass(frozen=True, slots=True)
class Deidentified:
    """The result for one session."""

    session: Session
    replacements: tuple[Replacement, ...]


def deidentify(
    session: Session,
    pseudonyms: Pseudonyms,
    *,
    names: Iterable[str] = (),
    more: Sequence[Finder] = (),
    all_capitals: bool = False,
) -> Deidentified:
    """Replace what the rules find: in turns, in other people's names, in the identifiers.

    A name or place that one turn introduces is replaced in all turns of the session. The
    session's day is moved as the dates in it are; the client's identifier becomes a number.

    Args:
        session: as it was read.
        pseudonyms: what stands in for what; new ones are added.
        names: names that are known, of all the sessions.
        more: further finders.
        all_capitals: whether every word with a capital within a sentence is taken for a name.
    """
    known = [*names, *_people(session)]
    places: dict[str, None] = {}
    for turn in session.turns:
        known += introduced_names(turn.text)
        if all_capitals:
            known += capitals(turn.text)
        places |= dict.fromkeys(introduced_places(turn.text))
    parts = variants(known)
    client = session.client_id or session.id
    new_id = _replaced(session.id, parts, pseudonyms)
    turns: list[Turn] = []
    replacements: list[Replacement] = []
    for place, turn in enumerate(session.turns):
        text, end = "", 0
        for finding in find(turn.text, parts, places=places, more=more):
            made = pseudonyms.stand_in(finding, client=client)
            replacements.append(
                Replacement(new_id, place, finding.kind, finding.rule, finding.text, made)
            )
            text += turn.text[end : finding.start] + (finding.text if made is None else made)
            end = finding.end
        speaker = turn.speaker
        if turn.role is Role.OTHER and is_name(speaker):
            speaker = pseudonyms.name(speaker)
        turns.append(
            dataclasses.replace(
                turn,
                speaker=speaker,
                text=text + turn.text[end:],
                utterance_id=_replaced(turn.utterance_id, parts, pseudonyms),
            )
        )
    date = session.date
    if date is not None:
        date += dt.timedelta(days=pseudonyms.days(client))
    made_session = Session(
        new_id,
        tuple(turns),
        client_id=None if session.client_id is None else _client(session.client_id, pseudonyms),
        date=date,
        number=session.number,
    )
    return Deidentified(made_session, tuple(replacements))


def _people(session: Session) -> list[str]:
    """Names of those who speak and are neither therapist nor client."""
    return [
        turn.speaker for turn in session.turns if turn.role is Role.OTHER and is_name(turn.speaker)
    ]


def _client(client_id: str, pseudonyms: Pseudonyms) -> str:
    pseudonyms.days(client_id)
    return f"client-{1 + list(pseudonyms.shifts).index(client_id)}"


def _replaced(identifier: str, names: Iterable[str], pseudonyms: Pseudonyms) -> str:
    """An identifier, often a file's name, without the names in it, however they are written."""
    for name in names:
        pattern = rf"(?<![^\W_]){re.escape(name)}(?![^\W_])"
        if re.search(pattern, identifier, re.IGNORECASE):
            identifier = re.sub(pattern, pseudonyms.name(name), identifier, flags=re.IGNORECASE)
    return identifier
