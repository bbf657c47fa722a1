"""Looking through files for everything that is wrong with them, before anything is done with them.

A table or JSON lines is read on past a row that is wrong: the row is taken out and the file read
again, so that every wrong row is named. Of other files the first problem that stops the reading is
named, and all that can be seen without stopping.
"""

import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import BinaryIO, Final

from alliance.model.codebook import Role
from alliance.model.errors import (
    MissingExtraError,
    TranscriptError,
    UnknownSpeakerError,
)
from alliance.model.formats import SUFFIXES
from alliance.model.formats.columns import check_columns
from alliance.model.formats.encoding import check_encoding
from alliance.model.formats.registry import FORMATS, NAMES
from alliance.model.formats.roles import RoleMap
from alliance.model.formats.source import RawSession, Source
from alliance.serve.formats.label_studio_back import read_annotations
from alliance.serve.formats.label_table import LabelTable
from alliance.serve.inputs import STDIN, Reading, find_files, why_unread
from alliance.serve.wording import counted

__all__ = ["ValidationReport", "validate_files"]

Tell = Callable[[str], None]

_BY_ROWS: Final = ("csv", "tsv", "jsonl")
_MOST: Final = 100  # problems of one file that stop its reading
_LARGEST: Final = 50_000_000  # bytes of a file that is read again after a problem


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """What was looked at.

    Attributes:
        files: all files.
        sessions: sessions of transcripts that could be read to their end.
        turns: turns in them.
        problems: how many were told.
        bad_files: files with any.
    """

    files: int
    sessions: int
    turns: int
    problems: int
    bad_files: int

    def __str__(self) -> str:
        seen = f"{counted(self.files, 'file')} looked through"
        if not self.problems:
            return f"{seen}; nothing wrong"
        return f"{seen}; {counted(self.problems, 'problem')} in {self.bad_files:,}"


def validate_files(
    inputs: Sequence[str | Path], *, reading: Reading | None = None, tell: Tell
) -> ValidationReport:
    """Read every file to its end and tell each problem as ``file:line what is wrong, what to do``.

    Args:
        inputs: transcripts, tables of labels, codings, exports of Label Studio, folders of them.
        reading: roles, columns, encoding and format of the inputs.
        tell: called with each problem.

    Raises:
        InputError: if no input is found, or an argument is out of its range.
    """
    files = find_files(inputs)
    sessions = turns = problems = bad = 0
    for file in files:
        check = _FileCheck(file, reading or Reading())
        try:
            check.run()
        except TranscriptError as error:
            check.note(error)
        except (MissingExtraError, OSError) as error:
            check.note(TranscriptError(why_unread(str(file), error)))
        for problem in check.in_order():
            tell(problem)
        sessions, turns = sessions + check.sessions, turns + check.turns
        problems += check.problems
        bad += check.problems > 0
    return ValidationReport(len(files), sessions, turns, problems, bad)


