"""Naming a corpus on the command line or in a configuration file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from alliance.model.code_system import OWN, CodeSystem
from alliance.model.errors import InputError
from alliance.model.formats import RoleMap
from alliance.training.corpora.annomi_source import annomi
from alliance.training.corpora.coded import CodedSession
from alliance.training.corpora.coded_lines import WRITTEN, coded_jsonl
from alliance.training.corpora.coded_tables import coded_table

_JSON_LINES: Final = (".jsonl", ".ndjson")


def load(
    spec: str,
    *,
    annomi_file: Path | None = None,
    system: CodeSystem = OWN,
    roles: RoleMap | Mapping[str, str] | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[CodedSession, ...]:
    """Loads the corpus that ``spec`` names.

    Args:
        spec: one of :data:`WRITTEN`, ``annomi``, ``annomi:PATH``, the path of a JSON-lines file
            of coded sessions (:func:`alliance.training.corpora.coded_jsonl`), or that of a
            table of turns with their codes (:func:`alliance.training.corpora.coded_table`).
        annomi_file: AnnoMI-simple.csv, for plain ``annomi``; by default
            :func:`alliance.training.corpora.annomi_path`.
        system: what the codes of a table stand for.
        roles: speaker's name to role, for a table.
        tell: told what of a table could not be used.

    Raises:
        InputError: if no such corpus is found, or it cannot be read.
    """
    name, colon, path = spec.partition(":")
    if spec in WRITTEN:
        return WRITTEN[spec]()
    if name == "annomi":
        return annomi(Path(path)) if colon else annomi(annomi_file)
    file = Path(spec)
    if not file.is_file():
        raise InputError(
            f"expected {', '.join(WRITTEN)}, annomi, annomi:PATH, or the path of a table of coded "
            f"turns or of JSON lines of coded sessions, found {spec!r}; check the name"
        )
    if holds_sessions(file):
        return coded_jsonl(file)
    found = coded_table(file, system=system, roles=roles)
    if tell is not None:
        for count, what in (
            (found.unsettled, "on which coders differ were left without a code"),
            (found.not_allowed, "have a code that the codebook does not allow for the speaker"),
        ):
            if count:
                tell(f"{file}: {count:,} turns {what}")
    return found.sessions


def holds_sessions(file: Path) -> bool:
    """Whether a file is JSON lines with a whole session on each (or is to be read as such)."""
    if file.suffix.lower() not in _JSON_LINES:
        return False
    with file.open("rb") as stream:
        first = next((line for line in stream if line.strip()), b"")
    try:
        return "turns" in json.loads(first.decode("utf-8-sig"))
    except (ValueError, TypeError):
        return True  # whose reader tells what is wrong with it
