"""JSON: one session a line, one turn a line, or one document.

A *session* is an object with ``turns``, a list of objects with ``speaker`` and ``text`` and, where
known, ``start_ms``, ``end_ms`` and ``utterance_id``; it may have ``id``, ``client_id``, ``date``
(ISO 8601) and ``number``. A *turn on its own line* has the same keys as a turn and ``session_id``.
Keys go by the same other names as a table's columns; all other keys are passed over. A session
without an id is named after the file.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

from alliance.model.errors import TranscriptError
from alliance.model.formats.columns import NONE, Columns, listed
from alliance.model.formats.recognisers import session_of_recogniser
from alliance.model.formats.records import Record
from alliance.model.formats.rows import Row, sessions_of_rows
from alliance.model.formats.source import RawSession, Source

_SESSION_KEYS: Final = ("id", "session_id", "client_id", "date", "number")
Item = tuple[int | None, Mapping[str, Any]]
"""A line and its object."""


def read_jsonl(source: Source) -> Iterator[RawSession]:
    """The sessions of JSON lines, one at a time."""
    return sessions_of_objects(objects_of_lines(source), source)


def read_json(source: Source) -> Iterator[RawSession]:
    """The sessions of one JSON document, which is held in memory.

    It is a session, a list of sessions or of turns, or an object that holds such a one under
    ``session``, ``sessions`` or ``turns``; or what a speech recogniser wrote (``recognisers``).
    """
    document = read_document(source)
    if document is None:
        return
    if (session := session_of_recogniser(document, source)) is not None:
        yield session
    else:
        yield from sessions_of_objects(objects_of_document(document, source), source)


def read_document(source: Source) -> Any:
    """A JSON document, whatever it holds; None for a file with nothing in it."""
    text = "".join(source.lines())
    return _parsed(text, source, None) if text.strip() else None


def objects_of_lines(source: Source) -> Iterator[Item]:
    """The objects of JSON lines, one at a time."""
    for line, text in enumerate(source.lines(), 1):
        if text.strip():
            yield line, _object(_parsed(text, source, line), source, line)


def objects_of_document(document: Any, source: Source) -> Iterator[Item]:
    """The objects of one JSON document: those in its list, or itself."""
    if isinstance(document, Mapping) and isinstance(document.get("sessions"), list):
        document = document["sessions"]
    for item in document if isinstance(document, list) else [document]:
        yield None, _object(item, source, None)


def _parsed(text: str, source: Source, line: int | None) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise source.error(
            "expected JSON of a session, found brackets within brackets without end; correct it",
            line=line,
        ) from error
    except json.JSONDecodeError as error:
        # Its message says what is wrong in JSON's own terms and holds nothing of the text.
        place = f"column {error.colno}"
        advice = "correct it"
        if line is None:
            line = error.lineno
            if error.msg == "Extra data":
                advice = "if it holds one object a line, add --input-format jsonl"
        raise source.error(
            f"expected JSON, found what is not at {place} ({error.msg}); {advice}", line=line
        ) from error
    except ValueError as error:  # a number of thousands of digits
        raise source.error(
            "expected JSON, found a number that is too long; correct it", line=line
        ) from error


def _object(item: Any, source: Source, line: int | None) -> Mapping[str, Any]:
    if isinstance(item, Mapping) and isinstance(item.get("session"), Mapping):
        item = item["session"]
    if not isinstance(item, Mapping):
        raise source.error(
            "expected a JSON object with a session or a turn, found something else; write "
            '{"id": …, "turns": [{"speaker": …, "text": …}]}',
            line=line,
        )
    return item


def sessions_of_objects(items: Iterator[Item], source: Source) -> Iterator[RawSession]:
    """The sessions of objects that are a session or a turn each, as JSON lines have them."""
    keys = _Keys(source)
    first = next(items, None)
    if first is None:
        return
    items = chain([first], items)
    if "turns" not in first[1]:
        yield from sessions_of_rows(_rows(items, keys, source), source=source)
        return
    for line, item in items:
        if "turns" not in item:
            raise _mixed("a whole session", "an object without 'turns'", source, line)
        yield _session(item, line, keys, source)


def _rows(items: Iterator[Item], keys: "_Keys", source: Source) -> Iterator[Row]:
    for line, item in items:
        if "turns" in item:
            raise _mixed("a turn", "a whole session", source, line)
        yield keys.record(item, line).row()


def _mixed(expected: str, found: str, source: Source, line: int | None) -> TranscriptError:
    return source.error(
        f"expected {expected} as further up, found {found}; keep the two in separate files",
        line=line,
    )


def _session(
    item: Mapping[str, Any], line: int | None, keys: "_Keys", source: Source
) -> RawSession:
    turns = item["turns"]
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
        raise source.error(
            "expected 'turns' to be a list of objects with 'speaker' and 'text', found something "
            "else; correct it",
            line=line,
        )
    facts = Record(source, _SESSION_FACTS, {name: item.get(name) for name in _SESSION_KEYS}, line)
    return RawSession(
        facts.word("id") or facts.word("session_id") or source.stem,
        [keys.record(turn, line).turn() for turn in turns],
        line,
        client_id=facts.word("client_id") or None,
        date=facts.date(),
        number=facts.number(),
    )


_SESSION_FACTS: Final = Columns({}, {})  # a session's own keys have one name each


class _Keys:
    """Finds a turn's fields by its keys; objects with the same keys are looked up once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[tuple[str, ...], Columns] = {}

    def record(self, item: Mapping[str, Any], line: int | None) -> Record:
        keys = tuple(item)
        if (columns := self._known.get(keys)) is None:
            columns = self._find(keys, line)
            if len(self._known) < 1000:
                self._known[keys] = columns
        return Record(
            self._source,
            columns,
            {field: item[keys[place]] for field, place in columns.places.items()},
            line,
        )

    def _find(self, keys: tuple[str, ...], line: int | None) -> Columns:
        # Keys may be left out where there is nothing to say, but not those of text and speaker.
        chosen = {
            field: key
            for field, key in self._source.columns.items()
            if field in ("text", "speaker") or key in keys or key == NONE
        }
        try:
            columns = Columns.find(keys, chosen)
        except LookupError as error:
            raise self._source.error(str(error.args[0]), line=line) from error
        if field := columns.missing():
            raise self._source.error(
                f"expected a session with the key 'turns', or a turn with the key '{field}', found "
                f"{listed(keys)}; name it with --column {field}=NAME",
                line=line,
            )
        return columns
