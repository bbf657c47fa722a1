"""The teaching set: twelve authored sessions, each rupture turn with the reason for its code.

The sessions are the project's own (licence CC BY 4.0), a copy of some of its authored corpus, with
titles, summaries and reasons written by hand. A course can start with them and no data of its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from alliance.model.codebook import Marker
from alliance.model.session import Session

__all__ = ["TeachingSession", "teaching_set"]


@dataclass(frozen=True, slots=True)
class TeachingSession:
    """A session to learn from.

    Attributes:
        session: the transcript.
        title: a name that does not tell what happens.
        shows: what it shows, in a sentence or two; tells the outcome.
        setting: where the conversation takes place.
        client: who the client is, in a few words.
        codes: the settled code of each turn.
        reasons: why a turn has its code, by the turn's place; every rupture turn has one.

    Raises:
        ValueError: if these contradict each other or the codebook.
    """

    session: Session
    title: str
    shows: str
    setting: str
    client: str
    codes: tuple[Marker, ...]
    reasons: Mapping[int, str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "reasons", MappingProxyType(dict(self.reasons)))
        if len(self.codes) != len(self.session.turns):
            raise ValueError(f"{len(self.codes)} codes for {len(self.session.turns)} turns")
        for index, (turn, code) in enumerate(zip(self.session.turns, self.codes, strict=True)):
            if not code.may_be_said_by(turn.role):
                raise ValueError(
                    f"turn {index} has {code.value}, which the codebook does not allow for a turn "
                    f"of role {turn.role.value}"
                )
            if code.label.is_rupture and index not in self.reasons:
                raise ValueError(f"rupture turn {index} has no reason")

    @property
    def id(self) -> str:
        """The session's identifier, that of the corpus."""
        return self.session.id

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TeachingSession":
        """A session from one of the set's files."""
        return cls(
            session=Session.from_dict(data),
            title=data["title"],
            shows=data["shows"],
            setting=data["setting"],
            client=data["client"],
            codes=tuple(Marker(turn["code"]) for turn in data["turns"]),
            reasons={int(index): reason for index, reason in data["reasons"].items()},
        )


@cache
def teaching_set() -> tuple[TeachingSession, ...]:
    """The teaching set, in the order of a course: few ruptures first, all kinds at the end."""
    folder = files("alliance.serve.page") / "teaching"
    sessions = [
        TeachingSession.from_dict(json.loads(file.read_text(encoding="utf-8")))
        for file in folder.iterdir()
        if file.name.endswith(".json")
    ]
    return tuple(sorted(sessions, key=_difficulty))


def _difficulty(session: TeachingSession) -> tuple[int, int, str]:
    """How many kinds of rupture and how many rupture turns there are to find."""
    ruptures = [code for code in session.codes if code.label.is_rupture]
    return len(set(ruptures)), len(ruptures), session.id
