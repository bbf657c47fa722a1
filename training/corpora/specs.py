"""Naming a corpus on the command line or in a configuration file."""

from pathlib import Path

from alliance.model.errors import InputError
from alliance.training.corpora.annomi_source import annomi
from alliance.training.corpora.coded import CodedSession
from alliance.training.corpora.coded_lines import authored, coded_jsonl, everyday


def load(spec: str, *, annomi_file: Path | None = None) -> tuple[CodedSession, ...]:
    """Loads the corpus that ``spec`` names.

    Args:
        spec: ``authored``, ``everyday``, ``annomi``, ``annomi:PATH`` or the path of a JSON-lines
            file of coded sessions (:func:`alliance.training.corpora.coded_jsonl`).
        annomi_file: AnnoMI-simple.csv, for plain ``annomi``; by default
            :func:`alliance.training.corpora.annomi_path`.

    Raises:
        InputError: if no such corpus is found, or it cannot be read.
    """
    name, colon, path = spec.partition(":")
    if spec == "authored":
        return authored()
    if spec == "everyday":
        return everyday()
    if name == "annomi":
        return annomi(Path(path)) if colon else annomi(annomi_file)
    file = Path(spec)
    if not file.is_file():
        raise InputError(
            f"expected 'authored', 'everyday', 'annomi', 'annomi:PATH' or the path of a JSON-lines "
            f"file of coded sessions, found {spec!r}; check the name"
        )
    return coded_jsonl(file)
