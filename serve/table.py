"""Tables of labelled turns: one row per turn of the input, in its order.

Columns are a published contract (:data:`COLUMNS`). Here are the two formats of text, both UTF-8;
:mod:`alliance.serve.formats` has the others. CSV follows RFC 4180
(lines end with CR LF, so that a bare carriage return in a text is quoted too), writes truth as
``true``/``false`` and probabilities with six decimals. JSON lines hold the same columns, null
where a CSV cell is empty.

A spreadsheet takes a cell that starts with ``= + - @``, a tab or a carriage return for a formula.
In CSV such text, names and identifiers get an apostrophe in front; numbers are left alone, and
so is JSON.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TextIO

from alliance.model.codebook import LABELS
from alliance.model.errors import ConfigError
from alliance.model.labelled import LabelledSession, LabelledTurn

COLUMNS: Final = (
    "session_id",
    "turn",
    "utterance_id",
    "speaker",
    "start_ms",
    "end_ms",
    "text",
    "label",
    *(f"p_{label.value}" for label in LABELS),
    "marker",
    "p_marker",
    "abstained",
    "truncated",
    "unlabelled_reason",
    "model",
)
"""The columns in order; ``--no-text`` leaves ``text`` out."""

DECIMALS: Final = 6
"""Digits after the point of a probability."""

_TEXT_FORMATS: Final = ("csv", "jsonl")
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""


class TableFormat(StrEnum):
    """What ``alliance label`` writes; :mod:`alliance.serve.formats` has a writer for each.

    ``eaf`` and ``vtt`` hold one session, the others as many as there are.
    """

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    XLSX = "xlsx"
    SAV = "sav"
    EAF = "eaf"
    VTT = "vtt"


def format_of(path: Path | None, chosen: TableFormat | None = None) -> TableFormat:
    """The format for an output: the one chosen, else by the file's ending, else CSV.

    Raises:
        ConfigError: if nothing was chosen and the ending is not one that is known.
    """
    if chosen is not None:
        return chosen
    # What has no ending of its own (standard output, /dev/null) gets CSV.
    ending = "" if path is None else path.suffix.lower().lstrip(".")
    if not ending:
        return TableFormat.CSV
    if ending not in [known.value for known in TableFormat]:
        *most, last = (f".{known.value}" for known in TableFormat)
        known = f"{', '.join(most)} or {last}"
        raise ConfigError(
            f"{path}: expected a name that ends in {known}, found .{ending}; rename it or add "
            f"--format"
        )
    return TableFormat(ending)


def row(
    session: LabelledSession, turn: LabelledTurn, *, include_text: bool = True
) -> dict[str, Any]:
    """One turn as a row: values by column, probabilities rounded, None for an empty cell."""
    values: dict[str, Any] = {
        "session_id": session.session.id,
        **turn.to_dict(include_text=include_text),
        "model": session.model.name,
    }
    return {
        name: round(value, DECIMALS) if isinstance(value, float) else value
        for name, value in values.items()
    }


class TableWriter:
    """Writes rows to a text stream as CSV or JSON lines.

    Args:
        stream: a text stream opened with ``newline=""``.
        table_format: CSV or JSON lines.
        include_text: whether there is a ``text`` column.
        columns: the columns, in order.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        table_format: TableFormat,
        include_text: bool = True,
        columns: Sequence[str] = COLUMNS,
    ) -> None:
        if table_format not in _TEXT_FORMATS:
            raise ConfigError(
                f"expected csv or jsonl on a stream of text, found {table_format.value}; open it "
                f"with alliance.serve.formats"
            )
        self._stream = stream
        self._format = table_format
        self._include_text = include_text
        self._columns = tuple(name for name in columns if include_text or name != "text")
        self._csv = csv.writer(stream, lineterminator="\r\n")

    def header(self) -> None:
        """The line of column names; JSON lines have none."""
        if self._format is TableFormat.CSV:
            self._csv.writerow(self._columns)

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Turns as rows, values by column; what a row lacks is empty."""
        for values in rows:
            if self._format is TableFormat.CSV:
                self._csv.writerow([_cell(values.get(name)) for name in self._columns])
            else:
                kept = {name: values.get(name) for name in self._columns}
                self._stream.write(json.dumps(kept, ensure_ascii=False) + "\n")

    def session(self, session: LabelledSession) -> None:
        """All turns of one session."""
        self.rows(row(session, turn, include_text=self._include_text) for turn in session)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{DECIMALS}f}"
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return str(value)
