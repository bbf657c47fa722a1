"""How fast a model labels, and in how much memory: measured in a process of its own.

Run as ``python -m alliance.training.evaluation.speed MODEL ANNOMI FOLD THREADS``; prints JSON.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from alliance.model.memory import peak_memory_mb

__all__ = ["labelling_speed"]


def labelling_speed(
    model: Path, annomi: Path | None, *, fold: int = 0, threads: int = 1
) -> dict[str, Any]:
    """Time and memory of labelling one fold of AnnoMI, loading included.

    Args:
        model: a model folder.
        annomi: ``AnnoMI-simple.csv``; None where fetch puts it.
        fold: which sessions.
        threads: of the runtime.

    Returns:
        ``model``, ``sessions``, ``turns``, ``seconds``, ``threads`` and ``peak_memory_mb`` (10^6
        bytes; None where the system does not say).

    Raises:
        RuntimeError: if the process fails.
    """
    command = [sys.executable, "-m", __name__, str(model), str(annomi or ""), str(fold)]
    done = subprocess.run([*command, str(threads)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"measuring speed failed: {done.stderr.strip()[-300:]}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _measure(model: Path, annomi: Path | None, fold: int, threads: int) -> dict[str, Any]:
    from alliance.model.classifier import RuptureClassifier
    from alliance.training.corpora import load

    sessions = [coded.session for coded in load("annomi", annomi_file=annomi) if coded.fold == fold]
    started = time.perf_counter()
    classifier = RuptureClassifier.load(model, threads=threads)
    for session in sessions:
        classifier.label(session)
    seconds = time.perf_counter() - started
    return {
        "model": classifier.name,
        "sessions": len(sessions),
        "turns": sum(len(session.turns) for session in sessions),
        "seconds": round(seconds, 1),
        "threads": threads,
        "peak_memory_mb": peak_memory_mb(),
    }


if __name__ == "__main__":
    where = Path(sys.argv[2]) if sys.argv[2] else None
    print(json.dumps(_measure(Path(sys.argv[1]), where, int(sys.argv[3]), int(sys.argv[4]))))
