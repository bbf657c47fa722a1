import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from alliance.model.classifier import RuptureClassifier
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session
from alliance.serve.inputs import Reading
from alliance.serve.labelling import label_files
from alliance.serve.progress import Progress
from alliance.serve.table import COLUMNS

Run = Callable[..., Result]

TABLE = """\
session,speaker,text
s1,therapist,How are you?
s1,client,Fine.
s2,client,You are not listening.
"""


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def read(path: Path) -> list[dict[str, str]]:
    return rows(path.read_bytes().decode("utf-8"))


def test_one_row_per_turn_in_order(alliance: Run, plain: Path) -> None:
    result = alliance("label", plain)
    assert result.exit_code == 0, result.stderr
    table = rows(result.stdout_bytes.decode())
    assert list(table[0]) == list(COLUMNS)
    assert [row["turn"] for row in table] == ["0", "1", "2", "3"]
    assert [row["speaker"] for row in table] == ["therapist", "client"] * 2
    assert {row["session_id"] for row in table} == {"plain"}
    assert table[3]["text"] == "You are not listening to me."
    assert (table[2]["label"], table[2]["unlabelled_reason"]) == ("", "no_words")
    for row in table:
        p = [float(value) for name, value in row.items() if name.startswith("p_") and value]
        if row["label"]:
            assert sum(p[:4]) == pytest.approx(1, abs=3e-6)
    assert "1 file, 1 session, 4 turns labelled" in result.stderr
    assert "0 failed" in result.stderr


def test_a_table_keeps_its_sessions(alliance: Run, tmp_path: Path) -> None:
    source = tmp_path / "corpus.csv"
    source.write_text(TABLE)
    out = tmp_path / "out.jsonl"
    result = alliance("label", source, "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    table = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["session_id"], row["turn"]) for row in table] == [("s1", 0), ("s1", 1), ("s2", 0)]
    assert "2 sessions, 3 turns" in result.stderr


def test_folders_formats_and_no_text(alliance: Run, plain: Path) -> None:
    folder = plain.parent
    (folder / "more.csv").write_text(TABLE)
    out = folder / "out.csv"
    for _ in range(2):  # the second time the output is there already, and must not be read
        assert alliance("label", folder, "-o", out, "--no-text").exit_code == 0
    table = read(out)
    assert [row["session_id"] for row in table] == ["s1", "s1", "s2"] + ["plain"] * 4
    assert "text" not in table[0]
    assert "listening" not in out.read_text()


def test_the_same_bytes_twice_and_on_standard_output(alliance: Run, plain: Path) -> None:
    outs = [plain.parent / f"{n}.csv" for n in "12"]
    for out in outs:
        alliance("label", plain, "-o", out)
    printed = alliance("label", plain, "-o", "-").stdout_bytes
    assert outs[0].read_bytes() == outs[1].read_bytes() == printed != b""


def test_standard_input(alliance: Run, plain: Path) -> None:
    piped = alliance("label", "-", "--input-format", "txt", stdin=plain.read_bytes())
    assert piped.exit_code == 0, piped.stderr
    named = rows(alliance("label", plain).stdout_bytes.decode())
    table = rows(piped.stdout_bytes.decode())
    assert [{**row, "session_id": ""} for row in table] == [
        {**row, "session_id": ""} for row in named
    ]


def test_roles_and_columns(alliance: Run, tmp_path: Path) -> None:
    source = tmp_path / "odd.csv"
    source.write_text("wer;was\nAnna;Hello there.\nBert;Hello.\n".replace(";", ","))
    options = ["--column", "speaker=wer", "--column", "text=was"]
    refused = alliance("label", source, *options)
    assert refused.exit_code == 1
    assert "'Anna', 'Bert'" in refused.stderr
    assert "--role 'Anna=therapist|client|other'" in refused.stderr
    result = alliance(
        "label", source, *options, "--role", "Anna=Therapist", "--role", "Bert=client"
    )
    assert [row["speaker"] for row in rows(result.stdout)] == ["therapist", "client"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--role", "Anna"], "expected NAME=therapist, client or other, found 'Anna'"),
        (["--role", "Anna=boss"], "found 'boss'"),
        (["--role", "A=client", "--role", "A=other"], "expected 'A' once"),
        (["--column", "=x"], "--column: expected text=NAME"),
        (["-o", "out.xls"], "found .xls"),
        (["-o", "no/such/folder/out.csv"], "expected an existing folder"),
        (["-o", "."], "--format"),
    ],
)
def test_wrong_usage(alliance: Run, plain: Path, options: list[str], said: str) -> None:
    result = alliance("label", plain, *options)
    if options == ["-o", "."]:
        result = alliance("label", plain, "-o", plain.parent)
        said = "found a folder"
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_output_is_no_input(alliance: Run, plain: Path) -> None:
    before = plain.read_bytes()
    result = alliance("label", plain, "-o", plain, "--format", "csv")
    assert (result.exit_code, plain.read_bytes()) == (2, before)


