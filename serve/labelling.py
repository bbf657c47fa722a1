"""Labelling a batch: many transcripts in, one table out."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session
from alliance.serve.inputs import STDIN, UNREAD, Reading, find_files, why_unread
from alliance.serve.output import Output, open_output
from alliance.serve.progress import Progress
from alliance.serve.table import TableFormat, TableWriter, format_of

__all__ = ["BatchReport", "Labeller", "label_files"]


class Labeller(Protocol):
    """What labels a session: the shipped classifier, or one like it."""

    name: str

    def label(self, session: Session, *, purpose: Purpose = ...) -> LabelledSession:
        """Label every turn of a session."""
        ...


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a batch did.

    Attributes:
        files: inputs labelled; those that failed are not counted.
        sessions: sessions in them.
        turns: turns in them, with or without a label.
        failures: one sentence per input that failed, with its name; it added no row.
        repeated_ids: session ids that came from more than one input.
        seconds: wall-clock time from the first input to the last.
    """

    files: int
    sessions: int
    turns: int
    failures: tuple[str, ...]
    repeated_ids: int
    seconds: float

    def __str__(self) -> str:
        speed = self.turns / self.seconds if self.seconds > 0 else 0.0
        counts = [(self.files, "file"), (self.sessions, "session"), (self.turns, "turn")]
        said = ", ".join(f"{n:,} {noun}{'' if n == 1 else 's'}" for n, noun in counts)
        return f"{said} labelled ({speed:,.0f} turns/s); {len(self.failures):,} failed"


def label_files(
    inputs: Sequence[str | Path],
    output: Path | None = None,
    *,
    labeller: Labeller,
    reading: Reading | None = None,
    purpose: Purpose = Purpose.RESEARCH,
    table_format: TableFormat | None = None,
    include_text: bool = True,
    progress: Progress | None = None,
) -> BatchReport:
    """Label transcripts and write one row per turn, in the order of the inputs.

    Memory holds one session at a time. An input that cannot be read, even if only its end
    cannot, adds no row: it is named and the rest goes on. The output appears whole at the end,
    and not at all if no input could be read or the process is killed.

    Args:
        inputs: files, folders (see :func:`~alliance.serve.inputs.find_files`), ``-`` for
            standard input.
        output: the table; None writes to standard output.
        labeller: what labels the sessions.
        reading: roles, columns, encoding and format of the inputs.
        purpose: chooses the decision thresholds.
        table_format: CSV or JSON lines; None goes by the output's ending.
        include_text: whether the table has the turns' text.
        progress: told how far the batch is, and of failures.

    Raises:
        InputError: if no input is found, or the output cannot stand where it is asked for.
        OSError: if the output cannot be written.
    """
    batch = _Batch(
        labeller,
        reading or Reading(),
        purpose=purpose,
        table_format=format_of(output, table_format),
        include_text=include_text,
        progress=progress or Progress(),
    )
    files = find_files(inputs, output=output)
    with open_output(output) as out:
        return batch.run(files, out)


class _Batch:
    def __init__(
        self,
        labeller: Labeller,
        reading: Reading,
        *,
        purpose: Purpose,
        table_format: TableFormat,
        include_text: bool,
        progress: Progress,
    ) -> None:
        self._labeller = labeller
        self._reading = reading
        self._purpose = purpose
        self._format = table_format
        self._include_text = include_text
        self._progress = progress
        self._ids: set[str] = set()
        self._repeated: set[str] = set()
        self._sessions = self._turns = self._bytes = 0

    def run(self, files: Sequence[Path | str], output: Output) -> BatchReport:
        failures: list[str] = []
        began = time.perf_counter()
        sizes = [_size(file) for file in files]
        self._progress.start(sum(sizes) if STDIN not in files else None)
        for file, size in zip(files, sizes, strict=True):
            try:
                self._file(file, output)
            except _UnreadableError as error:
                failures.append(str(error))
                self._progress.complain(str(error))
            self._bytes += size
            self._progress.advance(done=self._bytes, turns=self._turns)
        return BatchReport(
            files=output.parts,
            sessions=self._sessions,
            turns=self._turns,
            failures=tuple(failures),
            repeated_ids=len(self._repeated),
            seconds=time.perf_counter() - began,
        )

    def _file(self, file: Path | str, output: Output) -> None:
        sessions = turns = 0
        ids: set[str] = set()
        with _opened(file) as stream, output.part() as text:
            writer = self._writer(text, header=output.parts == 0)
            for session in self._read(stream, name=str(file)):
                writer.session(self._labeller.label(session, purpose=self._purpose))
                sessions += 1
                turns += len(session.turns)
                ids.add(session.id)
                self._progress.advance(
                    done=self._bytes + _position(stream), turns=self._turns + turns
                )
        self._sessions += sessions
        self._turns += turns
        self._repeated |= ids & self._ids
        self._ids |= ids

    def _writer(self, text: TextIO, *, header: bool) -> TableWriter:
        writer = TableWriter(text, table_format=self._format, include_text=self._include_text)
        if header:
            writer.header()
        return writer

    def _read(self, stream: BinaryIO, *, name: str) -> Iterator[Session]:
        sessions = self._reading.sessions(stream, name=name)
        while True:
            # Only reading is tried here: an error of writing or labelling is not the input's.
            try:
                session = next(sessions, None)
            except UNREAD as error:
                raise _UnreadableError(why_unread(name, error)) from error
            if session is None:
                return
            yield session


class _UnreadableError(Exception):
    """An input that failed; the message is for the user."""


@contextmanager
def _opened(file: Path | str) -> Iterator[BinaryIO]:
    if file == STDIN:
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115  # the next line closes it; this one is tried
    except OSError as error:
        raise _UnreadableError(why_unread(str(file), error)) from error
    with stream:
        yield stream


def _size(file: Path | str) -> int:
    try:
        return 0 if file == STDIN else Path(file).stat().st_size
    except OSError:
        return 0  # it will be named when it is opened


def _position(stream: BinaryIO) -> int:
    try:
        return stream.tell()
    except (OSError, ValueError):
        return 0  # a pipe, or a stream that its reader has closed
