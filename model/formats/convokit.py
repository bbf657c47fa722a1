"""ConvoKit's corpora: ``utterances.jsonl``, with ``speakers.json`` and others beside it.

A conversation is a session. Its turns stand in file order unless an utterance stands before the
one it replies to; then each comes after that one, the earlier first. Conversations may be mixed:
one is in memory until its last utterance has been read. An utterance's own facts go by their
names, those of ``meta`` by ``meta.NAME``, those of its speaker and conversation by
``speaker.NAME`` and ``conversation.NAME`` (``--column role=meta.role``); a speaker's role is taken
from ``speaker.role`` (or ``type``) and ``meta.role`` unasked.

Timestamps are seconds. Those that count from 1970, as posts on the web have them, are counted from
the conversation's first; where all are the same, nothing is known.

The format is that of https://convokit.cornell.edu/documentation/data_format.html, with the names
of older versions: ``utterances.json``, ``users.json``, ``user`` and ``root``.
"""

import datetime as dt
import heapq
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from alliance.model.formats.columns import NONE, Columns, listed
from alliance.model.formats.jsonlines import (
    Item,
    objects_of_document,
    objects_of_lines,
    read_document,
    sessions_of_objects,
)
from alliance.model.formats.package import seekable
from alliance.model.formats.records import Record
from alliance.model.formats.rows import Row, sessions_of_rows
from alliance.model.formats.source import RawSession, Source
from alliance.model.formats.times import clock_ms

__all__ = ["COMPANIONS", "UTTERANCES", "read_convokit", "utterances_in"]

UTTERANCES: Final = ("utterances.jsonl", "utterances.json")
"""The names of a corpus's file of utterances."""

COMPANIONS: Final = frozenset(
    {"speakers.json", "users.json", "conversations.json", "corpus.json", "index.json"}
)
"""The names of the files beside it."""

_SPEAKERS: Final = ("speakers.json", "users.json")
_CONVERSATIONS: Final = ("conversations.json",)
_LARGEST: Final = 1 << 28  # bytes of a file beside, which is held in memory
_ROLES: Final = ("speaker.role", "speaker.speaker_role", "speaker.type", "meta.role")
_REPLIES: Final = ("reply-to", "reply_to")
_SINCE_1970: Final = 100_000_000  # seconds, three years: no recording is as long


def utterances_in(folder: Path) -> Path | None:
    """The file of utterances of a corpus's folder, or None if it is no such folder."""
    return next((path for name in UTTERANCES if (path := folder / name).is_file()), None)


def read_convokit(source: Source) -> Iterator[RawSession]:
    """The sessions of a ConvoKit corpus; a file of that name that is none reads as JSON (lines)."""
    source = replace(source, stream=seekable(source))
    start = source.stream.tell()
    whole: list[Item] | None = None
    if _starts_with_bracket(source):
        whole = list(objects_of_document(read_document(source), source))

    def items() -> Iterator[Item]:
        source.stream.seek(start)
        return objects_of_lines(source) if whole is None else iter(whole)

    first = next(items(), None)
    if first is None or not _is_utterance(first[1]):
        yield from sessions_of_objects(items(), source)
        return
    last: dict[str, int] = {}  # the place of each conversation's last utterance
    for place, (line, item) in enumerate(items()):
        last[_session_of(item, source, line)] = place
    beside = _Beside(source)
    opened: dict[str, list[_Utterance]] = {}
    for place, (line, item) in enumerate(items()):
        session = _session_of(item, source, line)
        opened.setdefault(session, []).append(_Utterance(item, line))
        if last[session] == place:
            utterances = _in_order(opened.pop(session), source)
            yield from sessions_of_rows(_rows(session, utterances, beside, source), source=source)


@dataclass(slots=True)
class _Utterance:
    item: Mapping[str, Any]
    line: int | None

    @property
    def id(self) -> str:
        return str(self.item.get("id"))

    @property
    def reply_to(self) -> str | None:
        reply = next((self.item[key] for key in _REPLIES if key in self.item), None)
        return None if reply is None else str(reply)


class _Beside:
    """What the files beside the utterances say of speakers and conversations."""

    def __init__(self, source: Source) -> None:
        self.speakers = _read_beside(source, _SPEAKERS)
        self.conversations = _read_beside(source, _CONVERSATIONS)


def _read_beside(source: Source, names: Sequence[str]) -> Mapping[str, Any]:
    folder = source.folder
    found = next((p for name in names if folder and (p := folder / name).is_file()), None)
    if found is None:
        return {}
    with found.open("rb") as stream:
        beside = Source(stream, str(found), source.roles)
        if found.stat().st_size > _LARGEST:
            raise beside.error("expected at most 256 MB of facts, found more; leave out vectors")
        try:
            facts = json.loads("".join(beside.lines()))
        except (ValueError, RecursionError) as error:
            raise beside.error(
                "expected JSON that ConvoKit wrote, found what is not; write the corpus again with "
                "corpus.dump, or move this file away"
            ) from error
    return facts if isinstance(facts, Mapping) else {}


def _facts(of: Mapping[str, Any], id_: object) -> Mapping[str, Any]:
    """A speaker's or conversation's meta: under ``meta``, or itself in older versions."""
    facts = of.get(str(id_))
    if isinstance(facts, Mapping) and isinstance(facts.get("meta"), Mapping):
        facts = facts["meta"]
    return facts if isinstance(facts, Mapping) else {}


