"""The folder beside an output that holds what is finished until the output appears.

``.alliance-NAME.work`` holds the journal (:mod:`alliance.serve.batch.journal`) and nothing else.
Its first record says with what settings the batch began; a run that takes it up again must have
the same ones. It holds what was said (unless ``--no-text``), as the output will. It is removed when
the output has appeared, and while a run goes on no other can use it.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from alliance.model.errors import ConfigError
from alliance.serve.batch.catalogue import Catalogue, KnownSession
from alliance.serve.batch.journal import Entry, Journal
from alliance.serve.batch.settings import changed

__all__ = ["TakenUp", "WorkFolder"]

_FORMAT: Final = 1
_JOURNAL: Final = "journal"


class WorkFolder:
    """The work on one output; use as a context manager.

    Leaving the block keeps what is finished if there is any, else the folder goes.

    Args:
        output: the output that is to appear.

    Raises:
        ConfigError: if another run is working on the same output.
        OSError: if the folder cannot be written.
    """

    def __init__(self, output: Path) -> None:
        real = output.resolve()
        self.path = real.parent / f".alliance-{real.name}.work"
        self.path.mkdir(exist_ok=True)
        self.journal = Journal(self.path / _JOURNAL)
        self.sessions = 0
        """Finished sessions: what would be lost without the folder."""
        try:
            _lock(self.journal.fileno(), output)
        except BaseException:
            self.journal.close()
            raise

    def take_up(
        self, settings: Mapping[str, Any], catalogue: Catalogue, *, resume: bool | None
    ) -> "TakenUp":
        """Fill the catalogue with what an earlier run has finished, or start afresh.

        Args:
            settings: of this run.
            catalogue: holds the inputs of this run.
            resume: True takes up the earlier work, whose settings must be the same; False throws
                it away; None takes it up if the settings are the same.

        Raises:
            ConfigError: if ``resume`` and the settings are not the same.
        """
        entries = self.journal.scan()
        first = next(entries, None)
        differ = None if first is None else _differences(first.record, settings)
        if differ and resume:
            self.sessions = 1  # whatever there is stays
            raise ConfigError(
                f"expected the settings of the unfinished run that --resume goes on with, found "
                f"another {differ}; give the same ones, or start again with --no-resume"
            )
        if first is not None and not differ and resume is not False:
            return self._replay(entries, catalogue)
        held = any("session" in entry.record for entry in entries)
        self.journal.clear()
        self.journal.append({"format": _FORMAT, "settings": settings})
        return TakenUp(thrown_away=differ if held and resume is None else None)

    def _replay(self, entries: Iterator[Entry], catalogue: Catalogue) -> "TakenUp":
        place: int | None = None
        gone: set[str] = set()
        for entry in entries:
            record = entry.record
            if "input" in record:
                place = catalogue.place_of(record["input"])
                if place is None:
                    gone.add(record["input"])
                else:
                    catalogue.begin(place, keep=record["keep"])
            elif place is not None:
                if "session" in record:
                    known = KnownSession(entry.offset, record["digest"], len(record["rows"]))
                    catalogue.add_session(place, known)
                    self.keep()
                else:
                    catalogue.finish(
                        place, sha256=record["sha256"], size=record["size"], error=record["error"]
                    )
        return TakenUp(inputs_gone=len(gone))

    def keep(self) -> None:
        """One more session is finished."""
        self.sessions += 1

    def remove(self) -> None:
        """The output has appeared."""
        self.journal.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.path.exists() and not self.sessions:
            self.remove()
        else:
            self.journal.close()


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What became of the work of an earlier run.

    Attributes:
        thrown_away: the settings that differed, if finished sessions were thrown away for that.
        inputs_gone: inputs that it had begun and that are not among this run's.
    """

    thrown_away: str | None = None
    inputs_gone: int = 0

    def sentences(self) -> Iterator[str]:
        """What the user should know of it."""
        if self.thrown_away:
            yield (
                f"the unfinished run on this output had another {self.thrown_away}; its sessions "
                f"are labelled again"
            )
        if self.inputs_gone:
            yield (
                f"{self.inputs_gone:,} of the unfinished run's inputs are not among the inputs "
                f"now; their rows are left out"
            )


def _differences(record: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The settings of an earlier run that were others, in words; empty if there are none."""
    if record.get("format") != _FORMAT:
        return "version of alliance"
    before = record["settings"]
    told = []
    for name in changed(before, now):
        if name == "versions":
            old, new = before[name], now[name]
            told += [f"{each} ({old.get(each)}, now {new[each]})" for each in changed(old, new)]
        elif name == "--model":
            told.append(f"--model ({before[name][0]}, now {now[name][0]})")
        elif isinstance(now[name], dict):
            told.append(name)  # the names of people are nobody's business here
        else:
            told.append(f"{name} ({before[name]}, now {now[name]})")
    return ", ".join(told)


def _lock(number: int, output: Path) -> None:
    """Keep other runs out for as long as the file is open; death opens it."""
    problem = ConfigError(
        f"{output}: expected an output that nothing else writes, found another run at work on it; "
        f"wait for its end, or choose another name for -o"
    )
    try:
        if sys.platform == "win32":
            import msvcrt

            # A byte far beyond the end, since what is locked there cannot be read.
            os.lseek(number, 1 << 40, os.SEEK_SET)
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise problem from error
