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

MANIFEST_SUFFIX: Final = ".manifest.json"
"""After an output's name: the file that says what went into it."""

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
    path; names that start with a dot are passed over, and so are the output, manifests, Word's
    marks of open files, and what lies beside a ConvoKit corpus's utterances. A file that is named
    stays in the list whether or not it can be read.

    Args:
        inputs: files, folders, or ``-`` for standard input.
        output: the file that will be written.

    Returns:
        Paths, and ``-`` as it was given.

    Raises:
        InputError: if an input is the output, or a folder holds nothing that can be read.
    """
    found: dict[str, Path | str] = {}
    for file in iter_files(inputs, output=output):
        found.setdefault(file_key(file), file)
    return list(found.values())


def iter_files(inputs: Sequence[str | Path], *, output: Path | None = None) -> Iterator[Path | str]:
    """As :func:`find_files`, one by one and however many there are; a file may come twice."""
    target = None if output is None else os.path.realpath(output)
    for given in inputs:
        if str(given) == STDIN:
            yield STDIN
            continue
        path = Path(given)
        if path.is_dir():
            files = (file for file in _walk(path) if os.path.realpath(file) != target)
            first = next(files, None)
            if first is None:
                raise InputError(
                    f"{path}: expected transcripts ({', '.join(sorted(SUFFIXES))}) in this folder, "
                    f"found none; name the files and add --input-format if they end otherwise"
                )
            yield first
            yield from files
        elif os.path.realpath(path) == target:
            raise InputError(
                f"{path}: expected an output that is not also an input; choose another name for -o"
            )
        else:
            yield path


def file_key(file: Path | str) -> str:
    """What tells a file from all others, however it is named."""
    return STDIN if file == STDIN else os.path.realpath(file)


def why_unread(name: str, error: InputError | MissingExtraError | OSError) -> str:
    """One sentence on an input that could not be read, with its name."""
    if isinstance(error, MissingExtraError):
        return f"{name}: {error}"
    if isinstance(error, OSError):
        return (
            f"{name}: expected a readable file, found: {error.strerror or error}; check its name "
            f"and permissions"
        )
    return str(error)


def _walk(folder: Path) -> Iterator[Path]:
    """The transcripts in and below a folder, in the order of their paths' parts."""
    # One folder's names are in memory at a time, not those of a whole corpus.
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return  # a folder that may not be looked into holds nothing for us
    # Beside a corpus's utterances lie what is known of its speakers and other facts.
    is_corpus = any(entry.name in UTTERANCES for entry in entries)
    for entry in entries:
        name = entry.name
        if name.startswith(".") or (entry.is_symlink() and entry.is_dir()):
            continue
        if entry.is_dir():
            yield from _walk(entry)
        elif name.startswith(_PASSED_OVER) or name.endswith(MANIFEST_SUFFIX):
            continue
        elif not (is_corpus and name in COMPANIONS) and entry.suffix.lower() in SUFFIXES:
            yield entry
