"""Parquet tables, read as a stream of batches.

A row is a turn, with columns as in CSV files; or a whole session, with the keys of a session in
JSON lines: ``turns``, a list of structures with ``speaker``, ``text`` and what else is known, and
``id``, ``client_id``, ``date`` and ``number``. Missing values are as in JSON; a number in place of
a name (a session's id, which pandas may have made ``12.0``) is that number.

pyarrow reads the files; it comes with the [formats] extra.
"""

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, BinaryIO, Final

from alliance.model.errors import MissingExtraError, TranscriptError
from alliance.model.formats.columns import Columns, listed
from alliance.model.formats.encoding import kind_of
from alliance.model.formats.jsonlines import Item, sessions_of_objects
from alliance.model.formats.package import seekable
from alliance.model.formats.source import RawSession, Source
from alliance.model.formats.times import clock_text

_MAGIC: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_FEW_ROWS: Final = 8  # in a batch, where each is a session
_MANY_ROWS: Final = 256  # where each is a turn
_LONGEST: Final = 1_000_000  # bytes of one value
_LARGEST_BATCH: Final = 1 << 29  # bytes that the values of a batch may come to
_MOST_VALUES: Final = 20_000_000  # of one column in a row group, where a row is a session
# Of one session. A table may repeat a row without end in a few bytes.
_MOST_TURNS: Final = 1_000_000
_MOST_CHARACTERS: Final = 1 << 27
_SESSION_KEYS: Final = ("id", "session_id", "client_id", "date", "number", "turns")
_ADVICE: Final = "export it again as .parquet or .csv"


def read_parquet(source: Source) -> Iterator[RawSession]:
    """The sessions of a Parquet table.

    Raises:
        MissingExtraError: if pyarrow is not installed.
    """
    source = Source(
        source.stream,
        source.name,
        source.roles,
        source.columns,
        place=lambda line: f"row {line}",
    )
    return sessions_of_objects(_objects(source), source)


def _objects(source: Source) -> Iterator[Item]:
    table = _Table(source)
    limit = _SessionLimit(table.session_column, source)
    for line, row in enumerate(table.rows(), 1):
        item = {name: _value(value) for name, value in row.items()}
        if not table.has_sessions:
            limit.check(item, line)
        yield line, item


