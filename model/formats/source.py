"""A transcript file that is being read, and what its reader hands on.

Readers give :class:`RawSession` objects, with speakers named as in the file and the lines they
came from; roles are settled in one place afterwards (``reading``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import BinaryIO, Final

from alliance.model.errors import TranscriptError
from alliance.model.formats.encoding import read_lines
from alliance.model.formats.roles import RoleMap

_UNNAMED: Final = "stdin"  # the session's id when there is no file name to take it from


@dataclass(frozen=True, slots=True)
class Source:
    """An open file and how it is to be read.

    Attributes:
        stream: its bytes; never closed here.
        name: the file's name for errors, ``-`` for standard input.
        roles: who the speakers are; plain text needs it to tell speakers from other words.
        columns: the caller's names of columns, by field.
        encoding: a codec's name, or None.
        place: what people call a line of a file that is no text; None for ``file:line``.
        part: the part of the file that is read (a sheet), where several hold sessions.
    """

    stream: BinaryIO
    name: str
    roles: RoleMap
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    place: Callable[[int], str] | None = None
    part: str = ""

    @property
    def stem(self) -> str:
        """The file's name without folder and suffix: the id of a session that has none."""
        stem = PurePath(self.name).stem.strip()
        stem = stem if stem and self.name != "-" else _UNNAMED
        return f"{stem} {self.part}" if self.part else stem

    @property
    def folder(self) -> Path | None:
        """The folder of the file that was opened; None for what came through a pipe or the web.

        It goes by the stream, since a name may have been sent along and be anyone's.
        """
        opened = getattr(self.stream, "name", None)
        if not isinstance(opened, str) or not Path(opened).is_file():
            return None
        return Path(opened).parent

    def lines(self) -> Iterator[str]:
        """The lines, each with its line end.

        Raises:
            TranscriptError: if the file is not text in the encoding.
        """
        return read_lines(self.stream, name=self.name, encoding=self.encoding)

    def error(self, problem: str, *, line: int | None = None) -> TranscriptError:
        """An error that names this file."""
        return TranscriptError(problem, source=self.name, line=line, place=self.where(line))

    def where(self, line: int | None) -> str:
        """What people call that line; empty where its number says it all."""
        return "" if line is None or self.place is None else self.place(line)


# Not frozen: one is made per turn of a corpus, and frozen ones take several times as long to make.
@dataclass(slots=True)
class RawTurn:
    """A turn as the file has it.

    Attributes:
        speaker: the speaker's name in the file.
        text: what was said, verbatim.
        line: where it starts in the file, counted from 1; None in a JSON document.
        start_ms: start in milliseconds.
        end_ms: end in milliseconds.
        utterance_id: the file's own identifier of the turn.
        role: what the file says of the speaker's role, where it says it apart from the name.
    """

    speaker: str
    text: str
    line: int | None
    start_ms: int | None = None
    end_ms: int | None = None
    utterance_id: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class RawSession:
    """A session as the file has it; ``line`` is where it starts.

    ``client_id``, ``date`` (ISO 8601) and ``number`` are as in
    :class:`~alliance.model.session.Session`; ``source`` is the part of the file it stands in, where
    errors name that; ``advice`` is what the format lets the user do about a speaker who is none.
    """

    id: str
    turns: list[RawTurn]
    line: int | None
    client_id: str | None = None
    date: str | None = None
    number: int | None = None
    source: Source | None = None
    advice: str = ""
