"""De-identifying many transcripts: one output, one list for review, one file of pseudonyms."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from alliance.model.session import Session
from alliance.serve.deidentify.kinds import Finder, Kind
from alliance.serve.deidentify.names import is_name
from alliance.serve.deidentify.pseudonyms import Pseudonyms
from alliance.serve.deidentify.sessions import Deidentified, Replacement, deidentify
from alliance.serve.formats.columns import TRANSCRIPT_COLUMNS
from alliance.serve.formats.labels_join import turn_rows
from alliance.serve.formats.registry import open_writer
from alliance.serve.formats.writer import WriterOptions
from alliance.serve.inputs import UNREAD, Reading, find_files, why_unread
from alliance.serve.output import open_output
from alliance.serve.table import TableFormat, TableWriter
from alliance.serve.wording import counted

__all__ = ["DeidReport", "deidentify_files"]

_REVIEW: Final = ("session_id", "turn", "kind", "rule", "found", "replaced_by")
_JSON_LINES: Final = "jsonl"


@dataclass(slots=True)
class DeidReport:
    """What was replaced.

    Attributes:
        sessions: sessions written.
        turns: turns in them.
        changed: turns in which something was replaced.
        replaced: pieces by kind.
        left: pieces that may tell who somebody is, left as they are for a person to judge.
        failures: one sentence per input that could not be read.
    """

    sessions: int = 0
    turns: int = 0
    changed: int = 0
    replaced: Counter[Kind] = field(default_factory=Counter)
    left: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, made: Deidentified) -> None:
        """Count one session."""
        self.sessions += 1
        self.turns += len(made.session.turns)
        self.changed += len({one.turn for one in made.replacements if one.replaced_by is not None})
        for one in made.replacements:
            if one.replaced_by is None:
                self.left += 1
            else:
                self.replaced[one.kind] += 1

    def __str__(self) -> str:
        kinds = ", ".join(
            f"{kind.value} {self.replaced[kind]:,}" for kind in Kind if self.replaced[kind]
        )
        left = f"; left for you to judge: {self.left:,}" if self.left else ""
        return (
            f"{counted(self.sessions, 'session')}, {counted(self.turns, 'turn')}; replaced in "
            f"{counted(self.changed, 'turn')}: {kinds or 'nothing'}{left}"
        )


def deidentify_files(
    inputs: Sequence[str],
    output: Path,
    *,
    format_name: str,
    pseudonyms: Pseudonyms,
    reading: Reading | None = None,
    names: Sequence[str] = (),
    review: Path | None = None,
    more: Sequence[Finder] = (),
    all_capitals: bool = False,
    complain: Callable[[str], None],
) -> DeidReport:
    """Write de-identified transcripts.

    A file that cannot be read to its end adds nothing. Both outputs appear whole or not at all.

    Args:
        inputs: files and folders.
        output: the table, or JSON lines with a session on each.
        format_name: ``jsonl``, or a key of :data:`alliance.serve.formats.registry.WRITERS`.
        pseudonyms: what stands in for what; new ones are added.
        reading: roles, columns, encoding and format; names that have a role are known.
        names: further names that are known.
        review: the list of what was replaced, and of what was left for a person to judge. It
            tells what was said.
        more: further finders.
        all_capitals: whether every word with a capital within a sentence is taken for a name.
        complain: told of each input that fails.

    Raises:
        InputError: if nothing is found to read, or an output cannot stand where it is asked for.
        OSError: if an output cannot be written.
    """
    reading = reading or Reading()
    known = [*names, *(name for name in reading.roles if is_name(name))]
    report = DeidReport()
    with ExitStack() as stack:
        write = stack.enter_context(_sessions_to(output, format_name))
        note = stack.enter_context(_review_to(review))
        for file in find_files(inputs, output=output):
            try:
                # Read to the end first: what cannot be leaves nothing of itself in the outputs.
                for _ in reading.sessions(Path(file)):
                    pass
            except UNREAD as error:
                report.failures.append(why_unread(str(file), error))
                complain(report.failures[-1])
                continue
            for session in reading.sessions(Path(file)):
                made = deidentify(
                    session, pseudonyms, names=known, more=more, all_capitals=all_capitals
                )
                write(made.session)
                note(made.replacements)
                report.add(made)
    return report


@contextmanager
def _sessions_to(path: Path, name: str) -> Iterator[Callable[[Session], None]]:
    if name == _JSON_LINES:
        with open_output(path) as output, output.binary_part() as stream:
            yield lambda session: _line(stream, session)
        return
    options = WriterOptions(columns=TRANSCRIPT_COLUMNS)
    with open_writer(path, name, options=options) as writer:
        yield lambda session: writer.rows(turn_rows(session))


def _line(stream: BinaryIO, session: Session) -> None:
    values = session.to_dict()
    for turn, said in zip(session.turns, values["turns"], strict=True):
        said["role"] = turn.role.value  # else who goes by a pseudonym would be asked for
    text = json.dumps(values, ensure_ascii=False) + "\n"
    stream.write(text.encode("utf-8", "replace"))


@contextmanager
def _review_to(path: Path | None) -> Iterator[Callable[[Sequence[Replacement]], None]]:
    if path is None:
        yield lambda replacements: None
        return
    with open_output(path) as output, output.part() as stream:
        writer = TableWriter(stream, table_format=TableFormat.CSV, columns=_REVIEW)
        writer.header()
        yield lambda replacements: writer.rows(
            {
                "session_id": one.session,
                "turn": one.turn,
                "kind": one.kind.value,
                "rule": one.rule,
                "found": one.found,
                "replaced_by": one.replaced_by,
            }
            for one in replacements
        )
