"""Rows, one turn each, into sessions: what tables and JSON lines of turns share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alliance.model.formats.seen import SeenIds
from alliance.model.formats.source import RawSession, RawTurn, Source


@dataclass(slots=True)
class Row:
    """One turn and what its row says of the session; ``session`` is None without a column."""

    turn: RawTurn
    session: str | None = None
    client_id: str | None = None
    date: str | None = None
    number: int | None = None


def sessions_of_rows(rows: Iterable[Row], *, source: Source) -> Iterator[RawSession]:
    """Sessions, one at a time; a session's rows stand together.

    The session's own facts are those of its first row. Rows of a table that has no session
    column are all one session, named after the file.

    Raises:
        TranscriptError: if a session's rows are interrupted by another's, or the session column
            is empty in a row.
    """
    seen = SeenIds()
    session: RawSession | None = None
    for row in rows:
        id_ = source.stem if row.session is None else row.session.strip()
        if not id_:
            raise source.error(
                "expected every row to name its session, found an empty cell; fill it in, or "
                "choose another column with --column session=NAME",
                line=row.turn.line,
            )
        if session is None or id_ != session.id:
            if session is not None:
                yield session
            if not seen.add(id_):
                raise source.error(
                    "expected the rows of a session to stand together, found a row of a session "
                    "that ended further up; sort the table by session",
                    line=row.turn.line,
                )
            session = RawSession(
                id_,
                [],
                row.turn.line,
                client_id=row.client_id,
                date=row.date,
                number=row.number,
                source=source,
            )
        session.turns.append(row.turn)
    if session is not None:
        yield session
