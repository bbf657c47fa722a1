"""What a user sees who labels documents and tables of every kind."""

import csv
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]
DATA = Path(__file__).parents[1] / "data" / "formats"


@pytest.fixture
def folder(tmp_path: Path, plain: Path) -> Path:
    """A folder with a file of each kind, and one that is broken."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("session.docx", "session.xlsx", "sessions.parquet"):
        shutil.copy(DATA / name, folder)
    shutil.copytree(DATA / "convokit", folder / "corpus")
    shutil.copy(plain, folder)
    (folder / "broken.docx").write_bytes((DATA / "session.docx").read_bytes()[:5_000])
    (folder / "~$session.docx").touch()
    return folder


def sessions(result: Result) -> list[str]:
    rows = csv.DictReader(io.StringIO(result.stdout_bytes.decode(), newline=""))
    return list(dict.fromkeys(row["session_id"] for row in rows))


def test_a_folder_of_many_kinds(alliance: Run, folder: Path) -> None:
    result = alliance("label", folder)
    assert result.exit_code == 1
    found = ["c1", "c2", "plain", "session", "S-12", "S-1", "S-2"]
    assert sorted(sessions(result)) == sorted(found)
    (complaint,) = [line for line in result.stderr.splitlines() if "expected" in line]
    assert "broken.docx: expected a Word document (.docx), found one that is damaged" in complaint
    assert "7 sessions" in result.stderr
    assert "1 failed" in result.stderr


def test_a_missing_library_costs_its_own_files(
    alliance: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("pyarrow", "pyarrow.parquet", "docx", "openpyxl", "lxml"):
        monkeypatch.setitem(sys.modules, library, None)
    result = alliance("label", folder)
    assert result.exit_code == 1
    assert {"session", "S-12", "plain"} <= set(sessions(result))
    (complaint,) = [line for line in result.stderr.splitlines() if "extra" in line]
    assert "sessions.parquet: reading Parquet tables (.parquet) needs the [formats]" in complaint
    assert "pip install 'alliance-rupture[formats]'" in complaint
    alone = alliance("timeline", folder / "sessions.parquet", "--session", "S-1")
    assert alone.exit_code == 1
    assert "needs the [formats] extra" in alone.stderr


def test_timelines_of_documents_and_corpora(alliance: Run, folder: Path) -> None:
    result = alliance("timeline", folder / "session.docx")
    assert result.exit_code == 0, result.stderr
    assert "5 turns" in result.stdout
    result = alliance("timeline", folder / "corpus", "--session", "c1")
    assert result.exit_code == 0, result.stderr
    assert "3 turns" in result.stdout
    result = alliance("timeline", folder / "broken.docx")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
