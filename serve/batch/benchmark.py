"""How fast a corpus is labelled, and by what: measured in parts, one machine at a time.

``python -m alliance.serve.batch.benchmark PART... --coded SESSIONS`` measures the parts that are
named and puts each into a JSON file beside those measured before; ``card`` turns that file into a
table. Parts:

- ``backends``: forms of the network on several runtimes, speed and labels;
- ``rival``: one window a turn with four turns of context, as it is usually done;
- ``endtoend``: CSV to CSV beside the bare backend;
- ``profile``: where time goes; ``threads``: threads beside processes;
- ``linear``: turns a second and memory at growing sizes.

The forms are written beforehand by ``python -m alliance.training.variants``. What counts are ratios
within a part; of a machine that does other work too, figures are of processor time where it says
so.
"""

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from alliance.model.classifier import RuptureClassifier, shipped_weights
from alliance.serve.batch import benchmark_pipeline as pipeline
from alliance.serve.batch.benchmark_backends import compare_backends, compare_rival
from alliance.serve.batch.benchmark_card import card
from alliance.serve.batch.benchmark_coded import CodedSessions, read_coded
from alliance.serve.batch.engine import cores
from alliance.serve.batch.settings import versions

__all__ = ["main"]

_NAME: Final = "alliance.serve.batch.benchmark"
_FIGURES: Final = Path("data_cards/figures/speed.json")
_RIVALS: Final = ("openvino", "torch", "transformers")


def main() -> None:
    """Parse arguments, measure, and put the figures into the file."""
    parser = argparse.ArgumentParser(prog=f"python -m {_NAME}")
    parser.add_argument("parts", nargs="+", choices=[*_PARTS, "card"])
    parser.add_argument("--coded", type=Path, help="JSON lines of sessions with codes")
    parser.add_argument("--unseen", action="store_true", help="--model was not trained on them")
    parser.add_argument("--sessions", type=int, help="how many of them; all unless told")
    parser.add_argument("--forms", type=Path, help="the folder that training.variants wrote")
    parser.add_argument("--model", type=Path, help="a model folder; else the shipped weights")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("-o", "--output", type=Path, default=_FIGURES)
    given = parser.parse_args()
    figures = json.loads(given.output.read_text("utf-8")) if given.output.exists() else {}
    for part in given.parts:
        if part == "card":
            print(card(figures))
            continue
        figures[part] = {
            "measured": _PARTS[part](given),
            "machine": _machine(),
            "weights": _weights(given.model),
            "command": _command(sys.argv[1:]),
        }
        given.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        print(f"{part}: {json.dumps(figures[part]['measured'])}", file=sys.stderr)


def _weights(model: Path | None) -> str:
    """The name of a model folder's weights; of the shipped ones, unless told."""
    config = json.loads(((model or shipped_weights()) / "config.json").read_text("utf-8"))
    return str(config["name"])


def _command(words: Sequence[str]) -> str:
    """What was called; of folders of this machine the names alone."""
    named = [Path(word).name if Path(word).is_absolute() else word for word in words]
    return shlex.join(["python", "-m", _NAME, *named])


def _coded(given: argparse.Namespace) -> CodedSessions:
    if given.coded is None:
        raise SystemExit("expected --coded with sessions to label, found none")
    return read_coded(given.coded, limit=given.sessions, unseen=given.unseen)


def _forms(given: argparse.Namespace) -> Path:
    if given.forms is None:
        raise SystemExit("expected --forms, a folder that alliance.training.variants wrote")
    return Path(given.forms)


def _backends(given: argparse.Namespace) -> Any:
    coded = _coded(given)
    classifier = RuptureClassifier.load(given.model, threads=1)
    rows = compare_backends(classifier, _forms(given), coded, rounds=given.rounds)
    return {"sessions": len(coded.sessions), "turns": coded.turns, "forms": rows}


def _rival(given: argparse.Namespace) -> Any:
    classifier = RuptureClassifier.load(given.model, threads=1)
    coded = _coded(given)
    measured = compare_rival(classifier, _forms(given), coded)
    return {"unseen": coded.unseen, "sessions": len(coded.sessions), **measured}


def _end_to_end(given: argparse.Namespace) -> Any:
    return pipeline.end_to_end(given.model, _coded(given).sessions, rounds=given.rounds)


def _profile(given: argparse.Namespace) -> Any:
    measured = pipeline.profile(given.model, _coded(given).sessions)
    if given.forms is not None:
        measured["operations"] = {
            name: pipeline.operators(given.forms / f"{name}.onnx")
            for name in ("shipped", "float32")
        }
    return measured


def _linear(given: argparse.Namespace) -> Any:
    return pipeline.linear(given.model, _coded(given).sessions, given.turns)


def _threads(given: argparse.Namespace) -> Any:
    return pipeline.processes_beside_threads(given.model, _coded(given).sessions)


_PARTS: Final[dict[str, Callable[[argparse.Namespace], Any]]] = {
    "backends": _backends,
    "rival": _rival,
    "endtoend": _end_to_end,
    "profile": _profile,
    "threads": _threads,
    "linear": _linear,
}


def _machine() -> dict[str, Any]:
    found = versions()
    for name in _RIVALS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return {"processor": _processor(), "cores": cores(), "load_at_end": load, "versions": found}


def _processor() -> str:
    """The processor's name and what of its instructions matters here, where Linux tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    known = [
        name
        for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
        if name in facts.get("flags", "").split()
    ]
    return f"{facts.get('model name', platform.machine())} ({', '.join(known)})"


if __name__ == "__main__":
    main()
