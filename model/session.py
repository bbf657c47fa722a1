"""Turns and sessions: what goes in. Frozen, validated, the only home of these facts."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alliance.model.codebook import Role


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of speech, as the transcript divides turns.

    Attributes:
        speaker: ``therapist``, ``client``, or the name of another person in the room.
        text: what was said, verbatim; may be empty or a note such as ``[inaudible]``.
        start_ms: when the turn starts, in milliseconds from the start of the recording.
        end_ms: when it ends, in milliseconds; not before ``start_ms``.
        utterance_id: the source's own identifier of the turn, or the empty string.

    Raises:
        ValueError: if the speaker is empty or the times are negative or run backwards.
    """

    speaker: str
    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    utterance_id: str = ""

    def __post_init__(self) -> None:
        if not self.speaker.strip():
            raise ValueError("a turn needs a speaker: 'therapist', 'client' or another name")
        for name, value in (("start_ms", self.start_ms), ("end_ms", self.end_ms)):
            if value is not None and value < 0:
                raise ValueError(f"{name} is counted from the recording's start, got {value}")
        if self.start_ms is not None and self.end_ms is not None and self.end_ms < self.start_ms:
            raise ValueError(
                f"a turn cannot end ({self.end_ms}) before it starts ({self.start_ms})"
            )

    @property
    def role(self) -> Role:
        """The speaker's role: everyone but ``therapist`` and ``client`` is ``other``."""
        return _ROLE_OF_SPEAKER.get(self.speaker, Role.OTHER)

    def to_dict(self) -> dict[str, Any]:
        """The turn as JSON-ready values; absent times and identifiers are left out."""
        out: dict[str, Any] = {"speaker": self.speaker, "text": self.text}
        if self.start_ms is not None:
            out["start_ms"] = self.start_ms
        if self.end_ms is not None:
            out["end_ms"] = self.end_ms
        if self.utterance_id:
            out["utterance_id"] = self.utterance_id
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Turn":
        """The inverse of :meth:`to_dict`; other keys are ignored."""
        return cls(
            speaker=data["speaker"],
            text=data.get("text", ""),
            start_ms=data.get("start_ms"),
            end_ms=data.get("end_ms"),
            utterance_id=data.get("utterance_id", ""),
        )


_ROLE_OF_SPEAKER = {Role.THERAPIST.value: Role.THERAPIST, Role.CLIENT.value: Role.CLIENT}


@dataclass(frozen=True, slots=True)
class Session:
    """One session: its turns in the order of the transcript (turn 0 first).

    Attributes:
        id: the session's identifier, unique within a corpus.
        turns: the turns, in file order.
        client_id: which client, to follow one person across sessions.
        date: the day of the session.
        number: which session of the treatment it is, counted from 1.

    Raises:
        ValueError: if the identifier is empty or the session number is not positive.
    """

    id: str
    turns: tuple[Turn, ...]
    client_id: str | None = None
    date: dt.date | None = None
    number: int | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("a session needs an id")
        if not isinstance(self.turns, tuple):
            object.__setattr__(self, "turns", tuple(self.turns))
        if self.number is not None and self.number < 1:
            raise ValueError(f"session numbers count from 1, got {self.number}")

    def to_dict(self) -> dict[str, Any]:
        """The session as JSON-ready values; absent facts are left out."""
        out: dict[str, Any] = {"id": self.id, "turns": [turn.to_dict() for turn in self.turns]}
        if self.client_id is not None:
            out["client_id"] = self.client_id
        if self.date is not None:
            out["date"] = self.date.isoformat()
        if self.number is not None:
            out["number"] = self.number
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Session":
        """The inverse of :meth:`to_dict`; other keys are ignored."""
        date = data.get("date")
        return cls(
            id=data["id"],
            turns=tuple(Turn.from_dict(turn) for turn in data["turns"]),
            client_id=data.get("client_id"),
            date=None if date is None else dt.date.fromisoformat(date),
            number=data.get("number"),
        )
