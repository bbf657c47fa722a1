"""Tables of labels and codings: read row by row, and everything wrong with them told.

A table of labels has a row for each turn, with ``session_id``, ``turn`` (or ``utterance_id``) and
a ``label``, a ``marker``, a ``code`` or columns that begin with ``coder_``; the other columns are
those of :mod:`alliance.serve.formats.columns`, none of them needed. Labels may be written in
any way that :data:`alliance.model.code_system.OWN` understands.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePath
from typing import Any, Final

from alliance.model.code_system import Code
from alliance.model.codebook import LABELS, Marker, Role
from alliance.model.codings import CODER_COLUMNS, CODER_PREFIX
from alliance.model.errors import TranscriptError
from alliance.model.formats.source import Source
from alliance.model.formats.table_rows import SUFFIXES, table_rows
from alliance.model.labelled import UnlabelledReason
from alliance.serve.formats.label_cells import Cells, Report
from alliance.serve.formats.label_order import Order

__all__ = ["LabelRow", "LabelTable", "Report"]

_SESSION: Final = ("session_id", "session", "transcript_id")
_SPEAKER: Final = ("speaker", "role", "interlocutor")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One turn's row.

    Attributes:
        line: where it stands in the file.
        values: its values by the names of our columns, typed.
        coder: who coded it, where a column says so.
    """

    line: int
    values: Mapping[str, Any]
    coder: str = ""


