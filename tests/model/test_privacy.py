"""Labelling leaves nothing behind: the run-time library keeps no record of its use."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUB = ROOT / "tests" / "data" / "stub_model"

LABEL = f"""
from alliance.model import RuptureClassifier, Session, Turn
RuptureClassifier.load({str(STUB)!r}).label(Session("s", (Turn("client", "fine"),)))
"""


def test_onnx_runtime_writes_no_usage_record(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "XDG_CACHE_HOME": ""}
    subprocess.run([sys.executable, "-c", LABEL], check=True, env={**os.environ, **home})
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []
