"""Options that several commands share, and how ``NAME=VALUE`` is read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alliance.model.codebook import Role
from alliance.model.errors import ConfigError
from alliance.model.formats import FORMATS
from alliance.model.labelled import Purpose
from alliance.serve.report.names import Names

if TYPE_CHECKING:
    from alliance.serve.inputs import Reading

RoleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="NAME=therapist|client|other",
        help="Who a speaker is; overrules what is recognised. May be repeated.",
    ),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="text|speaker|...=NAME",
        help="Which column of a table (or tier of annotations) holds what, e.g. text=utterance. "
        "May be repeated.",
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Encoding of text files, where it is not UTF-8 or UTF-16."),
]
InputFormatOption = Annotated[
    str | None,
    typer.Option(
        "--input-format",
        metavar="NAME",
        help=f"How to read the files, whatever they end in: {', '.join(FORMATS)}.",
    ),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="A model folder that `alliance train` wrote; else the shipped model."
    ),
]
PurposeOption = Annotated[
    Purpose,
    typer.Option(
        help="What the labels are for: find all ruptures, balance, or show only likely ones."
    ),
]
NoTextOption = Annotated[
    bool, typer.Option("--no-text", help="Leave what was said out of the results.")
]
NamesOption = Annotated[
    Names,
    typer.Option(
        help="In reports: other speakers as Other 1, or by name. Names in the text stay as they "
        "are."
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Threads of the model; all cores unless told."),
]

_ROLES: Final = "therapist, client or other"


def parse_roles(given: Sequence[str] | None) -> dict[str, Role]:
    """``NAME=ROLE`` pairs as a map from speaker to role.

    Raises:
        ConfigError: if one is not a pair, its role is unknown, or a name has two roles.
    """
    roles = {}
    for name, value in _pairs(given, "--role", f"NAME={_ROLES}").items():
        try:
            roles[name] = Role(value.lower())
        except ValueError as error:
            raise ConfigError(
                f"--role {name}=…: expected {_ROLES}, found '{value}'; write --role '{name}=client'"
            ) from error
    return roles


def parse_columns(given: Sequence[str] | None) -> Mapping[str, str]:
    """``ROLE_OF_COLUMN=NAME`` pairs as a map; what columns there are is the reader's to know.

    Raises:
        ConfigError: if one is not a pair or a column is given twice.
    """
    return _pairs(given, "--column", "text=NAME")


def reading_of(
    role: Sequence[str] | None,
    column: Sequence[str] | None,
    encoding: str | None,
    input_format: str | None,
) -> "Reading":
    """How transcripts are to be read, from the options as they were typed.

    Raises:
        ConfigError: as :func:`parse_roles` and :func:`parse_columns`.
    """
    from alliance.serve.inputs import Reading

    return Reading(parse_roles(role), parse_columns(column), encoding, input_format)


def _pairs(given: Sequence[str] | None, option: str, shape: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in given or ():
        # The last "=" divides roles, since names may hold one; columns' keys never do.
        name, sign, value = item.rpartition("=") if option == "--role" else item.partition("=")
        name, value = name.strip(), value.strip()
        if not (sign and name and value):
            raise ConfigError(
                f"{option}: expected {shape}, found '{item}'; put '=' between the two"
            )
        if pairs.get(name, value) != value:
            raise ConfigError(
                f"{option}: expected '{name}' once, found '{pairs[name]}' and '{value}'; keep one"
            )
        pairs[name] = value
    return pairs
