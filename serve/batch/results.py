"""From the journal to the output: a file at the end, or a stream input by input."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alliance.serve.batch.catalogue import Catalogue
from alliance.serve.batch.journal import Journal
from alliance.serve.formats import open_table_writer
from alliance.serve.formats.registry import WRITERS
from alliance.serve.output import Output
from alliance.serve.table import COLUMNS, TableFormat, TableWriter

__all__ = ["STREAMED", "InputByInput", "most_sessions", "write_output"]

STREAMED = (TableFormat.CSV, TableFormat.JSONL)
"""Formats of which a part is of use before the whole is there."""


def most_sessions(table_format: TableFormat) -> int | None:
    """How many sessions an output holds; None for as many as there are."""
    return 1 if WRITERS[table_format.value].single else None


def write_output(
    target: Path | None,
    table_format: TableFormat,
    *,
    journal: Journal,
    catalogue: Catalogue,
    include_text: bool,
    original: Path | None,
) -> None:
    """Write the finished inputs of a batch, in order, whole or not at all.

    Args:
        target: the output; None for standard output.
        table_format: of the output.
        journal: holds the sessions.
        catalogue: knows where; counts the session ids.
        include_text: whether what was said goes into it.
        original: for ``eaf``, the file that a tier is added to.

    Raises:
        InputError: if the format cannot hold what was labelled.
        OSError: if it cannot be written.
    """
    with open_table_writer(
        target, table_format, include_text=include_text, original=original
    ) as writer:
        for state in catalogue.inputs():
            if state.error is None:
                for rows in _sessions(state.place, journal, catalogue, include_text=include_text):
                    writer.rows(rows)


class InputByInput:
    """Writes each input to a stream as soon as it is complete, and forgets it.

    Args:
        output: the stream.
        table_format: CSV or JSON lines.
        journal: holds the sessions of the input in hand alone.
        catalogue: knows where; counts the session ids.
        include_text: whether what was said goes into it.
    """

    def __init__(
        self,
        output: Output,
        table_format: TableFormat,
        *,
        journal: Journal,
        catalogue: Catalogue,
        include_text: bool,
    ) -> None:
        self._output = output
        self._format = table_format
        self._journal = journal
        self._catalogue = catalogue
        self._include_text = include_text

    def write(self, place: int) -> None:
        """Write one input.

        Raises:
            OSError: if the stream is closed, or what is behind it is full.
        """
        with self._output.part() as text:
            writer = TableWriter(text, table_format=self._format, include_text=self._include_text)
            if self._output.parts == 0:
                writer.header()
            for rows in _sessions(
                place, self._journal, self._catalogue, include_text=self._include_text
            ):
                writer.rows(rows)
        self._journal.clear()
        self._catalogue.forget_sessions()


def _sessions(
    place: int, journal: Journal, catalogue: Catalogue, *, include_text: bool
) -> Iterator[list[dict[str, Any]]]:
    """The rows of an input's sessions; its session ids are counted on the way."""
    columns = [name for name in COLUMNS if include_text or name != "text"]
    for known in catalogue.sessions(place):
        record = journal.read(known.offset)
        catalogue.count_ids([record["session"]])
        yield [dict(zip(columns, values, strict=True)) for values in record["rows"]]
