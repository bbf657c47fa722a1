"""What the inference core brings into a process; each case is a process of its own."""

import subprocess
import sys
from pathlib import Path

HEAVY = {"torch", "transformers", "datasets", "sklearn", "fastapi", "pandas"}


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=True, timeout=120
    )


def test_importing_the_core_imports_nothing_heavy() -> None:
    report = python("-X", "importtime", "-c", "import alliance.model").stderr
    names = {line.rpartition("|")[2].strip() for line in report.splitlines()}
    assert "alliance.model.codebook" in names
    tops = {name.partition(".")[0] for name in names}
    assert tops & HEAVY == set()
    # They load when the classifier is first used.
    assert tops & {"numpy", "onnxruntime", "tokenizers"} == set()


def test_labelling_imports_nothing_heavy(stub: Path) -> None:
    code = (
        "import sys\n"
        "from alliance.model import RuptureClassifier, Session, Turn\n"
        f"model = RuptureClassifier.load({str(stub)!r})\n"
        "print(model.label(Session('s', (Turn('client', 'useless'),))).turns[0].label)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    label, modules = python("-c", code).stdout.splitlines()
    assert label == "confrontation"
    assert "onnxruntime" in modules.split()
    assert set(modules.split()) & HEAVY == set()