def _starts_with_bracket(source: Source) -> bool:
    start = source.stream.tell()
    head = source.stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    source.stream.seek(start)
    return head.startswith(b"[")


def _is_utterance(item: Mapping[str, Any]) -> bool:
    return (
        "id" in item
        and ("speaker" in item or "user" in item)
        and ("conversation_id" in item or "root" in item)
        and any(key in item for key in (*_REPLIES, "meta", "vectors"))
    )


def _session_of(item: Mapping[str, Any], source: Source, line: int | None) -> str:
    column = source.columns.get("session", NONE)
    value = item.get("conversation_id", item.get("root"))
    if column != NONE:
        meta = item.get("meta")
        value = item.get(column)
        if column.startswith("meta.") and isinstance(meta, Mapping):
            value = meta.get(column.removeprefix("meta."))
    if value is None or not str(value).strip():
        raise source.error(
            "expected every utterance to name its conversation, found one that does not; write "
            "the corpus again with ConvoKit's corpus.dump",
            line=line,
        )
    return str(value).strip()


def _in_order(utterances: list[_Utterance], source: Source) -> list[_Utterance]:
    """The utterances, each after the one it replies to."""
    places = {each.id: place for place, each in enumerate(utterances)}
    parents = [None if each.reply_to is None else places.get(each.reply_to) for each in utterances]
    if all(parent is None or parent < place for place, parent in enumerate(parents)):
        return utterances
    replies: dict[int, list[int]] = {}
    ready: list[tuple[float, int]] = []
    for place, parent in enumerate(parents):
        if parent is None:
            heapq.heappush(ready, (_when(utterances[place]), place))
        else:
            replies.setdefault(parent, []).append(place)
    ordered: list[_Utterance] = []
    while ready:
        _, place = heapq.heappop(ready)
        ordered.append(utterances[place])
        for reply in replies.get(place, ()):
            heapq.heappush(ready, (_when(utterances[reply]), reply))
    if len(ordered) < len(utterances):
        raise source.error(
            "expected utterances that reply to earlier ones, found a circle of replies; correct "
            "reply-to",
            line=utterances[0].line,
        )
    return ordered


def _when(utterance: _Utterance) -> float:
    seconds = _seconds(utterance.item.get("timestamp"))
    return math.inf if seconds is None else seconds


def _rows(
    session: str, utterances: Sequence[_Utterance], beside: _Beside, source: Source
) -> Iterator[Row]:
    times = _times(utterances)
    facts = {
        f"conversation.{key}": value for key, value in _facts(beside.conversations, session).items()
    }
    for each, seconds in zip(utterances, times, strict=True):
        speaker = each.item.get("speaker", each.item.get("user"))
        flat = {
            **{key: value for key, value in each.item.items() if key not in ("meta", "vectors")},
            "speaker": speaker,
            **{f"speaker.{k}": v for k, v in _facts(beside.speakers, speaker).items()},
            **_meta(each.item),
            **facts,
        }
        if seconds is not None or _seconds(flat.get("timestamp")) is not None:
            flat["timestamp"] = seconds
        columns = _columns(flat, source, each.line)
        values = {field: flat[name] for field, name in columns.names.items()}
        row = Record(source, columns, values, each.line).row()
        row.session = session
        yield row


def _meta(item: Mapping[str, Any]) -> dict[str, Any]:
    meta = item.get("meta")
    return {f"meta.{k}": v for k, v in meta.items()} if isinstance(meta, Mapping) else {}


def _columns(flat: Mapping[str, Any], source: Source, line: int | None) -> Columns:
    names = list(flat)
    usual = {
        "text": "text",
        "speaker": "speaker",
        "utterance_id": "id",
        "start": "timestamp",
        "end": NONE,
        "role": next((name for name in _ROLES if flat.get(name)), NONE),
        "client_id": "conversation.client_id",
    }
    chosen = {field: name for field, name in usual.items() if name in flat or name == NONE}
    # A key may be left out where there is nothing to say, but not the text's.
    chosen |= {
        field: name
        for field, name in source.columns.items()
        if name in flat or name == NONE or field == "text"
    }
    chosen["session"] = NONE
    try:
        columns = Columns.find(names, chosen)
    except LookupError as error:
        raise source.error(str(error.args[0]), line=line) from error
    if field := columns.missing():
        raise source.error(
            f"expected an utterance with the key '{field}', found {listed(names)}; name it with "
            f"--column {field}=NAME",
            line=line,
        )
    return columns


def _times(utterances: Sequence[_Utterance]) -> list[float | None]:
    """The timestamps in seconds from the start, where they tell anything."""
    times = [_seconds(each.item.get("timestamp")) for each in utterances]
    known = [time for time in times if time is not None]
    if len(known) > 1 and len(set(known)) == 1:
        return [None] * len(times)
    first = min(known, default=0.0)
    start = first if first >= _SINCE_1970 else 0.0
    return [None if time is None else time - start for time in times]


def _seconds(value: Any) -> float | None:
    """A timestamp in seconds; None for what is none."""
    if isinstance(value, str):
        return _seconds_of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _seconds_of_text(text: str) -> float | None:
    if (ms := clock_ms(text)) is not None:
        return ms / 1000
    try:
        return _seconds(float(text))
    except ValueError:
        pass  # it may be a date
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()
