"""The strip: a whole session at a glance, two speakers' lanes above its episodes and its level.

A column stands for one turn, or for several where the session is long; it then shows the most
telling label of each speaker: confrontation, else withdrawal, else alliance-positive, else
neutral. Columns where a speaker has no labelled turn are blank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from rich.text import Text

from alliance.model.codebook import Label, Role
from alliance.model.labelled import LabelledTurn
from alliance.model.timeline import Timeline
from alliance.serve.signs import STYLES, Signs

__all__ = ["SEVERAL", "UNSURE", "Strip"]

UNSURE: Final = "?"
"""A column that holds nothing but turns on which the model abstains."""
SEVERAL: Final = "+"
"""A column that holds several episodes."""

_MOST_ROWS: Final = 3
_TICK: Final = 10  # columns from one turn number to the next
_NAMES: Final = 10  # columns for the lanes' names
_TELLING: Final = (
    Label.CONFRONTATION,
    Label.WITHDRAWAL,
    Label.ALLIANCE_POSITIVE,
    Label.NEUTRAL,
)


@dataclass(frozen=True)
class Strip:
    """The strip of one timeline at one width.

    Args:
        timeline: the session to show.
        signs: the characters to draw with.
        width: columns of the terminal, the lanes' names included.
    """

    timeline: Timeline
    signs: Signs
    width: int

    @property
    def row_columns(self) -> int:
        """Columns of one row: a multiple of ten where there is room, so that rows compare."""
        room = max(_TICK, self.width - _NAMES)
        return room - room % _TICK

    @property
    def turns_per_column(self) -> int:
        """How many turns one column stands for; the last may stand for fewer."""
        return max(1, -(-len(self.timeline.turns) // (self.row_columns * _MOST_ROWS)))

    @property
    def columns(self) -> int:
        """Columns of the whole session."""
        return -(-len(self.timeline.turns) // self.turns_per_column)

    @property
    def scale(self) -> float:
        """The level shown by the highest sign (the lowest shows its negative)."""
        values = self.timeline.alliance_level.together.value
        return 0.5 if all(abs(value) <= 0.5 for value in values if value is not None) else 1.0

    def lines(self) -> list[Text]:
        """The strip's lines, an empty one after each row of columns."""
        lanes = [("client", self._lane(Role.CLIENT)), ("therapist", self._lane(Role.THERAPIST))]
        episodes = [Text(character) for character in self._episodes()]
        level = [Text(character) for character in self._level()]
        lines = []
        for start in range(0, self.columns, self.row_columns):
            stop = min(start + self.row_columns, self.columns)
            lines.append(_line("turn", [Text(self._ticks(start, stop), style="dim")]))
            for name, cells in (*lanes, ("episodes", episodes), ("level", level)):
                lines.append(_line(name, cells[start:stop]))
            lines.append(Text())
        return lines

    def _ticks(self, start: int, stop: int) -> str:
        axis = ""
        for column in range(start, stop, _TICK):
            axis = axis.ljust(column - start)
            if column == start or axis.endswith(" "):
                axis += str(column * self.turns_per_column)
        return axis

    def _lane(self, role: Role) -> list[Text]:
        per, turns = self.turns_per_column, self.timeline.turns
        return [
            self._cell([turn for turn in turns[start : start + per] if turn.turn.role is role])
            for start in range(0, len(turns), per)
        ]

    def _cell(self, turns: Sequence[LabelledTurn]) -> Text:
        trusted = {turn.label for turn in turns if not turn.abstained}
        for label in _TELLING:
            if label in trusted:
                return Text(self.signs.labels[label], style=STYLES[label])
        return Text(UNSURE if any(turn.abstained for turn in turns) else " ")

    def _episodes(self) -> list[str]:
        per = self.turns_per_column
        spans = [(e.onset // per, e.last // per) for e in self.timeline.episodes]
        marks = [" "] * self.columns
        # A number may reach beyond its episode, if a blank is left before the next.
        limits = [after[0] - 1 for _, after in pairwise(spans)] + [self.columns]
        for number, ((first, last), limit) in enumerate(zip(spans, limits, strict=False), start=1):
            if marks[first] != " ":
                marks[first] = SEVERAL
                first += 1
            if first > last:
                continue
            digits = str(number)
            past = first + len(digits)
            same_row = first // self.row_columns == (past - 1) // self.row_columns
            if past <= limit and same_row:
                marks[first:past] = digits
            else:
                marks[first] = self.signs.point if first == last else self.signs.begin
                past = first + 1
            for column in range(past, last + 1):
                marks[column] = self.signs.end if column == last else self.signs.line
        return marks

    def _level(self) -> list[str]:
        per, levels = self.turns_per_column, self.signs.levels
        values = self.timeline.alliance_level.together.value
        cells = []
        for start in range(0, len(values), per):
            value = values[min(start + per, len(values)) - 1]
            if value is None:
                cells.append(" ")
                continue
            share = (value + self.scale) / (2 * self.scale)
            cells.append(levels[min(len(levels) - 1, int(share * len(levels)))])
        return cells


def _line(name: str, cells: Sequence[Text]) -> Text:
    line = Text(name.ljust(_NAMES), style="")
    for cell in cells:
        line.append_text(cell)
    line.rstrip()
    return line
