"""The client's stored sessions: kept by the service, annotated by people, erased for good.

Users import from :mod:`alliance.serve.client`; the service needs ``--store``.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from alliance.model.codebook import Label, Marker, Role
from alliance.model.labelled import LabelledTurn, ModelInfo, Purpose
from alliance.model.timeline import Timeline
from alliance.serve.output import open_output
from alliance.serve.service_calls import Calls, Turns, options_body, session_body

__all__ = [
    "Annotation",
    "AuditEntry",
    "StoredSession",
    "StoredSessions",
    "StoredTranscript",
    "moment",
]

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class StoredSession:
    """What is told of a stored session without its words.

    Attributes:
        id: the id that the server made.
        created_at: when it was stored, in UTC.
        expires_at: when it will be erased; None for never.
        turn_count: how many turns it has.
        annotated_turns: how many of them somebody has annotated.
    """

    id: str
    created_at: dt.datetime
    expires_at: dt.datetime | None
    turn_count: int
    annotated_turns: int

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "StoredSession":
        """From the service's JSON."""
        return cls(
            data["id"],
            dt.datetime.fromisoformat(data["created_at"]),
            moment(data["expires_at"]),
            data["turn_count"],
            data["annotated_turns"],
        )


@dataclass(frozen=True, slots=True)
class Annotation:
    """A person's judgement of a turn.

    Attributes:
        turn: the turn's place in the session, counted from 0.
        who: whose judgement it is.
        label: the label.
        marker: the fine code, if they gave one.
        note: a remark.
        created_at: when they first annotated the turn, in UTC.
        changed_at: when they said this.
    """

    turn: int
    who: str
    label: Label
    marker: Marker | None
    note: str
    created_at: dt.datetime
    changed_at: dt.datetime

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Annotation":
        """From the service's JSON."""
        return cls(
            data["turn"],
            data["who"],
            Label(data["label"]),
            None if data["marker"] is None else Marker(data["marker"]),
            data["note"],
            dt.datetime.fromisoformat(data["created_at"]),
            dt.datetime.fromisoformat(data["changed_at"]),
        )


@dataclass(frozen=True, slots=True)
class StoredTranscript:
    """A stored session with the model's labels, and what people say beside them.

    Attributes:
        stored: what is told of it without its words.
        session_id: the id that its sender gave it.
        turns: the labelled turns; their texts are empty unless asked for.
        annotations: what people say, by turn, the first coder's first.
        model: what made the labels.
    """

    stored: StoredSession
    session_id: str
    turns: tuple[LabelledTurn, ...]
    annotations: tuple[Annotation, ...]
    model: ModelInfo


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what with a session.

    Attributes:
        at: when, in UTC.
        actor: the id of the key.
        action: what was done, e.g. ``annotation.changed``.
        turn: to which turn, if to one.
        value: what changed; None if nothing did, or the session has been erased since.
    """

    at: dt.datetime
    actor: str
    action: str
    turn: int | None
    value: Mapping[str, Any] | None


class StoredSessions:
    """The stored sessions of the key's group. Every method raises what :meth:`add` raises.

    Args:
        calls: to the service.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def add(
        self,
        session: Turns,
        *,
        roles: Mapping[str, Role | str] | None = None,
        purpose: Purpose | str = Purpose.RESEARCH,
        idempotency_key: str | None = None,
    ) -> StoredSession:
        """Label a session and keep it, encrypted.

        Args:
            session: the session or its turns.
            roles: speaker's name to role, where the name is not well known.
            purpose: what the labels are for.
            idempotency_key: a word of your own that is new for each session: sent again with the
                same session, after a lost connection say, it stores nothing twice. Else one is
                made for this call.

        Raises:
            ServiceError: if the service cannot do it; 404 for an id that is not one of the group.
            httpx.HTTPError: if the service cannot be reached.
        """
        body = {"session": session_body(session), **options_body(roles, purpose, False)}
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        made = self._calls.json("POST", "/v1/sessions", lambda: {"json": body, "headers": headers})
        return StoredSession.from_dict(made)

    def list(self) -> Iterator[StoredSession]:
        """All sessions of the group, the oldest first; asked for page by page."""
        after: str | None = ""
        while after is not None:
            page = self._calls.json("GET", f"/v1/sessions?limit={_PAGE}&after={after}")
            yield from map(StoredSession.from_dict, page["sessions"])
            after = page["next"]

    def get(self, session_id: str, *, include_text: bool = False) -> StoredTranscript:
        """A session with the model's labels as they were when it was stored, and annotations.

        Args:
            session_id: the id that the server made.
            include_text: whether the answer holds what was said.
        """
        data = self._calls.json("GET", _path(session_id) + _text(include_text))
        return StoredTranscript(
            StoredSession.from_dict(data),
            data["session_id"],
            tuple(map(LabelledTurn.from_dict, data["turns"])),
            tuple(map(Annotation.from_dict, data["annotations"])),
            ModelInfo.from_dict(data["labelled_by"]),
        )

    def timeline(self, session_id: str, *, include_text: bool = False) -> Timeline:
        """The timeline of a stored session; arguments as in :meth:`get`."""
        path = f"{_path(session_id)}/timeline"
        return Timeline.from_dict(self._calls.json("GET", path + _text(include_text)))

    def annotate(
        self,
        session_id: str,
        turn: int,
        label: Label | str,
        *,
        marker: Marker | str | None = None,
        note: str = "",
        who: str | None = None,
    ) -> Annotation:
        """Say what a turn is; the model's label stays as it is.

        Args:
            session_id: the id that the server made.
            turn: the turn's place, counted from 0.
            label: what it is.
            marker: the fine code, one of the label's.
            note: a remark; encrypted like the turns.
            who: whose judgement it is; else the key's id. Each person has one for a turn.
        """
        body = {
            "label": str(label),
            "marker": None if marker is None else str(marker),
            "note": note,
            "who": who,
        }
        path = f"{_path(session_id)}/turns/{turn}/annotation"
        return Annotation.from_dict(self._calls.json("PUT", path, lambda: {"json": body}))

    def audit(self, session_id: str) -> tuple[AuditEntry, ...]:
        """Who did what with a session, the oldest first; also after it has been erased."""
        entries = self._calls.json("GET", f"{_path(session_id)}/audit")["entries"]
        return tuple(
            AuditEntry(
                dt.datetime.fromisoformat(one["at"]),
                one["actor"],
                one["action"],
                one["turn"],
                one["value"],
            )
            for one in entries
        )

    def delete(self, session_id: str) -> None:
        """Erase a session, its annotations, and what the audit knows of their changes."""
        self._calls.send("DELETE", _path(session_id))

    def export(self, path: str | Path) -> None:
        """Write the annotated sessions as a corpus that ``alliance train --corpus`` takes.

        Args:
            path: the file; it appears whole or not at all.

        Raises:
            OSError: if it cannot be written.
        """
        with (
            self._calls.streaming("/v1/corpus") as response,
            open_output(Path(path)) as output,
            output.binary_part() as file,
        ):
            for chunk in response.iter_bytes():
                file.write(chunk)


def moment(text: str | None) -> dt.datetime | None:
    """A moment in the service's JSON, or None."""
    return None if text is None else dt.datetime.fromisoformat(text)


def _path(session_id: str) -> str:
    return f"/v1/sessions/{quote(session_id, safe='')}"


def _text(include_text: bool) -> str:
    return f"?include_text={str(include_text).lower()}"
