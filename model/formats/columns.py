"""Which column of a table, or key of a JSON object, holds what.

Names are compared without regard to case, spaces and punctuation. Each field has its usual names;
the first one present wins, and the caller's own choice overrules them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from alliance.model.errors import ConfigError

__all__ = ["FIELDS", "NONE", "Columns", "check_columns", "listed"]

NONE: Final = "-"
"""In place of a column's name: take no column for this field."""

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": (
        "text",
        "utterance_text",
        "utterance",
        "turn_text",
        "content",
        "sentence",
        "message",
        "speech",
        "transcript",
    ),
    "speaker": (
        "speaker",
        "interlocutor",
        "speaker_name",
        "speaker_id",
        "participant",
        "who",
        "author",
    ),
    "role": ("role", "speaker_role", "speaker_type"),
    "session": (
        "session_id",
        "session",
        "transcript_id",
        "conversation_id",
        "conv_id",
        "dialogue_id",
        "dialog_id",
        "file_name",
        "filename",
        "file",
    ),
    "utterance_id": ("utterance_id", "utt_id", "turn_id", "row_id", "id"),
    "start": (
        "start_ms",
        "start",
        "start_time",
        "starttime",
        "time_start",
        "timestamp",
        "begin",
        "onset",
        "time",
    ),
    "end": ("end_ms", "end", "end_time", "endtime", "time_end", "stop", "offset"),
    "client_id": ("client_id", "patient_id"),
    # Dates and numbers are written in too many ways to be taken unasked.
    "date": (),
    "number": (),
    # Our own tables of labelled turns say here who was neither therapist nor client.
    "unlabelled_reason": ("unlabelled_reason",),
}
"""The fields a table may hold, and the column names each is recognised by, in order."""

_SHOWN_NAME: Final = re.compile(r"[^.,;:!?…\"“”]{1,40}")
_SHOWN: Final = 30
_MILLISECONDS: Final = ("_ms", " ms", "(ms)", "[ms]", "msec", "millis", "milliseconds")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the fields are: each the index (or the key) of its column, or None.

    Attributes:
        names: the fields found, with the column's name in the file.
        places: the fields found, with the column's place in the header.
    """

    names: Mapping[str, str]
    places: Mapping[str, int]

    @classmethod
    def find(cls, header: Sequence[str], chosen: Mapping[str, str]) -> "Columns":
        """Find the fields in a header.

        Args:
            header: the columns' names, in order.
            chosen: the caller's choice, field to column name (:data:`NONE` for no column).

        Raises:
            LookupError: with a message for the user, if a chosen column is not there, or a
                column that is needed is there twice.
        """
        keys = [_key(name) for name in header]
        names: dict[str, str] = {}
        places: dict[str, int] = {}
        taken = {_key(name) for name in chosen.values()}
        for field, synonyms in FIELDS.items():
            column = chosen.get(field)
            if column == NONE:
                continue
            if column is not None:
                places[field] = _place_of_chosen(field, column, header, keys)
            else:
                # A column that the caller gave to one field is not another's by its name.
                usual = next((s for s in synonyms if s in keys and s not in taken), None)
                if usual is None:
                    continue
                places[field] = _only_place(field, usual, keys)
            names[field] = header[places[field]].strip()
        return cls(names, places)

    def missing(self) -> str:
        """What a table of turns needs and this header lacks: ``text``, ``speaker`` or nothing."""
        if "text" not in self.places:
            return "text"
        return "" if {"speaker", "role"} & self.places.keys() else "speaker"

    def unit_ms(self, field: str) -> bool:
        """Whether bare numbers in a column of times are milliseconds; else they are seconds."""
        return self.names[field].lower().endswith(_MILLISECONDS)


def check_columns(chosen: Mapping[str, str] | None) -> dict[str, str]:
    """The caller's choice of columns with the fields' own names as keys.

    A field may go by any name it is recognised by: ``session_id`` is ``session``.

    Raises:
        ConfigError: if a field is unknown or named twice.
    """
    fields: dict[str, str] = {}
    for given, column in (chosen or {}).items():
        key = _key(given)
        field = next((f for f, usual in FIELDS.items() if key == f or key in usual), None)
        if field is None:
            raise ConfigError(
                f"--column {given}=…: expected one of {', '.join(FIELDS)}, found '{given}'; "
                f"write e.g. --column text=NAME"
            )
        if fields.setdefault(field, column) != column:
            raise ConfigError(
                f"--column {given}=…: expected one column for {field}, found '{fields[field]}' "
                f"and '{column}'; keep one"
            )
    return fields


def listed(header: Iterable[str]) -> str:
    """The columns' names for an error.

    A table without a header shows what somebody said in its place: cells that read like speech
    or are too long for a name are counted, not shown.
    """
    names = [name.strip() for name in header]
    shown = [
        f"'{name}'"
        for name in names
        if _SHOWN_NAME.fullmatch(name) and len(name.split()) <= 4 and name.isprintable()
    ][:_SHOWN]
    hidden = len(names) - len(shown)
    if hidden:
        shown.append(f"{hidden} more that {'does' if hidden == 1 else 'do'} not look like names")
    return ", ".join(shown) or "none"


def _place_of_chosen(field: str, column: str, header: Sequence[str], keys: Sequence[str]) -> int:
    exact = [place for place, name in enumerate(header) if name.strip() == column.strip()]
    if len(exact) == 1:
        return exact[0]
    if (key := _key(column)) not in keys:
        raise LookupError(
            f"expected a column '{column}' for {field}, found {listed(header)}; correct "
            f"--column {field}=NAME"
        )
    return _only_place(field, key, keys)


def _only_place(field: str, key: str, keys: Sequence[str]) -> int:
    if keys.count(key) > 1:
        raise LookupError(
            f"expected one column '{key}' for {field}, found {keys.count(key)}; rename one, or "
            f"choose another with --column {field}=NAME"
        )
    return keys.index(key)


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.strip().casefold()).strip("_")