class _FileCheck:
    def __init__(self, file: Path | str, reading: Reading) -> None:
        self._file = file
        self._name = str(file)
        self._reading = reading
        self._found: dict[str, int] = {}  # each problem with its line
        self._data: bytes | None = None  # what can be read again without a row
        self._encoding = reading.encoding
        self.sessions = self.turns = 0

    @property
    def problems(self) -> int:
        return len(self._found)

    def note(self, problem: TranscriptError) -> None:
        """Keep a problem; the same one again is one."""
        self._found.setdefault(str(problem), problem.line or 0)

    def in_order(self) -> list[str]:
        """The problems by their lines; first those of the file as a whole."""
        return sorted(self._found, key=self._found.__getitem__)

    def run(self) -> None:
        """Look through the file.

        Raises:
            TranscriptError: at a problem that ends the reading.
            OSError: if it cannot be read.
        """
        if self._file == STDIN or (
            # Others stay with their folder, where a ConvoKit corpus says who speaks.
            self._format in _BY_ROWS and Path(self._file).stat().st_size <= _LARGEST
        ):
            self._data = _read(self._file)
        if self._reading.format is not None or not self._is_coding():
            self._transcript()

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self._data is not None:
            yield io.BytesIO(self._data)
        else:
            with Path(self._file).open("rb") as stream:
                yield stream

    def _is_coding(self) -> bool:
        """Whether it is an export of Label Studio or a table of labels; it is checked then."""
        with self._opened() as stream:
            if PurePath(self._name).suffix.lower() == ".json":
                return read_annotations(stream, name=self._name) is not None
            try:
                table = LabelTable.open(self._source(stream))
            except TranscriptError:
                return False  # the reader of transcripts says what is wrong
            if table is None:
                return False
            seen = set()
            for row in table.rows(self.note):
                seen.add(row.values["session_id"])
                self.turns += 1
            self.sessions = len(seen)
        return True

    def _transcript(self) -> None:
        roles: dict[str, Role] = dict(self._reading.roles)
        lines = self._lines()
        for _ in range(_MOST):
            try:
                self._read_through(roles)
            except UnknownSpeakerError as error:
                self.note(error)
                new = dict.fromkeys(error.speakers, Role.OTHER)
                if new.keys() <= roles.keys():
                    return
                roles |= new
            except TranscriptError as error:
                self.note(error)
                if lines is None or not _take_out(lines, error.line):
                    return
                self._data = "".join(lines).encode("utf-8")
                self._encoding = None
            else:
                return
        self.note(
            TranscriptError(
                f"expected a file with fewer problems, found more than {_MOST}; mend those below "
                f"first",
                source=self._name,
            )
        )

    def _read_through(self, roles: Mapping[str, Role]) -> None:
        sessions = turns = with_labels = 0
        reading = replace(self._reading, roles=roles, encoding=self._encoding)
        with self._opened() as stream:
            for session in reading.sessions(stream, name=self._name):
                sessions += 1
                turns += len(session.turns)
                with_labels += any(turn.role is not Role.OTHER for turn in session.turns)
        self.sessions, self.turns = sessions, turns
        with self._opened() as stream:
            source = self._source(stream, roles)
            for raw in FORMATS[self._format].read(source):
                for problem in _order_problems(raw, source):
                    self.note(problem)
        if not with_labels and len(roles) == len(self._reading.roles):
            self.note(
                TranscriptError(
                    "expected turns of a therapist or a client, found none; say who speaks with "
                    "--role NAME=client",
                    source=self._name,
                )
            )

    @property
    def _format(self) -> str:
        path = PurePath(self._name)
        known = NAMES.get(path.name.lower()) or SUFFIXES.get(path.suffix.lower(), "")
        return self._reading.format or known

    def _lines(self) -> list[str] | None:
        """The lines of a file whose rows can be taken out one by one; None for others."""
        if self._format not in _BY_ROWS or self._data is None:
            return None
        with self._opened() as stream:
            try:
                return list(self._source(stream).lines())
            except TranscriptError:
                return None

    def _source(self, stream: BinaryIO, roles: Mapping[str, Role] | None = None) -> Source:
        return Source(
            stream,
            self._name,
            RoleMap(self._reading.roles if roles is None else roles),
            check_columns(self._reading.columns),
            check_encoding(self._encoding),
        )


def _read(file: Path | str) -> bytes:
    if file == STDIN:
        return sys.stdin.buffer.read()
    return Path(file).read_bytes()


def _take_out(lines: list[str], line: int | None) -> bool:
    """Empty the record that begins on a line; False if there is none, or it is the header."""
    header = next((n for n, text in enumerate(lines, 1) if text.strip()), 0)
    if line is None or line <= header or line > len(lines) or not lines[line - 1].strip():
        return False
    quotes, last = 0, line
    for last in range(line, len(lines) + 1):
        quotes += lines[last - 1].count('"')
        if quotes % 2 == 0:
            break
    else:
        last = line  # a quote that is never closed: what follows is looked at all the same
    for place in range(line - 1, last):
        lines[place] = "\n"
    return True


def _order_problems(session: RawSession, source: Source) -> Iterator[TranscriptError]:
    start: int | None = None
    lines: dict[str, int | None] = {}
    for turn in session.turns:
        if turn.utterance_id:
            if turn.utterance_id in lines:
                at = lines[turn.utterance_id]
                where = "further up" if at is None else f"of line {at}"
                yield source.error(
                    f"expected each utterance's identifier once in a session, found the one "
                    f"{where} again; correct one of the two",
                    line=turn.line,
                )
            lines.setdefault(turn.utterance_id, turn.line)
        if turn.start_ms is not None:
            if start is not None and turn.start_ms < start:
                yield source.error(
                    "expected turns in the order of their start, found one that starts before the "
                    "turn above; correct its time, or sort the turns",
                    line=turn.line,
                )
            start = turn.start_ms
