"""From one kind of file to another: transcripts, tables of labels, and the files of other tools."""

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from alliance.model.errors import ConfigError, InputError, MissingExtraError, TranscriptError
from alliance.model.formats.roles import RoleMap
from alliance.model.formats.source import Source
from alliance.model.session import Session
from alliance.serve.formats.columns import CODING_COLUMNS, TRANSCRIPT_COLUMNS
from alliance.serve.formats.label_studio import labelling_config
from alliance.serve.formats.label_studio_back import AnnotatedTasks, read_annotations
from alliance.serve.formats.label_table import LabelTable
from alliance.serve.formats.labels_join import LabelIndex, turn_rows
from alliance.serve.formats.registry import WRITERS, open_writer
from alliance.serve.formats.writer import Row, WriterOptions
from alliance.serve.inputs import STDIN, Reading, find_files, why_unread
from alliance.serve.output import open_output
from alliance.serve.table import COLUMNS
from alliance.serve.wording import counted

__all__ = ["ConvertReport", "convert_files", "target_format"]

_WITH_ORIGINAL: Final = {"eaf": (".eaf",), "textgrid": (".textgrid",)}
_OF_TEXT: Final = ("labelstudio", "qdpx")
"""Formats that are of no use without what was said."""


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What was converted.

    Attributes:
        files: inputs that were converted.
        sessions: sessions in them.
        turns: turns in them.
        failures: one sentence per input that failed, with its name; nothing of it was written.
        notes: what else the user should know.
    """

    files: int
    sessions: int
    turns: int
    failures: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = [(self.files, "file"), (self.sessions, "session"), (self.turns, "turn")]
        said = ", ".join(counted(number, noun) for number, noun in counts)
        return f"{said} converted; {len(self.failures):,} failed"


def target_format(output: Path | None, chosen: str | None) -> str:
    """The format to write: the one chosen, else by the output's ending, else CSV.

    Raises:
        ConfigError: if there is none of that name, or the ending is not one that is known.
    """
    if chosen is not None:
        if chosen not in WRITERS:
            raise ConfigError(
                f"--to: expected one of {', '.join(WRITERS)}, found '{chosen}'; correct it"
            )
        return chosen
    suffix = "" if output is None else output.suffix.lower()
    if not suffix:
        return "csv"
    for entry in WRITERS.values():
        if entry.suffix == suffix:
            return entry.name
    known = ", ".join(entry.suffix for entry in WRITERS.values())
    raise ConfigError(
        f"{output}: expected a name that ends in one of {known}, found {suffix}; rename it or add "
        f"--to"
    )


def convert_files(
    inputs: Sequence[str | Path],
    output: Path | None = None,
    *,
    to: str | None = None,
    reading: Reading | None = None,
    labels: Path | None = None,
    original: Path | None = None,
    include_text: bool = True,
    complain: Callable[[str], None] | None = None,
) -> ConvertReport:
    """Convert files: transcripts, tables of labels or codings, or an export of Label Studio.

    Every input is read twice, first to see that it can be read to its end, so that one that fails
    leaves nothing behind and memory holds one session at a time. The output appears whole or not
    at all.

    Args:
        inputs: files, folders (see :func:`~alliance.serve.inputs.find_files`), ``-`` for a
            transcript on standard input.
        output: the file to write; None writes to standard output.
        to: a key of :data:`alliance.serve.formats.WRITERS`; None goes by the output's ending.
        reading: roles, columns, encoding and format of the inputs.
        labels: a table of labels for the transcripts.
        original: the ``.eaf`` or ``.TextGrid`` that tiers are added to; where the one input with
            labels is such a file, it is taken.
        include_text: whether what was said is written.
        complain: told of each input that fails.

    Raises:
        InputError: if no input can be used, or they do not go together, or the format cannot hold
            them.
        MissingExtraError: if a library that writes it is not installed.
        OSError: if the output cannot be written.
    """
    name = target_format(output, to)
    reading = reading or Reading()
    index = None if labels is None else LabelIndex.read(labels, roles=RoleMap(reading.roles))
    found = [
        # A table may lack turns; a session may not, or its turns would count wrongly.
        _Input(file, reading, index, complete=not WRITERS[name].table)
        for file in find_files(inputs, output=output)
    ]
    good, failures = _readable(found, complain or _to_stderr)
    if not good:
        return ConvertReport(0, 0, 0, tuple(failures))
    _check_together(good, index, name, include_text=include_text)
    if index is not None:
        index.check_sessions()
    if original is None and name in _WITH_ORIGINAL and len(good) == 1 and index is not None:
        file = good[0].file
        if isinstance(file, Path) and file.suffix.lower() in _WITH_ORIGINAL[name]:
            original = file
    if original is not None and name not in _WITH_ORIGINAL:
        raise ConfigError(
            f"--original: expected an .eaf or .TextGrid to be written, found {name}; leave it away"
        )
    columns = _columns(good, index)
    options = WriterOptions(include_text=include_text, columns=columns, original=original)
    with open_writer(output, name, options=options) as writer:
        for each in good:
            writer.rows(each.rows())
    notes = [] if index is None else index.notes()
    if name == "labelstudio" and output is not None and str(output) != STDIN:
        notes.append(_write_config(output))
    return ConvertReport(
        files=len(good),
        sessions=sum(each.sessions for each in good),
        turns=sum(each.turns for each in good),
        failures=tuple(failures),
        notes=tuple(notes),
    )


class _Input:
    """One input: what it holds, and its rows."""

    def __init__(
        self, file: Path | str, reading: Reading, index: LabelIndex | None, *, complete: bool
    ) -> None:
        self.file = file
        self._complete = complete
        self.columns: tuple[str, ...] = TRANSCRIPT_COLUMNS
        self.is_transcript = True
        self.sessions = self.turns = 0
        self._reading = reading
        self._index = index
        self._stdin: bytes | None = None
        self._tasks: AnnotatedTasks | None = None
        self._is_table = False

    def check(self) -> None:
        """Find out what it is, and read it to its end.

        Raises:
            TranscriptError: if it cannot be read.
            OSError: likewise.
        """
        if isinstance(self.file, Path) and self._index is None and self._reading.format is None:
            self._recognise(self.file)
        ids = set()
        for row in self.rows():
            self.turns += 1
            ids.add(row["session_id"])
        self.sessions = len(ids)

    def rows(self) -> Iterator[Row]:
        """The turns as rows.

        Raises:
            TranscriptError: if the file cannot be read.
        """
        if self._tasks is not None:
            yield from self._tasks.rows
        elif self._is_table:
            yield from self._label_rows()
        else:
            with self._opened() as stream:
                for session in self._reading.sessions(stream, name=str(self.file)):
                    yield from self._session_rows(session)

    def _session_rows(self, session: Session) -> Iterator[Row]:
        rows = turn_rows(session)
        return rows if self._index is None else self._index.join(session, rows, str(self.file))

    def _recognise(self, path: Path) -> None:
        if path.suffix.lower() == ".json":
            with path.open("rb") as stream:
                self._tasks = read_annotations(stream, name=str(path))
            if self._tasks is not None:
                self.is_transcript, self.columns = False, self._tasks.columns
            return
        with path.open("rb") as stream:
            try:
                table = LabelTable.open(self._source(stream))
            except TranscriptError:
                return  # the reader of transcripts says what is wrong
            if table is not None:
                self._is_table, self.is_transcript = True, False
                self.columns = table.columns

    def _label_rows(self) -> Iterator[Row]:
        with self._opened() as stream:
            table = LabelTable.open(self._source(stream))
            if table is not None:
                yield from (row.values for row in table.one_coding(complete=self._complete))

    def _source(self, stream: BinaryIO) -> Source:
        roles = RoleMap(self._reading.roles)
        return Source(stream, str(self.file), roles, encoding=self._reading.encoding)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if isinstance(self.file, Path):
            with self.file.open("rb") as stream:
                yield stream
            return
        if self._stdin is None:
            self._stdin = sys.stdin.buffer.read()  # it is read twice
        yield io.BytesIO(self._stdin)


def _readable(
    found: Sequence[_Input], complain: Callable[[str], None]
) -> tuple[list[_Input], list[str]]:
    good: list[_Input] = []
    failures: list[str] = []
    for each in found:
        try:
            each.check()
        except (TranscriptError, MissingExtraError, OSError) as error:
            failures.append(why_unread(str(each.file), error))
            complain(failures[-1])
        else:
            good.append(each)
    return good, failures


def _check_together(
    good: Sequence[_Input], index: LabelIndex | None, name: str, *, include_text: bool
) -> None:
    if len({each.is_transcript for each in good}) > 1:
        table = next(each.file for each in good if not each.is_transcript)
        raise ConfigError(
            f"expected transcripts alone or labels alone, found both ({table} holds labels); give "
            f"labels for transcripts with --labels"
        )
    if index is not None or good[0].is_transcript:
        return
    entry = WRITERS[name]
    for each in good:
        wanted = [] if entry.table else ["speaker"]
        if name in _OF_TEXT and include_text:
            wanted.append("text")
        missing = [column for column in wanted if column not in each.columns]
        if missing:
            raise InputError(
                f"{each.file}: expected a column '{missing[0]}' for {entry.description}, found "
                f"none; give the transcript as well: alliance convert TRANSCRIPT --labels "
                f"{each.file}"
            )


def _columns(good: Sequence[_Input], index: LabelIndex | None) -> tuple[str, ...]:
    """The columns to write: all that an input fills, in our order, then the coders'."""
    filled = dict.fromkeys(column for each in good for column in each.columns)
    if index is not None:
        filled |= dict.fromkeys(index.columns)
    known = dict.fromkeys((*TRANSCRIPT_COLUMNS, *CODING_COLUMNS))
    if any(column.startswith("p_") for column in filled):
        ours: tuple[str, ...] = COLUMNS  # where unlabelled_reason says who is another person
    else:
        ours = tuple(column for column in known if column in filled)
    return (*ours, *(column for column in filled if column not in {*COLUMNS, *known}))


def _write_config(output: Path) -> str:
    path = output.with_name(f"{output.stem}.config.xml")
    with open_output(path) as out, out.part() as text:
        text.write(labelling_config())
    return f"paste {path.name} into the labelling interface of the Label Studio project"


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