class _Table:
    """An open table, and which of its columns are wanted.

    Attributes:
        has_sessions: whether a row is a session; else it is a turn.
        session_column: the column that names a turn's session, or the empty string.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        try:
            import pyarrow.parquet as pq
        except ImportError as error:
            raise MissingExtraError("reading Parquet tables (.parquet)", "formats") from error
        stream = seekable(source)
        self._refuse_what_is_no_table(stream)
        try:
            metadata = pq.read_metadata(stream)
            schema = metadata.schema.to_arrow_schema()
            leaves = [metadata.schema.column(n) for n in range(metadata.num_columns)]
        except Exception as error:  # whatever the bytes make it say
            raise self._damaged() from error
        self.session_column = ""
        turns = schema.get_field_index("turns")
        self.has_sessions = turns >= 0 and _is_list_of_structures(schema.field(turns).type)
        self._columns = (
            [name for name in _SESSION_KEYS if name in schema.names]
            if self.has_sessions
            else self._columns_of_turns(schema.names)
        )
        self._refuse_too_many_values(metadata)
        texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        try:
            # As a dictionary a value that is repeated is in memory once.
            self._file = pq.ParquetFile(
                stream,
                metadata=metadata,
                read_dictionary=texts,
                pre_buffer=False,
                page_checksum_verification=True,
            )
        except Exception as error:  # as above
            raise self._damaged() from error

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """The rows, each with the wanted columns.

        Raises:
            TranscriptError: if the table is damaged or unpacks to far too much.
        """
        batches = self._batches()
        while True:
            try:
                batch = next(batches, None)
                if batch is None:
                    return
                count = max((_values(column) for column in batch.columns), default=0)
                longest = max((_longest(column) for column in batch.columns), default=0)
            except Exception as error:  # whatever the bytes make it say
                raise self._damaged() from error
            if longest > _LONGEST or longest * count > _LARGEST_BATCH:
                raise self._source.error(
                    f"expected the texts of a transcript, found values of {longest} bytes; "
                    f"check which column holds the text (--column text=NAME)"
                )
            try:
                columns = [_decoded(column).to_pylist() for column in batch.columns]
            except Exception as error:  # text that is not UTF-8, times finer than Python's
                raise self._damaged() from error
            for row in zip(*columns, strict=True):
                yield dict(zip(batch.schema.names, row, strict=True))

    def _batches(self) -> Iterator[Any]:
        # A batch of nested columns must not reach from one row group into the next.
        for group in range(self._file.num_row_groups):
            yield from self._file.iter_batches(
                batch_size=_FEW_ROWS if self.has_sessions else _MANY_ROWS,
                row_groups=[group],
                columns=self._columns,
                use_threads=False,
            )

    def _columns_of_turns(self, names: Sequence[str]) -> list[str]:
        names = [name for name in names if name != "turns"]
        try:
            columns = Columns.find(names, self._source.columns)
        except LookupError as error:
            raise self._source.error(str(error.args[0])) from error
        if field := columns.missing():
            raise self._source.error(
                f"expected a column for the {field}, found {listed(names)}; name it with "
                f"--column {field}=NAME"
            )
        if "session" in columns.places:
            self.session_column = names[columns.places["session"]]
        return [names[place] for place in sorted(set(columns.places.values()))]

    def _refuse_what_is_no_table(self, stream: BinaryIO) -> None:
        head = stream.read(64)
        stream.seek(-len(head), 1)
        if head.startswith(_MAGIC):
            return
        if head.startswith(_ENCRYPTED):
            raise self._source.error(
                f"expected a Parquet table, found one that is encrypted; {_ADVICE}"
            )
        found = kind_of(head) or ("a file of another kind" if head else "an empty file")
        raise self._source.error(f"expected a Parquet table, found {found}; {_ADVICE}")

    def _refuse_too_many_values(self, metadata: Any) -> None:
        if not self.has_sessions:
            return
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for column in range(group.num_columns):
                if group.column(column).num_values > _MOST_VALUES:
                    raise self._source.error(
                        f"expected sessions of a few hundred turns, found a row group of more than "
                        f"{_MOST_VALUES} values; write it with fewer sessions in a row group"
                    )

    def _damaged(self) -> TranscriptError:
        return self._source.error(
            f"expected a Parquet table, found one that is damaged or cut off; {_ADVICE}"
        )


class _SessionLimit:
    """Refuses sessions without end."""

    def __init__(self, column: str, source: Source) -> None:
        self._column = column
        self._source = source
        self._session: object = None
        self._turns = self._characters = 0

    def check(self, item: Mapping[str, Any], line: int) -> None:
        session = item.get(self._column)
        if session != self._session:
            self._session, self._turns, self._characters = session, 0, 0
        self._turns += 1
        self._characters += sum(len(value) for value in item.values() if isinstance(value, str))
        if self._turns > _MOST_TURNS or self._characters > _MOST_CHARACTERS:
            raise self._source.error(
                "expected a session of a few hundred turns, found one without end; name the column "
                "that tells sessions apart with --column session=NAME",
                line=line,
            )


def _is_list_of_structures(type_: Any) -> bool:
    import pyarrow.types as pt

    is_list = pt.is_list(type_) or pt.is_large_list(type_) or pt.is_fixed_size_list(type_)
    return bool(is_list and pt.is_struct(type_.value_type))


def _values(column: Any) -> int:
    """How many values a column of a batch has; of lists, those within."""
    return len(column.flatten()) if _is_list_of_structures(column.type) else len(column)


def _longest(column: Any) -> int:
    """The most bytes of a value in a column, or in what is nested in it."""
    import pyarrow.compute as pc
    import pyarrow.types as pt

    type_ = column.type
    if pt.is_dictionary(type_):
        return _longest(column.dictionary)
    if pt.is_struct(type_):
        return max(map(_longest, column.flatten()), default=0)
    if hasattr(column, "flatten") and pt.is_nested(type_):
        return _longest(column.flatten())
    if pt.is_string(type_) or pt.is_large_string(type_) or pt.is_binary(type_):
        return pc.max(pc.binary_length(column)).as_py() or 0
    return 0


def _decoded(column: Any) -> Any:
    """A column with its values in place of a dictionary's numbers, which Python reads faster."""
    import pyarrow.types as pt

    return column.dictionary_decode() if pt.is_dictionary(column.type) else column


def _value(value: Any) -> Any:
    """A value as JSON would have it: times as a clock shows them, dates as ISO 8601 does."""
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            return None  # pandas' missing value
        return int(value) if value == int(value) else float(value)
    if isinstance(value, dt.timedelta):
        return value / dt.timedelta(seconds=1) if value < dt.timedelta() else _clock(value)
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat(" ")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.time):
        hours = dt.timedelta(hours=value.hour, minutes=value.minute, seconds=value.second)
        return _clock(hours + dt.timedelta(microseconds=value.microsecond))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [_value(each) for each in value]
    if isinstance(value, dict):
        return {key: _value(each) for key, each in value.items()}
    return value


def _clock(duration: dt.timedelta) -> str:
    return clock_text(duration // dt.timedelta(milliseconds=1))
