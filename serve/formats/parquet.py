"""Parquet, with typed columns: see :func:`schema`.

Rows are written in groups of 65,536, so that memory stays flat. Text is UTF-8 strings, whole
numbers are int64, probabilities float64, and ``abstained`` and ``truncated`` are booleans; an
empty cell is null. Every field's metadata has its ``description``; the file's own has the version
of the codebook.
"""

from collections.abc import Iterable
from typing import Any, BinaryIO, Final

from alliance.model.codebook import CODEBOOK_VERSION
from alliance.serve.formats.characters import utf8_safe
from alliance.serve.formats.columns import Column, Kind
from alliance.serve.formats.writer import LabelWriter, Row, WriterOptions, missing_library

__all__ = ["ParquetWriter", "schema"]

_GROUP: Final = 65_536  # rows held in memory


def schema(columns: Iterable[Column]) -> Any:
    """The Parquet schema of a table with these columns, as a ``pyarrow.Schema``."""
    import pyarrow as pa

    types = {Kind.WHOLE: pa.int64(), Kind.SHARE: pa.float64(), Kind.TRUTH: pa.bool_()}
    fields = [
        pa.field(
            column.name,
            types.get(column.kind, pa.string()),
            nullable=not column.required,
            metadata={"description": column.description},
        )
        for column in columns
    ]
    return pa.schema(fields, metadata={"codebook": CODEBOOK_VERSION})


class ParquetWriter(LabelWriter):
    """A Parquet table."""

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        super().__init__(stream, options)
        try:
            import pyarrow.parquet as pq
        except ModuleNotFoundError as error:
            raise missing_library("writing .parquet") from error
        self._schema = schema(self._columns)
        self._writer = pq.ParquetWriter(stream, self._schema)
        self._held: list[list[Any]] = [[] for _ in self._columns]

    def rows(self, rows: Iterable[Row]) -> None:
        """Keep the rows until a group is full."""
        places = list(zip(self._schema.names, self._held, strict=True))
        for row in rows:
            for name, held in places:
                value = row.get(name)
                held.append(utf8_safe(value) if isinstance(value, str) else value)
            if len(self._held[0]) >= _GROUP:
                self._flush()

    def close(self) -> None:
        """Write the last group and the footer."""
        if self._held[0]:
            self._flush()
        self._writer.close()

    def discard(self) -> None:
        """Let the library go; it writes a footer, which goes with the rest."""
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        arrays = [
            pa.array(held, type=field.type)
            for held, field in zip(self._held, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        for held in self._held:
            held.clear()
