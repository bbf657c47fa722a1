"""A transcript before anybody's role is settled: its sessions, and the speakers found in them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from alliance.model.codebook import Role
from alliance.model.formats import RoleMap, read_sessions
from alliance.model.formats.roles import clean_name
from alliance.model.session import Session

__all__ = ["FoundSpeaker", "Preview", "previews"]

_SAMPLES: Final = 2
_SAMPLE: Final = 160  # characters of a sample


@dataclass(frozen=True, slots=True)
class FoundSpeaker:
    """A speaker as the transcript names them.

    Attributes:
        name: the name in the file.
        role: what the name or the file says of the role; None where neither does.
        turns: how many turns are theirs.
        samples: how their first turns begin, to know them by.
    """

    name: str
    role: Role | None
    turns: int
    samples: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "name": self.name,
            "role": None if self.role is None else self.role.value,
            "turns": self.turns,
            "samples": list(self.samples),
        }


@dataclass(frozen=True, slots=True)
class Preview:
    """A session whose turns still carry the names of the file.

    Attributes:
        session: the session; the speaker of every turn is the name in the file.
        speakers: who speaks, in order of appearance.
    """

    session: Session
    speakers: tuple[FoundSpeaker, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; the turns are of the form that ``POST /v1/timelines`` takes."""
        return {
            "id": self.session.id,
            "turns": [turn.to_dict() for turn in self.session.turns],
            "speakers": [speaker.to_dict() for speaker in self.speakers],
        }


_WELL_KNOWN: Final = RoleMap()


class _Names(RoleMap):
    """Leaves everybody their name, and remembers whose role would have been known."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Role] = {}
        self._name = ""

    def given(self, name: str) -> None:
        # The reader asks this first of every speaker, by the name.
        self._name = clean_name(name)

    def role(self, name: str) -> Role | None:
        known = _WELL_KNOWN.role(name)
        if known is not None:
            self.found.setdefault(self._name, known)
            return Role.OTHER
        # What a file says of the role may say nothing; then the reader asks for the name itself.
        return Role.OTHER if clean_name(name) == self._name else None

    def speaker(self, name: str, role: Role) -> str:
        return clean_name(name)


def previews(
    content: BinaryIO,
    *,
    name: str,
    format: str | None = None,  # noqa: A002  # as in read_sessions
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> Iterator[Preview]:
    """The sessions of a transcript, one after another; arguments as in :func:`read_sessions`.

    Raises:
        ConfigError: if an argument is out of its range.
        TranscriptError: if the file cannot be read.
    """
    names = _Names()
    for session in read_sessions(
        content, name=name, format=format, roles=names, columns=columns, encoding=encoding
    ):
        counts = Counter(turn.speaker for turn in session.turns)
        yield Preview(
            session,
            tuple(
                FoundSpeaker(speaker, names.found.get(speaker), count, _samples(session, speaker))
                for speaker, count in counts.items()
            ),
        )


def _samples(session: Session, speaker: str) -> tuple[str, ...]:
    said = [turn.text.strip() for turn in session.turns if turn.speaker == speaker]
    longest = [text for text in said if len(text.split()) > 2] or said
    return tuple(
        text if len(text) <= _SAMPLE else text[:_SAMPLE].rstrip() + "…"
        for text in longest[:_SAMPLES]
    )
