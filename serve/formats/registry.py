"""What can be written, and how a writer is opened."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import BinaryIO, Final, Self

from alliance.model.errors import ConfigError
from alliance.model.labelled import LabelledSession
from alliance.serve.formats.writer import LabelWriter, Row, WriterOptions
from alliance.serve.output import open_output
from alliance.serve.table import TableFormat

__all__ = [
    "SESSION_WRITERS",
    "TABLE_WRITERS",
    "WRITERS",
    "OpenWriter",
    "WriterEntry",
    "open_table_writer",
    "open_writer",
]


@dataclass(frozen=True, slots=True)
class WriterEntry:
    """One kind of file that can be written.

    Attributes:
        name: what ``--format`` and ``--to`` call it.
        suffix: the ending of its files, lower case.
        description: a few words for help texts.
        implementation: ``module:Class`` of its :class:`~alliance.serve.formats.LabelWriter`,
            imported when the first one is opened.
        table: whether it takes rows as a stream and keeps none; else it takes whole sessions.
        single: whether a file holds one session and no more.
    """

    name: str
    suffix: str
    description: str
    implementation: str
    table: bool
    single: bool = False

    def writer(self, stream: BinaryIO, options: WriterOptions) -> LabelWriter:
        """A writer on a stream.

        Raises:
            MissingExtraError: if its library is not installed.
            InputError: if the original that it adds to cannot be used.
        """
        module, _, name = self.implementation.partition(":")
        made: LabelWriter = getattr(import_module(module), name)(stream, options)
        return made


def _table(table_format: TableFormat, description: str, implementation: str) -> WriterEntry:
    name = table_format.value
    return WriterEntry(
        name, f".{name}", description, f"alliance.serve.formats.{implementation}", table=True
    )


def _session(
    name: str, suffix: str, description: str, implementation: str, *, single: bool = False
) -> WriterEntry:
    module = f"alliance.serve.formats.{implementation}"
    return WriterEntry(name, suffix, description, module, table=False, single=single)


TABLE_WRITERS: Final[Mapping[str, WriterEntry]] = MappingProxyType(
    {
        each.name: each
        for each in (
            _table(TableFormat.CSV, "a table of text", "text_tables:CsvWriter"),
            _table(TableFormat.JSONL, "one JSON object a turn", "text_tables:JsonlWriter"),
            _table(TableFormat.PARQUET, "a typed table", "parquet:ParquetWriter"),
            _table(TableFormat.XLSX, "an Excel workbook", "xlsx:XlsxWriter"),
            _table(TableFormat.SAV, "SPSS, with value labels", "spss:SavWriter"),
        )
    }
)
"""The tables: one row a turn, as many sessions as there are."""

SESSION_WRITERS: Final[Mapping[str, WriterEntry]] = MappingProxyType(
    {
        each.name: each
        for each in (
            _session("eaf", ".eaf", "tiers of an ELAN file", "eaf:EafWriter", single=True),
            _session(
                "textgrid",
                ".textgrid",
                "tiers of a TextGrid",
                "textgrid:TextGridWriter",
                single=True,
            ),
            _session(
                "labelstudio", ".json", "Label Studio tasks", "label_studio:LabelStudioWriter"
            ),
            _session("qdpx", ".qdpx", "a REFI-QDA project", "qdpx:QdpxWriter"),
            _session("vtt", ".vtt", "subtitles, one cue a rupture", "vtt:VttWriter", single=True),
        )
    }
)
"""The files of the field's tools, made of whole sessions."""

WRITERS: Final[Mapping[str, WriterEntry]] = MappingProxyType({**TABLE_WRITERS, **SESSION_WRITERS})
"""Everything that can be written, by name."""


class OpenWriter:
    """A writer and where it writes; use as a context manager or call :meth:`close`.

    A path gets its file when the writer is closed, and none if it is discarded or the block is
    left by an error. A stream is written to and left open.
    """

    def __init__(self, writer: LabelWriter, stack: ExitStack) -> None:
        self._writer = writer
        self._stack = stack
        self._closed = False

    def rows(self, rows: Iterable[Row]) -> None:
        """Turns as rows (:func:`alliance.serve.table.row`), a session's in order and together.

        Raises:
            InputError: if the format cannot hold them.
        """
        self._writer.rows(rows)

    def session(self, session: LabelledSession) -> None:
        """All turns of one session.

        Raises:
            InputError: if the format cannot hold it.
        """
        self._writer.session(session)

    def close(self) -> None:
        """Complete the file.

        Raises:
            InputError: if the format cannot hold what it was given; no file appears then.
            OSError: if it cannot be written.
        """
        self._closed = True
        with self._stack:
            try:
                self._writer.close()
            except BaseException:
                self._writer.discard()
                raise

    def discard(self) -> None:
        """Give up: no file appears. Does nothing once the file is complete."""
        if not self._closed:
            self._closed = True
            self._writer.discard()
            self._stack.__exit__(_DiscardedError, _DiscardedError(), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and not self._closed:
            self.close()
        else:
            self.discard()


class _DiscardedError(Exception):
    """Tells the output that nothing is to be kept."""


def open_writer(
    target: BinaryIO | Path | None, name: str, *, options: WriterOptions | None = None
) -> OpenWriter:
    """Open a writer.

    Args:
        target: a path, whose file appears whole or not at all; a binary stream; None for standard
            output.
        name: a key of :data:`WRITERS`.
        options: how to write.

    Raises:
        ConfigError: if nothing of that name can be written.
        InputError: if the target cannot stand where it is asked for, or the original that is
            added to cannot be used.
        MissingExtraError: if the library that it needs is not installed.
        OSError: if the target cannot be written.
    """
    if name not in WRITERS:
        raise ConfigError(
            f"expected one of {', '.join(WRITERS)}, found '{name}'; correct the format"
        )
    with ExitStack() as stack:
        if target is None or isinstance(target, Path):
            output = stack.enter_context(open_output(target))
            target = stack.enter_context(output.binary_part())
        writer = WRITERS[name].writer(target, options or WriterOptions())
        return OpenWriter(writer, stack.pop_all())
    raise AssertionError  # an ExitStack lets no error pass


def open_table_writer(
    target: BinaryIO | Path | None,
    table_format: TableFormat,
    *,
    include_text: bool = True,
    original: Path | None = None,
) -> OpenWriter:
    """Open a writer of what ``alliance label`` writes; see :func:`open_writer`.

    Args:
        target: a path, whose file appears whole or not at all; a binary stream; None for standard
            output.
        table_format: one of the formats of ``--format``.
        include_text: whether what was said goes into it.
        original: for ``eaf``, the file that was labelled, to which a tier is added; without it a
            new file is made from the turns' times.
    """
    options = WriterOptions(include_text=include_text, original=original)
    return open_writer(target, table_format.value, options=options)
