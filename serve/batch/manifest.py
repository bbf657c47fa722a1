"""What went into an output, written beside it: ``OUT.manifest.json``.

It holds the inputs as the user named them with their SHA-256, sizes, sessions, turns and errors,
the settings, the versions of what made the labels, and the output's own SHA-256. It holds nothing
of what was said, and of ``--role`` no names, only how many were given each role.
"""

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alliance.model.codebook import CODEBOOK_VERSION
from alliance.serve.batch.catalogue import Catalogue, InputState
from alliance.serve.batch.settings import BatchSettings, versions
from alliance.serve.inputs import MANIFEST_SUFFIX
from alliance.serve.output import open_output

__all__ = ["RunFacts", "manifest_path", "write_manifest"]

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class RunFacts:
    """How a batch ran.

    Attributes:
        started: when, in UTC; of a resumed run, when it was taken up.
        engine: ``local`` or ``ray``.
        workers: windows labelled at once, or actors; None where it was left to the engine.
        table_format: of the output.
        sessions_kept: sessions that an earlier run had finished.
    """

    started: dt.datetime
    engine: str
    workers: int | None
    table_format: str
    sessions_kept: int = 0


def manifest_path(output: Path) -> Path:
    """Where the manifest of an output lies."""
    return output.with_name(output.name + MANIFEST_SUFFIX)


def write_manifest(
    output: Path, catalogue: Catalogue, *, settings: BatchSettings, facts: RunFacts
) -> None:
    """Write the manifest of an output that has just appeared, whole or not at all.

    Raises:
        OSError: if it cannot be written.
    """
    head = _head(output, settings, facts)
    with open_output(manifest_path(output)) as whole, whole.part() as file:
        # Written as it goes: a corpus may have a hundred thousand inputs.
        file.write(json.dumps(head, indent=2)[:-2] + ',\n  "inputs": [')
        totals: Counter[str] = Counter()
        for state in catalogue.inputs():
            file.write("," * (state.place > 0) + "\n    " + json.dumps(_input(state)))
            totals["inputs"] += 1
            totals["failed"] += state.error is not None
            if state.error is None:
                totals["sessions"] += state.sessions
                totals["turns"] += state.turns
        file.write('\n  ],\n  "totals": ' + json.dumps(dict(totals)) + "\n}\n")


def _head(output: Path, settings: BatchSettings, facts: RunFacts) -> Mapping[str, Any]:
    with output.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    reading = settings.reading
    return {
        "format": _FORMAT,
        "output": {
            "name": output.name,
            "format": facts.table_format,
            "size": output.stat().st_size,
            "sha256": sha256,
        },
        "started": facts.started.isoformat(timespec="seconds"),
        "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "engine": facts.engine,
        "workers": facts.workers,
        "sessions_kept_from_unfinished_run": facts.sessions_kept,
        "model": {
            "name": settings.model,
            "weights_sha256": settings.weights,
            "codebook": CODEBOOK_VERSION,
        },
        "settings": {
            "purpose": settings.purpose.value,
            "text": settings.include_text,
            "roles": dict(Counter(role.value for role in reading.roles.values())),
            "columns": dict(reading.columns),
            "encoding": reading.encoding,
            "input_format": reading.format,
            "device": settings.device,
        },
        "versions": versions(),
    }


def _input(state: InputState) -> Mapping[str, Any]:
    facts: dict[str, Any] = {"name": state.name, "sha256": state.sha256, "size": state.size}
    if state.error is None:
        return {**facts, "sessions": state.sessions, "turns": state.turns}
    return {**facts, "error": state.error}
