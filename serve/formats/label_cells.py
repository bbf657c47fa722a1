"""One row of a table of labels: its cells, checked as they are taken."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from alliance.model.code_system import OWN, Code
from alliance.model.codebook import LABELS
from alliance.model.errors import TranscriptError
from alliance.model.formats.source import Source
from alliance.model.formats.times import time_ms
from alliance.serve.table import FORMULA_STARTS

__all__ = ["Cells", "Report"]

Report = Callable[[TranscriptError], None]
"""Told of each problem; raising it ends the reading."""

_TRUE: Final = frozenset({"true", "1", "yes"})
_FALSE: Final = frozenset({"false", "0", "no", ""})
_SUM: Final = 1e-3  # by which probabilities may miss 1, as in Probabilities


class Cells:
    """One row's cells by the names of our columns. What is wrong is reported and then empty.

    Args:
        source: the file, for errors.
        names: the table's names of columns, by their lower case.
        cells: the row, by the table's names.
        line: where it stands.
        report: told of what is wrong.
        escaped: whether text may bear the apostrophe that our CSV puts before formulas.
    """

    def __init__(
        self,
        source: Source,
        names: Mapping[str, str],
        cells: Mapping[str, Any],
        line: int,
        report: Report,
        *,
        escaped: bool,
    ) -> None:
        self._source, self._names, self._cells = source, names, cells
        self._line, self._report, self._escaped = line, report, escaped

    def wrong(self, expected: str, found: str, advice: str) -> None:
        """Report a problem of this row."""
        self._report(
            self._source.error(f"expected {expected}, found {found}; {advice}", line=self._line)
        )

    def shown(self, column: str) -> str:
        """The cell for an error: only what looks like a code, since it may be speech."""
        word = self.word(column)
        return f"'{word}'" if len(word) <= 30 and len(word.split()) <= 2 else "something else"

    def text(self, column: str) -> str:
        """A cell as it stands; empty if there is none."""
        value = self._value(column)
        if value is None:
            return ""
        text = value if isinstance(value, str) else str(value)
        # The apostrophe that our CSV puts before what a spreadsheet would compute.
        if self._escaped and text.startswith("'") and text[1:].startswith(FORMULA_STARTS):
            return text[1:]
        return text

    def word(self, column: str) -> str:
        """A name or number without the space around it; empty if there is none."""
        value = self._value(column)
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return self.text(column).strip()

    def whole(self, column: str) -> int | None:
        """A whole number from 0, or None."""
        word = self.word(column)
        if not word:
            return None
        if not (word.isascii() and word.isdigit() and len(word) < 9):
            self.wrong(f"'{column}' as a whole number from 0", self.shown(column), "correct it")
            return None
        return int(word)

    def time(self, column: str) -> int | None:
        """Milliseconds, or None."""
        word = self.word(column)
        ms = time_ms(word, unit_ms=True) if word else None
        if word and ms is None:
            self.wrong(f"'{column}' in milliseconds", self.shown(column), "correct it")
        return ms

    def share(self, column: str) -> float | None:
        """A probability, or None."""
        word = self.word(column)
        if not word or word.casefold() == "nan":
            return None
        try:
            share = float(word)
        except ValueError:
            share = math.nan
        if not 0.0 <= share <= 1.0:
            self.wrong(f"'{column}' as a probability (0-1)", self.shown(column), "correct it")
            return None
        return share

    def shares(self, *, has_label: bool) -> dict[str, float | None]:
        """The four probabilities by column, or four times None."""
        names = [f"p_{label.value}" for label in LABELS]
        shares = {name: self.share(name) for name in names}
        given = [share for share in shares.values() if share is not None]
        if not given or not all(self.word(name) for name in names):
            if given:
                self.wrong("all four probabilities or none", str(len(given)), "complete the row")
            return dict.fromkeys(names)
        if len(given) < len(names):
            return dict.fromkeys(names)  # it has been told which one is wrong
        if abs(math.fsum(given) - 1.0) > _SUM:
            total = f"{math.fsum(given):.4f}"
            self.wrong("probabilities that sum to 1", total, "correct them")
            return dict.fromkeys(names)
        if not has_label:
            self.wrong("a label beside the probabilities", "none", "fill it in")
        return shares

    def truth(self, column: str) -> bool | None:
        """Whether a cell says yes; None without such a column."""
        if column not in self._names:
            return None
        word = self.word(column).casefold()
        if word not in _TRUE | _FALSE:
            self.wrong(f"'{column}' as true or false", self.shown(column), "correct it")
        return word in _TRUE

    def code(self, column: str) -> Code | None:
        """What the code in a cell stands for, or None."""
        try:
            return OWN.read(self.word(column))
        except LookupError:
            known = ", ".join(label.value for label in LABELS)
            what = f"a label ({known}) or a marker in '{column}'"
            self.wrong(what, self.shown(column), "correct it")
            return None

    def _value(self, column: str) -> Any:
        return self._cells.get(self._names.get(column.strip().casefold(), column))
