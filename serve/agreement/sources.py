"""Which codings the arguments of ``alliance agree`` stand for."""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from alliance.model.code_system import CodeSystem
from alliance.model.codings import Coding, read_codings
from alliance.model.errors import InputError
from alliance.model.formats.roles import RoleMap
from alliance.model.formats.table_rows import SUFFIXES

__all__ = ["gather"]


def gather(
    arguments: Sequence[str],
    *,
    system: CodeSystem | None,
    roles: RoleMap | Mapping[str, str] | None = None,
) -> list[Coding]:
    """The codings that arguments name.

    Each is ``[NAME=]PATH[:COLUMN]``. A folder is one coder, with a table for each session or so;
    ``NAME=`` names a coder otherwise than by file, folder or column.

    Args:
        arguments: as typed.
        system: what the codes stand for; None leaves them as they are.
        roles: speaker's name to role.

    Raises:
        InputError: if there is no such file, a folder holds no tables, or two files of one name
            would be taken for one coder.
        TranscriptError: with file and line, if a table cannot be read.
    """
    codings: list[Coding] = []
    given: dict[str, str] = {}
    for argument in arguments:
        name, path, column = _parts(argument)
        found = [
            coding
            for file in _files(path)
            for coding in read_codings(file, column=column, system=system, roles=roles)
        ]
        if name is None and path.is_dir():
            name = path.resolve().name
        if name is not None:
            coders = dict.fromkeys(coding.coder for coding in found)
            if len(coders) > 1 and not path.is_dir():
                raise InputError(
                    f"{path}: expected the codes of one coder to call '{name}', found those of "
                    f"{', '.join(coders)}; name a column ({path}:COLUMN), or leave the name out"
                )
            found = [dataclasses.replace(coding, coder=name) for coding in found]
        for coder in dict.fromkeys(coding.coder for coding in found):
            if given.setdefault(coder, argument) != argument:
                raise InputError(
                    f"expected each coder by a name of their own, found '{coder}' in "
                    f"{given[coder]} and in {argument}; name them (ANNA={argument})"
                )
        codings += found
    return codings


def _parts(argument: str) -> tuple[str | None, Path, str | None]:
    """Name, path and column; what exists as a whole is a path as a whole."""
    name: str | None = None
    rest = argument
    if not os.path.exists(rest):  # noqa: PTH110  # a Path would turn "" into "."
        before, sign, after = rest.partition("=")
        if sign and before and after:
            name, rest = before.strip(), after
    column: str | None = None
    if not os.path.exists(rest):  # noqa: PTH110  # as above
        before, sign, after = rest.rpartition(":")
        if sign and after and os.path.exists(before):  # noqa: PTH110  # as above
            rest, column = before, after
    return name, Path(rest), column


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted(
        file
        for file in path.rglob("*")
        if file.is_file()
        and file.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not found:
        raise InputError(
            f"{path}: expected tables of codes ({', '.join(SUFFIXES)}) in this folder, found none; "
            f"name the files"
        )
    yield from found
