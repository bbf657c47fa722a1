"""Reports as files: of one session, or of many with a page over them."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from alliance.model.errors import InputError
from alliance.model.explanation import TurnExplanation
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session
from alliance.model.timeline import timeline
from alliance.serve.inputs import STDIN, UNREAD, Reading, find_files, why_unread
from alliance.serve.output import open_output
from alliance.serve.progress import Progress
from alliance.serve.report.names import Names
from alliance.serve.report.overview import Overview, SessionRow
from alliance.serve.report.render import render_overview, render_report
from alliance.serve.report.view import TimelineView

__all__ = ["view_of", "write_report", "write_reports"]

_SUFFIXES: Final = (".html", ".htm")
_INDEX: Final = "index.html"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_NAME: Final = 60  # characters of a session's id in a file's name


class Labeller(Protocol):
    """What labels a session for several purposes with one reading."""

    name: str

    def label_for(self, session: Session) -> dict[Purpose, LabelledSession]:
        """Label a session for every purpose."""
        ...


def view_of(
    labelled: dict[Purpose, LabelledSession],
    *,
    purpose: Purpose = Purpose.RESEARCH,
    explanations: Sequence[TurnExplanation] = (),
    names: Names = Names.HIDE,
    include_text: bool = True,
) -> TimelineView:
    """The view of a session that was labelled for every purpose.

    Args:
        labelled: the session's labels for each purpose.
        purpose: which is shown first.
        explanations: what labels under ``purpose`` rest on.
        names: whether others' names are kept.
        include_text: whether what was said is shown.
    """
    return TimelineView.from_timelines(
        (
            timeline(one, explanations=explanations if name is purpose else ())
            for name, one in labelled.items()
        ),
        chosen=purpose,
        names=names,
        include_text=include_text,
    )


def write_report(view: TimelineView, path: Path) -> None:
    """Write one session's report; the file appears whole or not at all.

    Args:
        view: what it shows.
        path: the file; ``-`` is standard output.

    Raises:
        InputError: if the path is a folder or lies in none.
        OSError: if it cannot be written.
    """
    _write(path, render_report(view))


def write_reports(
    inputs: Sequence[str | Path],
    output: Path,
    *,
    labeller: Labeller,
    reading: Reading | None = None,
    purpose: Purpose = Purpose.RESEARCH,
    names: Names = Names.HIDE,
    include_text: bool = True,
    progress: Progress | None = None,
) -> Overview:
    """Write a page over many sessions, and each one's report beside it.

    An input that cannot be read is named, on the page too, and the rest goes on. Every file
    appears whole, the overview last. Memory holds the sessions of one input at a time.

    Args:
        inputs: files, folders (see :func:`~alliance.serve.inputs.find_files`), ``-`` for
            standard input.
        output: a folder, which is made if its parent is there: the overview is its
            ``index.html``. Or a file ending in ``.html``: the overview alone, without reports.
        labeller: what labels the sessions.
        reading: roles, columns, encoding and format of the inputs.
        purpose: whose labels are counted, and shown first in the reports.
        names: whether others' names are kept.
        include_text: whether the reports have what was said; the overview never has.
        progress: told how far the batch is, and of failures.

    Raises:
        InputError: if no input is found, or the output cannot stand where it is asked for.
        OSError: if the output cannot be written.
    """
    alone = output.suffix.lower() in _SUFFIXES
    progress = progress or Progress()
    files = find_files(inputs, output=output if alone else None)
    if not alone:
        _make_folder(output)
    rows: list[SessionRow] = []
    failures: list[str] = []
    turns = 0
    progress.start(len(files))
    for done, file in enumerate(files, start=1):
        try:
            sessions = list(_sessions(file, reading or Reading()))
        except UNREAD as error:
            told = why_unread(str(file), error)
            progress.complain(told)
            # The page may be handed on; where its maker's files lie is nobody's business.
            failures.append(told.replace(str(file), Path(file).name))
            sessions = []
        for session in sessions:
            view = view_of(
                labeller.label_for(session),
                purpose=purpose,
                names=names,
                include_text=include_text,
            )
            report = "" if alone else _file_name(len(rows) + 1, session.id)
            if report:
                write_report(view, output / report)
            rows.append(SessionRow.of(view, report=report))
            turns += len(session.turns)
        progress.advance(done=done, turns=turns)
    overview = Overview(
        rows=tuple(sorted(rows, key=lambda row: -row.unrepaired)),
        failures=tuple(failures),
        model=labeller.name,
        purpose=purpose,
    )
    _write(output if alone else output / _INDEX, render_overview(overview))
    return overview


def _sessions(file: Path | str, reading: Reading) -> Iterator[Session]:
    if file == STDIN:
        return reading.sessions(sys.stdin.buffer, name=STDIN)
    return reading.sessions(Path(file))


def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder}: expected a folder or a file ending in .html, found another file; "
            f"name one of the two"
        )
    if not folder.exists() and not folder.parent.is_dir():
        raise InputError(f"{folder}: expected an existing folder above it, found none; make it")
    folder.mkdir(exist_ok=True)


def _file_name(number: int, session_id: str) -> str:
    """A name that any system takes, of its own whatever the ids are."""
    plain = _UNSAFE.sub("_", session_id)[:_MOST_NAME].strip("._") or "session"
    return f"{number:03}-{plain}.html"


def _write(path: Path, html: str) -> None:
    with open_output(path) as output, output.part() as text:
        text.write(html)
