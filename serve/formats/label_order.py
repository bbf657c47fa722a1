"""What is wrong with a table of labels from one row to the next."""

from collections.abc import Mapping
from typing import Any

from alliance.model.formats.source import Source
from alliance.serve.formats.label_cells import Report

__all__ = ["Order"]


class Order:
    """Sessions that are interrupted, turns that are missing or doubled, times that run backwards.

    Args:
        source: the file, for errors.
        report: told of what is wrong.
        complete: whether every turn has to be there, in order.
        times: whether turns have to be in the order of their start.
    """

    def __init__(
        self, source: Source, report: Report, *, complete: bool = True, times: bool = True
    ) -> None:
        self._complete = complete
        self._in_time = times
        self._source = source
        self._report = report
        self._ended: set[str] = set()
        self._session: str | None = None
        self._turns: dict[int | str, int] = {}  # each with its line
        self._last = -1
        self._start: int | None = None

    def check(self, values: Mapping[str, Any], line: int) -> None:
        """Look at the next row: its typed values and its line."""
        session = values["session_id"]
        if session != self._session:
            if self._session is not None:
                self._ended.add(self._session)
            if session in self._ended:
                self._tell(
                    "the rows of a session together",
                    "one of a session that ended further up",
                    "sort the table by session and turn",
                    line,
                )
            self._session, self._last, self._start = session, -1, None
            self._turns = {}
        self._check_turn(values["turn"], values["utterance_id"], line)
        self._check_times(values["start_ms"], values["end_ms"], line)

    def _check_turn(self, turn: int | None, utterance: str, line: int) -> None:
        if turn is not None:
            if turn in self._turns:
                self._tell(
                    "each turn once", f"turn {turn} of line {self._turns[turn]} again",
                    "delete one of the rows", line,
                )  # fmt: skip
            elif self._complete and turn < self._last:
                self._tell(
                    "turns in their order", f"turn {turn} after turn {self._last}",
                    "sort the table by session and turn", line,
                )  # fmt: skip
            elif self._complete and turn > self._last + 1:
                first, last = self._last + 1, turn - 1
                missing = f"turn {first}" if first == last else f"turns {first} to {last}"
                self._tell(
                    "every turn of the session, counted from 0", f"{missing} missing",
                    "add the rows, without a label where there is none", line,
                )  # fmt: skip
            self._turns.setdefault(turn, line)
            self._last = max(self._last, turn)
        if utterance:
            if utterance in self._turns:
                self._tell(
                    "each utterance_id once in a session",
                    f"the one of line {self._turns[utterance]} again",
                    "correct one of the two", line,
                )  # fmt: skip
            self._turns.setdefault(utterance, line)

    def _check_times(self, start: int | None, end: int | None, line: int) -> None:
        if start is not None and end is not None and end < start:
            self._tell("a turn to end after its start", "an earlier end", "correct end_ms", line)
        if start is not None:
            if self._in_time and self._start is not None and start < self._start:
                self._tell(
                    "turns in the order of their start", "one that starts before the turn above",
                    "correct start_ms", line,
                )  # fmt: skip
            self._start = start

    def _tell(self, expected: str, found: str, advice: str, line: int) -> None:
        self._report(self._source.error(f"expected {expected}, found {found}; {advice}", line=line))
