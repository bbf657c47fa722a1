"""Rows of labelled turns back into labelled sessions, and the writers that take whole sessions."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from alliance.model.codebook import LABELS, Label, Marker
from alliance.model.errors import ConfigError
from alliance.model.labelled import (
    LabelledSession,
    LabelledTurn,
    ModelInfo,
    Probabilities,
    UnlabelledReason,
    unlabelled_reason,
)
from alliance.model.session import Session, Turn
from alliance.serve.formats.writer import LabelWriter, Row, WriterOptions

__all__ = ["SessionWriter", "SingleSessionWriter", "labelled_session", "labelled_sessions"]


class SessionWriter(LabelWriter):
    """A writer that takes whole sessions; rows are gathered into them."""

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        super().__init__(stream, options)
        self._gathered: list[Row] = []

    def rows(self, rows: Iterable[Row]) -> None:
        """Gather the rows until their session is complete."""
        for row in rows:
            if self._gathered and row["session_id"] != self._gathered[0]["session_id"]:
                self._finish_rows()
            self._gathered.append(row)

    def session(self, session: LabelledSession) -> None:
        """All turns of one session."""
        self._finish_rows()
        self._add(session)

    def close(self) -> None:
        """Complete the file."""
        self._finish_rows()
        self._end()

    def _finish_rows(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._add(labelled_session(gathered))

    @abstractmethod
    def _add(self, session: LabelledSession) -> None:
        """One more session, complete."""

    @abstractmethod
    def _end(self) -> None:
        """No session follows."""


class SingleSessionWriter(SessionWriter):
    """A writer whose file holds exactly one session."""

    _what: str
    """What the file is, for errors."""

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        super().__init__(stream, options)
        self._only: LabelledSession | None = None

    def _add(self, session: LabelledSession) -> None:
        if self._only is not None:
            raise ConfigError(
                f"expected one session for {self._what}, found more; write one at a time, or a "
                f"table such as .csv"
            )
        self._only = session

    def _end(self) -> None:
        if self._only is None:
            raise ConfigError(f"expected one session for {self._what}, found none; check the input")
        self._write(self._only)

    @abstractmethod
    def _write(self, session: LabelledSession) -> None:
        """Write the file."""


def labelled_sessions(rows: Iterable[Row]) -> Iterator[LabelledSession]:
    """The sessions of a table of labelled turns, one at a time; a session's rows stand together."""
    gathered: list[Row] = []
    for row in rows:
        if gathered and row["session_id"] != gathered[0]["session_id"]:
            yield labelled_session(gathered)
            gathered = []
        gathered.append(row)
    if gathered:
        yield labelled_session(gathered)


def labelled_session(rows: Iterable[Row]) -> LabelledSession:
    """One session from its rows, in the order of its turns.

    The inverse of :func:`alliance.serve.table.row`. Of codings, which say less: a marker alone
    gives the label, and a label without probabilities counts as certain. The name of the model is
    that of the first row that has one.

    Raises:
        ValueError: if there are no rows, or the values of one contradict each other.
    """
    rows = list(rows)
    made = tuple(_turn(index, row) for index, row in enumerate(rows))
    name = next((model for row in rows if (model := row.get("model"))), "")
    session = Session(str(rows[0]["session_id"]), tuple(turn.turn for turn in made))
    return LabelledSession(session, made, ModelInfo(str(name)))


def _turn(index: int, row: Row) -> LabelledTurn:
    turn = Turn(
        row["speaker"],
        row.get("text") or "",
        row.get("start_ms"),
        row.get("end_ms"),
        row.get("utterance_id") or "",
    )
    marker = Marker(row["marker"]) if row.get("marker") else None
    label = None if marker is None else marker.label
    if row.get("label"):
        label = Label(row["label"])
    if label is None:
        given = row.get("unlabelled_reason")
        reason = UnlabelledReason(given) if given else unlabelled_reason(turn)
        # A turn that a coder passed over has words; no writer of sessions tells the two apart.
        return LabelledTurn(index, turn, unlabelled_reason=reason or UnlabelledReason.NO_WORDS)
    shares = [row.get(f"p_{each.value}") for each in LABELS]
    if any(share is None for share in shares):
        shares = [float(each is label) for each in LABELS]
    p_marker = row.get("p_marker")
    return LabelledTurn(
        index,
        turn,
        label=label,
        probabilities=Probabilities(*(float(share) for share in shares if share is not None)),
        marker=marker,
        p_marker=None if marker is None else 1.0 if p_marker is None else p_marker,
        abstained=bool(row.get("abstained")),
        truncated=bool(row.get("truncated")),
    )
