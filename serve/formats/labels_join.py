"""Labels of one table put to the turns of a transcript."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from alliance.model.codebook import Role
from alliance.model.errors import TranscriptError
from alliance.model.formats.roles import RoleMap
from alliance.model.formats.source import Source
from alliance.model.session import Session
from alliance.serve.formats.columns import TURN_COLUMNS
from alliance.serve.formats.label_table import LabelRow, LabelTable
from alliance.serve.formats.writer import Row
from alliance.serve.wording import counted

__all__ = ["LabelIndex", "turn_rows"]

_LISTED: Final = 5


def turn_rows(session: Session) -> Iterator[dict[str, Any]]:
    """The turns of a session as rows without labels."""
    for index, turn in enumerate(session.turns):
        yield {
            "session_id": session.id,
            "turn": index,
            "utterance_id": turn.utterance_id,
            "speaker": turn.speaker,
            "role": turn.role.value,
            "start_ms": turn.start_ms,
            "end_ms": turn.end_ms,
            "text": turn.text,
        }


@dataclass(slots=True)
class LabelIndex:
    """The rows of a table of labels, by session and turn; they are held in memory.

    Attributes:
        source: the table's name.
        columns: the columns that its rows fill.
    """

    source: Path
    columns: tuple[str, ...]
    _rows: dict[str, dict[int | str, LabelRow]] = field(default_factory=dict)
    _names_sessions: bool = True
    _used: set[str] = field(default_factory=set)
    _bare: dict[str, int] = field(default_factory=dict)  # turns without a row, by session

    @classmethod
    def read(cls, path: Path, *, roles: RoleMap) -> "LabelIndex":
        """Read a table of labels.

        Raises:
            TranscriptError: if it is none, cannot be read, or something is wrong with it.
        """
        try:
            stream = path.open("rb")
        except OSError as error:
            raise TranscriptError(
                f"expected a table of labels, found: {error.strerror or error}; correct --labels",
                source=path,
            ) from error
        with stream:
            table = LabelTable.open(Source(stream, str(path), roles))
            if table is None:
                raise TranscriptError(
                    "expected a table of labels (turn, label, …), found none; give one that "
                    "`alliance label` wrote, or a coding",
                    source=path,
                )
            columns = tuple(name for name in table.columns if name not in TURN_COLUMNS)
            index = cls(path, columns, _names_sessions=table.names_sessions)
            for row in table.one_coding():
                turn, utterance = row.values["turn"], row.values["utterance_id"]
                rows = index._rows.setdefault(row.values["session_id"], {})
                rows[utterance if turn is None else turn] = row
        return index

    def join(self, session: Session, rows: Iterable[Row], source: str) -> Iterator[Row]:
        """The turns of a session with their labels; a turn without a row stays without.

        Raises:
            TranscriptError: if the table has labels of turns that the session lacks, of turns that
                say something else, or of another speaker's.
        """
        # A table that names no session is of the one that it is given for.
        key = session.id if self._names_sessions else next(iter(self._rows), "")
        known = self._rows.get(key, {})
        self._used.add(key)
        bare, met = 0, 0
        for row in rows:
            label = known.get(row["turn"]) or known.get(row["utterance_id"])
            if label is None:
                bare += 1
                yield row
                continue
            met += 1
            self._check(row, label, session)
            given = {name: label.values.get(name) for name in self.columns}
            yield {**row, **given}
        self._bare[session.id] = bare
        if met < len(known):
            raise TranscriptError(
                f"expected the turns of session '{session.id}' as in {source}, which has "
                f"{counted(len(session.turns), 'turn')}, found labels of "
                f"{counted(len(known) - met, 'turn')} more; check that the labels are of this "
                f"transcript",
                source=self.source,
            )

    def check_sessions(self) -> None:
        """Refuse transcripts without labels beside labels without a transcript.

        Labels of further sessions are no fault: a corpus's table serves each of its transcripts.

        Raises:
            TranscriptError: which names some of both.
        """
        bare = [session for session in self._used if session not in self._rows]
        unused = self._unused()
        if bare and unused:
            raise TranscriptError(
                f"expected labels of every session of the transcripts, found none of "
                f"{_listed(bare)} but of {_listed(unused)}; give their transcripts, or correct "
                f"session_id",
                source=self.source,
            )

    def notes(self) -> list[str]:
        """What the user should know of the join."""
        bare, unused = sum(self._bare.values()), len(self._unused())
        notes = [f"{counted(bare, 'turn')} without a row in {self.source}"] if bare else []
        if unused:
            notes.append(f"{self.source} labels {counted(unused, 'session')} more, not among these")
        return notes

    def _unused(self) -> list[str]:
        return [session for session in self._rows if session not in self._used]

    def _check(self, row: Row, label: LabelRow, session: Session) -> None:
        said, here = str(label.values["text"]).split(), str(row["text"]).split()
        if said and said != here:
            raise TranscriptError(
                f"expected the words of turn {row['turn']} of session '{session.id}' as in the "
                f"transcript, found others; check that the labels are of this transcript",
                source=self.source,
                line=label.line,
            )
        role = session.turns[row["turn"]].role
        if label.values["label"] and role is Role.OTHER:
            raise TranscriptError(
                f"expected labels on turns of client and therapist alone, found one on turn "
                f"{row['turn']} of session '{session.id}', which is another speaker's; say who "
                f"speaks with --role NAME=client",
                source=self.source,
                line=label.line,
            )


def _listed(ids: Iterable[str]) -> str:
    shown = sorted(ids)
    more = ", …" if len(shown) > _LISTED else ""
    return ", ".join(f"'{each}'" for each in shown[:_LISTED]) + more