BAD = {
    "image.png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 4,
    "image.txt": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 4,
    "empty.txt": b"",
    "blank.vtt": b"WEBVTT\n\n",
    "columns.csv": b"id,secretly said\n1,whisper\n",
    "half.csv": b"session,speaker,text\ns1,client,Fine.\ns2,client,\xff\xfe whisper\n",
    "half.jsonl": b'{"id": "s1", "turns": [{"speaker": "client", "text": "whisper"}]}\n{"id": \n',
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_and_the_rest_goes_on(
    alliance: Run, plain: Path, tmp_path: Path, name: str
) -> None:
    bad = tmp_path / name
    bad.write_bytes(BAD[name])
    out = tmp_path / "out.csv"
    result = alliance("label", bad, plain, "-o", out)
    assert result.exit_code == 1
    complaints = [line for line in result.stderr.splitlines() if str(bad) in line]
    assert len(complaints) == 1
    assert "expected" in complaints[0]
    assert "whisper" not in result.stderr
    assert "1 file, 1 session, 4 turns" in result.stderr
    assert "1 failed" in result.stderr
    assert out.read_bytes() == alliance("label", plain).stdout_bytes, "no row of the bad file"


@pytest.mark.parametrize("name", [*BAD, "absent.txt"])
def test_no_output_when_nothing_can_be_read(alliance: Run, tmp_path: Path, name: str) -> None:
    bad = tmp_path / name
    if name in BAD:
        bad.write_bytes(BAD[name])
    for options in (["-o", tmp_path / "out.csv"], []):
        result = alliance("label", bad, *options)
        assert (result.exit_code, result.stdout) == (1, "")
    assert not (tmp_path / "out.csv").exists()
    assert [path for path in tmp_path.iterdir() if path != bad] == []


def test_utf16_is_read(alliance: Run, plain: Path) -> None:
    wide = plain.parent / "wide" / "plain.txt"
    wide.parent.mkdir()
    wide.write_text(plain.read_text(), encoding="utf-16")
    assert alliance("label", wide).stdout == alliance("label", plain).stdout


def test_repeated_session_ids_are_told_once(alliance: Run, plain: Path) -> None:
    again = plain.parent / "again" / "plain.txt"
    again.parent.mkdir()
    again.write_bytes(plain.read_bytes())
    result = alliance("label", plain, again)
    assert result.exit_code == 0
    assert "1 session ids occur in more than one input" in result.stderr


def test_quiet(alliance: Run, plain: Path) -> None:
    assert alliance("label", plain, "--quiet").stderr == ""
    result = alliance("label", plain, "absent.txt", "--quiet")
    assert result.exit_code == 1
    assert result.stderr.startswith("absent.txt: ")


def test_a_model_that_is_not_there(alliance: Run, plain: Path) -> None:
    result = alliance("label", plain, "--model", plain.parent / "none")
    assert result.exit_code == 1
    assert "expected a model folder" in result.stderr


class Poisoned:
    """A labeller that is interrupted at the second session."""

    name = "poisoned"

    def __init__(self, inner: RuptureClassifier, error: BaseException) -> None:
        self.inner, self.error, self.seen = inner, error, 0

    def label(self, session: Session, *, purpose: Purpose = Purpose.RESEARCH) -> LabelledSession:
        self.seen += 1
        if self.seen == 2:
            raise self.error
        return self.inner.label(session, purpose=purpose)


def test_an_interruption_leaves_the_old_output_and_keeps_what_is_finished(
    stub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "corpus.csv"
    source.write_text(TABLE)
    out = tmp_path / "out.csv"
    out.write_text("old")
    labeller = Poisoned(RuptureClassifier.load(stub), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        label_files([source], out, labeller=labeller)
    assert out.read_text() == "old"
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".alliance-out.csv.work", "corpus.csv", "out.csv"]
    assert "1 finished session is kept" in capsys.readouterr().err


def test_a_session_on_which_the_model_fails_costs_its_file_alone(
    stub: Path, tmp_path: Path, plain: Path
) -> None:
    source = tmp_path / "corpus.csv"
    source.write_text(TABLE)
    out = tmp_path / "out.csv"
    labeller = Poisoned(RuptureClassifier.load(stub), ValueError("said in confidence"))
    report = label_files([source, plain], out, labeller=labeller)
    (failure,) = report.failures
    assert failure.startswith(f"{source}: expected a transcript that can be labelled")
    assert "ValueError" in failure
    assert "confidence" not in failure
    assert {row["session_id"] for row in read(out)} == {"plain"}


class Recorder(Progress):
    def __init__(self) -> None:
        super().__init__(lambda message: self.complaints.append(message))
        self.complaints: list[str] = []
        self.total: int | None = None
        self.steps: list[tuple[int, int]] = []

    def start(self, total: int | None) -> None:
        self.total = total

    def advance(self, *, done: int, turns: int) -> None:
        self.steps.append((done, turns))


def test_progress_ends_at_the_total_and_never_runs_back(stub: Path, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text(TABLE)
    (tmp_path / "bad.txt").write_bytes(BAD["image.txt"])
    recorder = Recorder()
    report = label_files(
        [tmp_path],
        tmp_path / "out.jsonl",
        labeller=RuptureClassifier.load(stub),
        reading=Reading(),
        progress=recorder,
    )
    assert (report.files, report.sessions, report.turns) == (3, 6, 9)
    assert len(report.failures) == len(recorder.complaints) == 1
    done = [step for step, _ in recorder.steps]
    assert done == sorted(done)
    assert recorder.steps[-1] == (recorder.total, 9)
