"""Which files a batch reads: files, folders and standard input, turned into a list."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from alliance.model.codebook import Role
from alliance.model.errors import InputError, MissingExtraError
from alliance.model.formats import SUFFIXES, read_sessions
from alliance.model.formats.convokit import COMPANIONS, UTTERANCES
from alliance.model.session import Session

STDIN: Final = "-"

UNREAD: Final = (InputError, MissingExtraError, OSError)
"""The errors by which one input cannot be read and the others can."""

_PASSED_OVER: Final = (".", "~$")  # hidden files, and Word's and Excel's marks of open ones


@dataclass(frozen=True, slots=True)
class Reading:
    """How transcripts are to be read, where their names and contents do not say it.

    Attributes:
        roles: speaker's name to role; overrules what is recognised.
        columns: what a column holds (``text``, ``speaker``, …) to its name in the tables.
        encoding: of text files; None tries UTF-8 and what a byte-order mark says.
        format: the reader to use; None goes by the file's ending and contents.
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    format: str | None = None

    def sessions(self, source: Path | BinaryIO, *, name: str | None = None) -> Iterator[Session]:
        """The sessions of one file, one after another.

        Raises:
            TranscriptError: if it cannot be read.
        """
        return read_sessions(
            source,
            name=name,
            format=self.format,
            roles=self.roles or None,
            columns=self.columns or None,
            encoding=self.encoding,
        )


def find_files(inputs: Sequence[str | Path], *, output: Path | None = None) -> list[Path | str]:
    """The files that the arguments of a command stand for, each once, in the order given.

    A folder stands for all files in it and below it whose ending a reader knows, sorted by their
    path; names that start with a dot are passed over, and so are the output, Word's marks of open
    files, and what lies beside a ConvoKit corpus's utterances. A file that is named stays in the
    list whether or not it can be read.

    Args:
        inputs: files, folders, or ``-`` for standard input.
        output: the file that will be written.

    Returns:
        Paths, and ``-`` as it was given.

    Raises:
        InputError: if an input is the output, or a folder holds nothing that can be read.
    """
    found: dict[str, Path | str] = {}
    target = None if output is None else os.path.realpath(output)
    for given in inputs:
        if str(given) == STDIN:
            found.setdefault(STDIN, STDIN)
            continue
        path = Path(given)
        files: Sequence[Path] = (path,)
        if path.is_dir():
            files = [file for file in sorted(_walk(path)) if os.path.realpath(file) != target]
            if not files:
                raise InputError(
                    f"{path}: expected transcripts ({', '.join(sorted(SUFFIXES))}) in this folder, "
                    f"found none; name the files and add --input-format if they end otherwise"
                )
        elif os.path.realpath(path) == target:
            raise InputError(
                f"{path}: expected an output that is not also an input; choose another name for -o"
            )
        for file in files:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def why_unread(name: str, error: InputError | MissingExtraError | OSError) -> str:
    """One sentence on an input that could not be read, with its name."""
    if isinstance(error, MissingExtraError):
        return f"{name}: {error}"
    if isinstance(error, OSError):
        return f"{name}: expected a readable file, found: {error.strerror or error}"
    return str(error)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        # Beside a corpus's utterances lie what is known of its speakers and other facts.
        is_corpus = not set(UTTERANCES).isdisjoint(files)
        for name in files:
            if name.startswith(_PASSED_OVER) or (is_corpus and name in COMPANIONS):
                continue
            if Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent, name)
