"""Codings: who gave which turn which code, without the words that were said.

A coding is a table with a row for each turn. It names the session (``session_id``,
``transcript_id`` …), the turn (``turn``, counted from 0, or ``utterance_id``) and the code
(``code``, or ``label`` with or without ``marker``). A table may hold several codings: each column
whose name begins with ``coder_`` is one, or a column ``coder`` names who gave a row's code. Tables
that ``alliance label`` wrote are codings by the model. JSON lines may also hold a whole coded
session a line.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alliance.model.code_system import OWN, Code, CodeSystem
from alliance.model.codebook import Marker, Role
from alliance.model.errors import TranscriptError
from alliance.model.formats.columns import FIELDS, listed
from alliance.model.formats.roles import RoleMap
from alliance.model.formats.source import Source
from alliance.model.formats.table_rows import SUFFIXES, table_rows

__all__ = [
    "CODER_COLUMNS",
    "CODER_PREFIX",
    "SETTLED",
    "SUFFIXES",
    "Coding",
    "CodingTurn",
    "read_codings",
]

SETTLED: Final = "settled"
"""The name of the coding that settles the differences of coders."""

CODER_COLUMNS: Final = ("coder", "rater", "annotator")
"""Names of the column that says who coded a row."""

CODER_PREFIX: Final = "coder_"
"""What columns begin with that hold one coder's codes each."""

_SESSION: Final = (*FIELDS["session"], "id")
_TURN: Final = ("turn", "turn_number", "segment")
_UTTERANCE: Final = ("utterance_id", "utt_id", "turn_id")
_SPEAKER: Final = ("role", *FIELDS["speaker"])
_CODE: Final = ("code", "label", "codes", "coding")
_LARGEST_TURN: Final = 10_000_000

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CodingTurn:
    """One turn of a coding.

    Attributes:
        session: the session's identifier.
        turn: its place in the session, from 0; None where the table gives identifiers alone.
        utterance_id: the source's own identifier, or empty.
        role: who spoke, if the table says so.
        text: the code as it is written; empty for none.
        code: what it stands for, or None for a turn without a code.
        line: where it stands in the file, counted from 1.
    """

    session: str
    turn: int | None
    utterance_id: str
    role: Role | None
    text: str
    code: Code | None
    line: int


@dataclass(frozen=True, slots=True)
class Coding:
    """What one coder said.

    Attributes:
        coder: the coder's name: the column's, or the file's.
        source: the file.
        turns: the coded turns, in file order; those without a code are among them.
        by_model: whether a model made it.
    """

    coder: str
    source: str
    turns: tuple[CodingTurn, ...]
    by_model: bool = False


def read_codings(
    path: Path,
    *,
    column: str | None = None,
    system: CodeSystem | None = OWN,
    roles: RoleMap | Mapping[str, str] | None = None,
    settled: bool = False,
) -> list[Coding]:
    """The codings of one table.

    Args:
        path: a table; see :data:`SUFFIXES`.
        column: the column that holds the codes; None takes every column that begins with
            ``coder_``, else ``code``, else ``label``.
        system: what the codes stand for; None leaves :attr:`CodingTurn.code` empty, for agreement
            about codes of any kind.
        roles: speaker's name to role, where speakers go by their names.
        settled: whether a column ``code`` or ``label`` beside those of coders comes too, first
            and by the name of :data:`SETTLED`.

    Returns:
        One for each column of codes.

    Raises:
        TranscriptError: with file and line, if it is not such a table, names a turn twice, or
            holds a code that is not known.
    """
    role_map = roles if isinstance(roles, RoleMap) else RoleMap(roles)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise TranscriptError(
            f"expected a readable table of codes, found none ({error.strerror}); check its name",
            source=path,
        ) from error
    with stream:
        source = Source(stream, str(path), role_map)
        return _Table(source, table_rows(source), column, system, settled=settled).codings()


