"""One turn's fields, from a row of cells or a JSON object, checked and turned into values."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from alliance.model.codebook import Role
from alliance.model.formats.columns import NONE, Columns
from alliance.model.formats.rows import Row
from alliance.model.formats.source import RawTurn, Source
from alliance.model.formats.times import time_ms
from alliance.model.labelled import UnlabelledReason

_NO_TIME: Final = frozenset({"", "-", "na", "n/a", "nan", "none", "null"})


@dataclass(slots=True)
class Record:
    """The fields of one turn.

    Attributes:
        source: the file.
        columns: where the fields stand in it.
        values: their values: text from tables; text, numbers or None from JSON.
        line: where the turn stands in the file.
    """

    source: Source
    columns: Columns
    values: Mapping[str, Any]
    line: int | None

    def row(self) -> Row:
        """The turn with what its row says of the session.

        Raises:
            TranscriptError: if a value is not what its field holds.
        """
        return Row(
            self.turn(),
            session=self.word("session") if "session" in self.columns.places else None,
            client_id=self.word("client_id") or None,
            date=self.date(),
            number=self.number(),
        )

    def turn(self) -> RawTurn:
        """The turn alone.

        Raises:
            TranscriptError: if a value is not what its field holds, or text or speaker are not
                there.
        """
        role = self.word("role")
        speaker = self.word("speaker") or role
        if not speaker:
            raise self._wrong(
                "every turn to name its speaker", "none", "fill it in", field="speaker"
            )
        if not role and self.values.get("unlabelled_reason") == UnlabelledReason.ROLE_OTHER:
            role = Role.OTHER.value
        start, end = self._time("start"), self._time("end")
        if start is not None and end is not None and end < start:
            raise self._wrong("a turn to end after its start", "an earlier end", field="end")
        return RawTurn(
            speaker=speaker,
            text=self._text(),
            line=self.line,
            start_ms=start,
            end_ms=end,
            utterance_id=self.word("utterance_id"),
            role=role,
        )

    def word(self, field: str) -> str:
        """A name or identifier without the space around it; empty if it is not there.

        Raises:
            TranscriptError: if it is neither text nor a whole number.
        """
        value = self.values.get(field)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self._wrong("text", f"a {_kind(value)}", field=field)
        return value.strip() if isinstance(value, str) else str(value)

    def date(self) -> str | None:
        """The session's day as ISO 8601, or None.

        Raises:
            TranscriptError: if it is not a date of that form.
        """
        if not (value := self.word("date")):
            return None
        try:
            return dt.date.fromisoformat(value).isoformat()
        except ValueError as error:
            raise self._wrong("a date such as 2024-05-31", "another form", field="date") from error

    def number(self) -> int | None:
        """The session's number in the treatment, or None.

        Raises:
            TranscriptError: if it is not a whole number from 1.
        """
        if not (value := self.word("number")):
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) > 0):
            raise self._wrong("a whole number from 1", "something else", field="number")
        return int(value)

    def _text(self) -> str:
        if "text" not in self.values:
            raise self._wrong("a turn's text", "none", "complete the row", field="text")
        value = self.values["text"]
        if value is None:
            return ""  # JSON's null: nothing was said
        if not isinstance(value, str):
            raise self._wrong("text", f"a {_kind(value)}", field="text")
        return value

    def _time(self, field: str) -> int | None:
        value = self.values.get(field)
        if value is None or (isinstance(value, str) and value.strip().casefold() in _NO_TIME):
            return None
        ms = None
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            ms = time_ms(value, unit_ms=self.columns.unit_ms(field))
        if ms is None:
            unit = "milliseconds" if self.columns.unit_ms(field) else "seconds"
            raise self._wrong(f"a time such as 00:01:23, or {unit}", "something else", field=field)
        return ms

    def _wrong(self, expected: str, found: str, do: str = "", *, field: str) -> Exception:
        name = self.columns.names.get(field, field)
        advice = do or "correct it"
        if not do and field not in ("text", "speaker", "role", "session"):
            advice += f", or pass it over with --column {field}={NONE}"
        return self.source.error(
            f"expected {expected} in '{name}', found {found}; {advice}", line=self.line
        )


def _kind(value: Any) -> str:
    kinds = {bool: "truth value", int: "number", float: "number", list: "list", dict: "object"}
    return kinds.get(type(value), "value of another kind")
