"""SPSS files (.sav), with variable labels, value labels, missing values and measurement levels.

Labels and markers are numbers with value labels, in the order of the codebook: ``label`` 1-4 and
``marker`` 1-21. Where a turn has no label both hold the reason as a user-missing value, 98 (no
words) or 99 (another speaker), and the probabilities are system-missing; so every procedure leaves
these turns out and a frequency table still counts them. ``abstained`` and ``truncated`` are 0 and
1. Text variables are as wide as their longest value; what has more than 32,767 bytes of UTF-8
(SPSS's limit) is cut, with a "…" at its end. SPSS pads texts with spaces, so spaces at their end
are lost.

The library takes the whole table at once, so memory grows with the rows: for a large corpus write
Parquet or CSV. The header's date is fixed, so that the bytes depend
on the rows and the library's version alone.
"""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from alliance.model.codebook import CODEBOOK_VERSION, LABELS, MARKER_ORDER
from alliance.model.labelled import UnlabelledReason
from alliance.serve.formats.characters import cut_bytes, utf8_safe
from alliance.serve.formats.columns import Column, Kind
from alliance.serve.formats.writer import LabelWriter, Row, WriterOptions, missing_library

__all__ = ["MISSING", "VALUE_LABELS", "SavWriter"]

MISSING: Final[Mapping[str, int]] = {
    UnlabelledReason.NO_WORDS.value: 98,
    UnlabelledReason.ROLE_OTHER.value: 99,
}
"""The reasons as user-missing values."""

_REASONS: Final = {98: "no words", 99: "another speaker"}
_TRUTH: Final = {0: "no", 1: "yes"}

VALUE_LABELS: Final[Mapping[Kind, Mapping[int, str]]] = {
    Kind.LABEL: {n: label.title for n, label in enumerate(LABELS, 1)} | _REASONS,
    Kind.MARKER: {n: f"{m.value} {m.entry.name}" for n, m in enumerate(MARKER_ORDER, 1)} | _REASONS,
    Kind.REASON: _REASONS,
    Kind.TRUTH: _TRUTH,
}
"""What the numbers mean, by the kind of column."""

_NUMBERS: Final[Mapping[Kind, Mapping[str, int]]] = {
    Kind.LABEL: {label.value: n for n, label in enumerate(LABELS, 1)},
    Kind.MARKER: {marker.value: n for n, marker in enumerate(MARKER_ORDER, 1)},
    Kind.REASON: MISSING,
}
_FORMATS: Final = {
    Kind.WHOLE: "F10.0",
    Kind.SHARE: "F8.6",
    Kind.LABEL: "F2.0",
    Kind.MARKER: "F2.0",
    Kind.REASON: "F2.0",
    Kind.TRUTH: "F1.0",
}
_MOST_BYTES: Final = 32_767
# Where the header keeps its date and time (PSPP Developers Guide, "File Header Record").
_DATE_AT: Final = 92
_DATE: Final = b"01 Jan 8000:00:00"


class SavWriter(LabelWriter):
    """An SPSS file."""

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        super().__init__(stream, options)
        try:
            import pandas
            import pyreadstat
        except ModuleNotFoundError as error:
            raise missing_library("writing .sav") from error
        self._pandas, self._pyreadstat = pandas, pyreadstat
        self._held: dict[str, list[Any]] = {column.name: [] for column in self._columns}

    def rows(self, rows: Iterable[Row]) -> None:
        """Keep the rows."""
        for row in rows:
            for column in self._columns:
                self._held[column.name].append(_value(column, row))

    def close(self) -> None:
        """Write the file to a temporary folder and copy it from there."""
        with tempfile.TemporaryDirectory(prefix="alliance-") as folder:
            path = Path(folder) / "table.sav"
            self._write(path)
            with path.open("r+b") as file:
                file.seek(_DATE_AT)
                file.write(_DATE)
                file.seek(0)
                shutil.copyfileobj(file, self._stream)

    def _write(self, path: Path) -> None:
        by_kind = {column.name: column.kind for column in self._columns}
        frame = self._pandas.DataFrame(
            {
                name: self._pandas.Series(
                    self._held[name], dtype="float64" if kind in _FORMATS else "object"
                )
                for name, kind in by_kind.items()
            }
        )
        labelled = {name: kind for name, kind in by_kind.items() if kind in VALUE_LABELS}
        self._pyreadstat.write_sav(
            frame,
            str(path),
            file_label=f"Alliance labels, codebook {CODEBOOK_VERSION}",
            row_compress=True,
            column_labels={column.name: column.description for column in self._columns},
            variable_value_labels={
                name: {float(n): words for n, words in VALUE_LABELS[kind].items()}
                for name, kind in labelled.items()
            },
            missing_ranges={
                name: [float(number) for number in _REASONS]
                for name, kind in labelled.items()
                if kind in (Kind.LABEL, Kind.MARKER)
            },
            variable_measure={
                name: "scale" if kind in (Kind.WHOLE, Kind.SHARE) else "nominal"
                for name, kind in by_kind.items()
            },
            variable_format={
                name: _FORMATS[kind] for name, kind in by_kind.items() if kind in _FORMATS
            },
        )


def _value(column: Column, row: Row) -> Any:
    value = row.get(column.name)
    if column.kind is Kind.TEXT:
        return cut_bytes(utf8_safe(value or "").replace("\0", "\ufffd"), _MOST_BYTES)
    if column.kind in (Kind.LABEL, Kind.MARKER) and not value:
        return MISSING.get(row.get("unlabelled_reason") or "")
    if column.kind in _NUMBERS:
        return _NUMBERS[column.kind][value] if value else None
    return None if value is None else float(value)
