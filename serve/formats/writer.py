"""What every writer of labels has in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from alliance.model.errors import MissingExtraError
from alliance.model.labelled import LabelledSession
from alliance.serve.formats.columns import Column, chosen
from alliance.serve.table import COLUMNS, row

__all__ = ["LabelWriter", "Row", "WriterOptions", "missing_library"]

EXTRA: Final = "formats"

Row = Mapping[str, Any]
"""A turn's values by column, as :func:`alliance.serve.table.row` gives them."""


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How a file is to be written.

    Attributes:
        include_text: whether what was said goes into it.
        columns: names of a table's columns, in order; the text is among them all the same.
        original: the file that a tier is added to (``.eaf``, ``.TextGrid``).
    """

    include_text: bool = True
    columns: tuple[str, ...] = COLUMNS
    original: Path | None = None


class LabelWriter(ABC):
    """Writes labelled turns to a binary stream, as one kind of file.

    Args:
        stream: where the bytes go; it stays open. Only :meth:`close` makes the file complete.
        options: how to write.

    Raises:
        MissingExtraError: if the library that it needs is not installed.
    """

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        self._stream = stream
        self._options = options

    @property
    def _columns(self) -> tuple[Column, ...]:
        return chosen(self._options.columns, include_text=self._options.include_text)

    @abstractmethod
    def rows(self, rows: Iterable[Row]) -> None:
        """Turns as rows; those of one session stand together, in the order of its turns.

        Raises:
            InputError: if the format cannot hold them.
        """

    def session(self, session: LabelledSession) -> None:
        """All turns of one session.

        Raises:
            InputError: if the format cannot hold it.
        """
        text = self._options.include_text
        self.rows(row(session, turn, include_text=text) for turn in session)

    @abstractmethod
    def close(self) -> None:
        """Write what remains; nothing may follow. A file of no rows is still a valid file.

        Raises:
            InputError: if the format cannot hold what it was given.
        """

    def discard(self) -> None:  # noqa: B027  # most have nothing to let go
        """Give up: let go of what :meth:`close` would have; what was written is not a file."""


def missing_library(what: str) -> MissingExtraError:
    """The error for a library of the ``[formats]`` extra that is not installed.

    Args:
        what: what was asked for, e.g. ``writing .xlsx``.
    """
    return MissingExtraError(what, EXTRA)