class _Table:
    """Finds the columns in the first row, and reads all of them in one go."""

    def __init__(
        self,
        source: Source,
        rows: Iterator[tuple[int, Row]],
        column: str | None,
        system: CodeSystem | None,
        *,
        settled: bool,
    ) -> None:
        self._source = source
        self._rows = rows
        self._column = column
        self._system = system
        self._settled = settled

    def codings(self) -> list[Coding]:
        first = next(self._rows, None)
        if first is None:
            raise self._source.error("expected a table of codes, found no rows; check its export")
        names = list(first[1])
        keys = {name.strip().casefold(): name for name in reversed(names)}
        self._find(keys, names, first[0])
        columns = self._code_columns(keys, names, first[0])
        turns: dict[tuple[str, str], list[CodingTurn]] = {}
        seen: set[tuple[str, int | str, str]] = set()
        by_model = False
        for line, row in self._chained(first):
            session, turn, utterance = self._place(row, line)
            by = "" if self._by is None else _text(row.get(self._by))
            key = (session, utterance if turn is None else turn, by)
            if key in seen:
                raise self._source.error(
                    "expected each turn once, found one that stood further up; delete one of the "
                    "rows",
                    line=line,
                )
            seen.add(key)
            role = self._role(row)
            by_model = by_model or bool(self._model and _text(row.get(self._model)))
            for name in columns:
                text = _text(row.get(name))
                code = None if self._system is None else self._code(text, row, name, line)
                coded = CodingTurn(session, turn, utterance, role, text, code, line)
                turns.setdefault((by, name), []).append(coded)
        several = len(columns) > 1 or self._column is not None
        return [
            Coding(
                coder=by or (self._name(name) if several else self._source.stem),
                source=self._source.name,
                turns=tuple(coded),
                by_model=by_model,
            )
            for (by, name), coded in turns.items()
        ]

    def _name(self, column: str) -> str:
        is_settled = self._settled and not column.strip().casefold().startswith(CODER_PREFIX)
        return SETTLED if is_settled else column

    def _chained(self, first: tuple[int, Row]) -> Iterator[tuple[int, Row]]:
        yield first
        yield from self._rows

    def _find(self, keys: Mapping[str, str], names: Sequence[str], line: int) -> None:
        def one(wanted: Sequence[str]) -> str | None:
            return next((keys[name] for name in wanted if name in keys), None)

        self._session, self._turn, self._utterance = one(_SESSION), one(_TURN), one(_UTTERANCE)
        self._speaker, self._marker, self._model = one(_SPEAKER), one(("marker",)), one(("model",))
        self._by = one(CODER_COLUMNS)
        if self._turn is None and self._utterance is None:
            raise self._source.error(
                f"expected a column that says which turn a code is for (turn or utterance_id), "
                f"found {listed(names)}; rename it",
                line=line,
            )

    def _code_columns(
        self, keys: Mapping[str, str], names: Sequence[str], line: int
    ) -> tuple[str, ...]:
        if self._column is not None:
            if self._column.strip().casefold() not in keys:
                raise self._source.error(
                    f"expected a column '{self._column}', found {listed(names)}; correct its name",
                    line=line,
                )
            return (keys[self._column.strip().casefold()],)
        coders = tuple(n for n in names if n.strip().casefold().startswith(CODER_PREFIX))
        found = next((keys[name] for name in _CODE if name in keys), None)
        if coders:
            return (found, *coders) if self._settled and found is not None else coders
        if found is None:
            raise self._source.error(
                f"expected a column of codes ({', '.join(_CODE)}), found {listed(names)}; name it "
                f"after the file, as in FILE:COLUMN",
                line=line,
            )
        return (found,)

    def _place(self, row: Row, line: int) -> tuple[str, int | None, str]:
        session = self._source.stem if self._session is None else _text(row.get(self._session))
        utterance = "" if self._utterance is None else _text(row.get(self._utterance))
        turn = "" if self._turn is None else _text(row.get(self._turn))
        if not session or not (turn or utterance):
            missing = "session" if not session else "turn"
            raise self._source.error(
                f"expected every row to name its {missing}, found an empty cell; fill it in",
                line=line,
            )
        if not turn:
            return session, None, utterance
        if not (turn.isascii() and turn.isdigit() and int(turn) < _LARGEST_TURN):
            raise self._source.error(
                "expected the turn as a number from 0, found something else; number the turns",
                line=line,
            )
        return session, int(turn), utterance

    def _role(self, row: Row) -> Role | None:
        said = "" if self._speaker is None else _text(row.get(self._speaker))
        return self._source.roles.role(said) if said else None

    def _code(self, text: str, row: Row, column: str, line: int) -> Code | None:
        assert self._system is not None
        try:
            code = self._system.read(text)
        except LookupError as error:
            raise self._source.error(str(error.args[0]), line=line) from None
        marker = "" if self._marker is None else _text(row.get(self._marker))
        if code is None or code.marker or not marker or column.strip().casefold() != "label":
            return code
        try:
            return Code(code.label, Marker(marker))
        except ValueError:
            raise self._source.error(
                "expected a marker of the turn's label, found another; correct one of them",
                line=line,
            ) from None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # what a spreadsheet or pandas makes of a column with empty cells
    return str(value).strip()