class LabelTable:
    """An open table of labels.

    Args:
        source: the file; its roles say who speakers are that go by their names.

    Raises:
        TranscriptError: if its first row cannot be read.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rows = table_rows(source)
        self._first = next(self._rows, None)
        names = [] if self._first is None else [str(name) for name in self._first[1]]
        self._names = {name.strip().casefold(): name for name in reversed(names)}
        self._session = self._one(_SESSION)
        self._speaker = self._one(_SPEAKER)
        self._by = self._one(CODER_COLUMNS)
        coders = [name for key, name in self._names.items() if key.startswith(CODER_PREFIX)]
        own = [self._names[key] for key in ("code", "label") if key in self._names]
        self.codes = tuple(reversed(coders)) or tuple(own[:1])
        """The columns that hold codes; empty where only ``marker`` does."""
        self._escaped = PurePath(source.name).suffix.lower() in (".csv", ".tsv", ".tab")

    @classmethod
    def open(cls, source: Source) -> "LabelTable | None":
        """The table, or None if the file is not one of labels (a transcript, perhaps).

        Raises:
            TranscriptError: if it is a table whose first row cannot be read.
        """
        if PurePath(source.name).suffix.lower() not in SUFFIXES:
            return None
        table = cls(source)
        named = {"turn", "utterance_id"} & table._names.keys()
        return table if named and (table.codes or "marker" in table._names) else None

    @property
    def names_sessions(self) -> bool:
        """Whether a column says which session a row is of; else all are of one."""
        return self._session is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are filled when it is read."""
        here = set(self._names)
        return tuple(
            name
            for name in (
                *("session_id", "turn", "utterance_id", "speaker", "start_ms", "end_ms", "text"),
                *("label", *(f"p_{each.value}" for each in LABELS), "marker", "p_marker"),
                *("abstained", "truncated", "unlabelled_reason", "model"),
            )
            if name in here or name in ("session_id", "turn", "label", "marker")
        )

    def rows(
        self, report: Report, *, complete: bool = True, times: bool = True
    ) -> Iterator[LabelRow]:
        """The rows with what they say; each value that is wrong is reported and left empty.

        Also reported: sessions that are interrupted by others, turns that are doubled, turns that
        end before they start and, if asked for, what else is out of order.

        Args:
            report: told of each problem.
            complete: whether turns that are missing or out of order are reported.
            times: whether turns that start before the one above are reported.

        Raises:
            TranscriptError: if the file is damaged so that it cannot be read further.
        """
        orders: dict[str, Order] = {}  # a coder's rows may stand among another's
        first = [] if self._first is None else [self._first]
        for line, cells in chain(first, self._rows):
            row = Cells(self._source, self._names, cells, line, report, escaped=self._escaped)
            values = self._values(row)
            coder = "" if self._by is None else row.word(self._by)
            if coder not in orders:
                orders[coder] = Order(self._source, report, complete=complete, times=times)
            orders[coder].check(values, line)
            yield LabelRow(line, values, coder)

    def one_coding(self, *, complete: bool = False) -> Iterator[LabelRow]:
        """The rows of a table that holds one person's codes, or a model's.

        Args:
            complete: whether every turn of a session has to be there, in order.

        Raises:
            TranscriptError: at the first thing that is wrong with it, or if it holds several
                people's codes.
        """
        if len(self.codes) > 1:
            raise self._source.error(
                f"expected one person's codes, found columns {', '.join(self.codes)}; keep one of "
                f"them in a copy"
            )
        coder: str | None = None
        for row in self.rows(_raise, complete=complete, times=False):
            if coder is not None and row.coder != coder:
                raise self._source.error(
                    "expected one person's codes, found rows of another coder; keep one coder's "
                    "rows in a copy",
                    line=row.line,
                )
            coder = row.coder
            yield row

    def _values(self, row: "Cells") -> dict[str, Any]:
        session = self._source.stem if self._session is None else row.word(self._session)
        if not session:
            row.wrong("every row to name its session", "an empty cell", "fill it in")
        who = "" if self._speaker is None else row.word(self._speaker)
        role = self._source.roles.role(who) if who else None
        values: dict[str, Any] = {
            "session_id": session or self._source.stem,
            "turn": row.whole("turn"),
            "utterance_id": row.word("utterance_id"),
            "speaker": self._source.roles.speaker(who, role or Role.OTHER) if who else "",
            "start_ms": row.time("start_ms"),
            "end_ms": row.time("end_ms"),
            "text": row.text("text"),
            "model": row.word("model"),
        }
        if values["turn"] is None and not values["utterance_id"]:
            row.wrong("every row to name its turn", "an empty cell", "fill it in")
        code = self._code(row)
        values["label"] = None if code is None else code.label.value
        values["marker"] = None if code is None or code.marker is None else code.marker.value
        values.update(row.shares(has_label=code is not None))
        values["p_marker"] = row.share("p_marker")
        values["abstained"] = row.truth("abstained")
        values["truncated"] = row.truth("truncated")
        values["unlabelled_reason"] = self._reason(row, code)
        if code is not None and who:
            self._check_speaker(row, who, role, code.marker)
        return values

    def _code(self, row: "Cells") -> Code | None:
        if len(self.codes) > 1:
            # Several people's codes: each is looked at, none is the row's own.
            for column in self.codes:
                row.code(column)
            return None
        code = row.code(self.codes[0]) if self.codes else None
        given = row.word("marker")
        if not given or (self.codes and self.codes[0].strip().casefold() != "label"):
            return code
        try:
            marker = Marker(given)
        except ValueError:
            known = ", ".join(each.value for each in Marker)
            row.wrong(f"a marker ({known})", row.shown("marker"), "correct it")
            return code
        if code is None:
            if self.codes and not row.word(self.codes[0]):
                row.wrong("a label with the marker", "none", "fill it in, or empty the marker")
            return Code(marker.label, marker)
        if marker.label is not code.label:
            mine = ", ".join(each.value for each in Marker if each.label is code.label)
            row.wrong(
                f"a marker of {code.label.value} ({mine})", marker.value, "correct one of the two"
            )
            return code
        return Code(code.label, marker)

    def _reason(self, row: "Cells", code: Code | None) -> str | None:
        given = row.word("unlabelled_reason")
        if not given:
            return None
        if given not in {reason.value for reason in UnlabelledReason}:
            known = " or ".join(reason.value for reason in UnlabelledReason)
            row.wrong(f"{known} as unlabelled_reason", row.shown("unlabelled_reason"), "correct it")
            return None
        if code is not None:
            row.wrong(
                "a label or a reason for having none",
                "both",
                "empty the label or unlabelled_reason",
            )
            return None
        return given

    def _check_speaker(
        self, row: "Cells", who: str, role: Role | None, marker: Marker | None
    ) -> None:
        if role is None or role is Role.OTHER:
            row.wrong(
                "labels on turns of client and therapist alone",
                "one of another speaker",
                "say who speaks with --role NAME=client, or empty the label",
            )
        elif marker is not None and not marker.may_be_said_by(role):
            others = ", ".join(
                each.value
                for each in Marker
                if each.label is marker.label and each.may_be_said_by(role)
            )
            row.wrong(f"a marker of the {role.value} ({others})", marker.value, "correct it")

    def _one(self, names: tuple[str, ...]) -> str | None:
        return next((self._names[name] for name in names if name in self._names), None)


def _raise(problem: TranscriptError) -> None:
    raise problem
