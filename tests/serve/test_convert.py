import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest
from typer.testing import Result

from alliance.model.formats import read_session
from alliance.serve.convert_commands import convert
from alliance.serve.converting import target_format
from alliance.serve.formats import WRITERS
from alliance.serve.formats.columns import TRANSCRIPT_COLUMNS
from alliance.serve.table import COLUMNS

Run = Callable[..., Result]

CORPUS = """\
session,speaker,start,end,text
s1,T,0,1.5,How are you?
s1,C,1.5,3,"Fine. \U0001f600"
s2,T,0,1,Go on.
s2,C,1,2,"You are not listening, you know."
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.csv"
    path.write_text(CORPUS, encoding="utf-8")
    return path


@pytest.fixture
def labels(corpus: Path, alliance: Run) -> Path:
    path = corpus.parent / "labels.csv"
    assert alliance("label", corpus, "-o", path, "-q").exit_code == 0
    return path


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def test_a_transcript_becomes_a_table_of_turns(alliance: Run, corpus: Path) -> None:
    out = corpus.parent / "out.parquet"
    result = alliance("convert", corpus, "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "1 file, 2 sessions, 4 turns converted; 0 failed\n"
    rows = pq.read_table(out).to_pylist()
    assert list(rows[0]) == list(TRANSCRIPT_COLUMNS)
    assert [row["text"] for row in rows][1] == "Fine. \U0001f600"
    assert [row["start_ms"] for row in rows] == [0, 1500, 0, 1000]
    printed = table(alliance("convert", out, "-q").stdout_bytes)
    assert [row["turn"] for row in printed] == ["0", "1", "0", "1"]


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "xlsx"])
def test_tables_of_labels_keep_every_cell(
    alliance: Run, corpus: Path, labels: Path, name: str
) -> None:
    there = corpus.parent / f"there.{name}"
    back = corpus.parent / "back.csv"
    assert alliance("convert", labels, "-o", there).exit_code == 0
    assert alliance("convert", there, "-o", back).exit_code == 0
    assert back.read_bytes() == labels.read_bytes()


@pytest.mark.parametrize("name", WRITERS)
def test_a_transcript_with_labels_becomes_anything(
    alliance: Run, corpus: Path, labels: Path, name: str
) -> None:
    source = corpus
    if WRITERS[name].single:
        source = corpus.parent / "s1.csv"
        source.write_text("".join(line + "\n" for line in CORPUS.split("\n")[:3]))
        labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:3]))
    out = corpus.parent / f"out{WRITERS[name].suffix}"
    result = alliance("convert", source, "--labels", labels, "-o", out, "--to", name)
    assert result.exit_code == 0, result.stderr
    assert out.stat().st_size > 0
    again = corpus.parent / f"again{WRITERS[name].suffix}"
    alliance("convert", source, "--labels", labels, "-o", again, "--to", name)
    assert out.read_bytes() == again.read_bytes()


def test_labels_go_into_the_file_that_was_labelled(alliance: Run, corpus: Path) -> None:
    folder = corpus.parent
    one = folder / "one.csv"
    one.write_text("".join(line + "\n" for line in CORPUS.split("\n")[:3]))
    eaf, labels, out = folder / "one.eaf", folder / "labels.csv", folder / "out.eaf"
    assert alliance("convert", one, "-o", eaf).exit_code == 0
    assert b"label@" not in eaf.read_bytes(), "a transcript alone has no labels"
    assert alliance("label", eaf, "-o", labels, "-q").exit_code == 0
    result = alliance("convert", eaf, "--labels", labels, "-o", out)
    assert result.exit_code == 0, result.stderr
    tiers = [tier.get("TIER_ID") for tier in ET.parse(out).iter("TIER")]
    assert tiers[:4] == ["therapist", "client", "label@therapist", "marker@therapist"]
    assert read_session(out).turns == read_session(eaf).turns
    named = alliance("convert", labels, "--original", eaf, "-o", folder / "named.eaf")
    assert named.exit_code == 0, named.stderr
    assert (folder / "named.eaf").read_bytes() == out.read_bytes()


def test_label_studio_there_and_back(alliance: Run, corpus: Path, labels: Path) -> None:
    folder = corpus.parent
    tasks = folder / "tasks.json"
    result = alliance("convert", labels, "-o", tasks)
    assert "paste tasks.config.xml into the labelling interface" in result.stderr
    ET.parse(folder / "tasks.config.xml")
    export = json.loads(tasks.read_text(encoding="utf-8"))
    refused = alliance("convert", tasks, "-o", folder / "x.csv")
    assert refused.exit_code == 1
    assert "found tasks that nobody has submitted" in refused.stderr
    for task in export:
        result_ = task.pop("predictions")[0]["result"]
        task["annotations"] = [{"completed_by": 1, "result": result_}]
    (folder / "export.json").write_text(json.dumps(export), encoding="utf-8")
    coding = folder / "coding.csv"
    assert alliance("convert", folder / "export.json", "-o", coding).exit_code == 0
    rows, wanted = table(coding.read_bytes()), table(labels.read_bytes())
    assert [row["label"] for row in rows] == [row["label"] for row in wanted]
    agreed = alliance("agree", coding, labels)
    assert agreed.exit_code == 0, agreed.stderr


def test_a_bad_input_costs_itself_alone(alliance: Run, corpus: Path) -> None:
    bad = corpus.parent / "a.csv"
    bad.write_text("session,speaker,text\ns0,T,Hello.\ns0,,Hello?\n")
    out = corpus.parent / "out.csv"
    result = alliance("convert", bad, corpus, "-o", out)
    assert result.exit_code == 1
    assert f"{bad}:3: expected every turn to name its speaker" in result.stderr
    assert {row["session_id"] for row in table(out.read_bytes())} == {"s1", "s2"}
    nothing = alliance("convert", bad, "-o", corpus.parent / "none.csv")
    assert nothing.exit_code == 1
    assert not (corpus.parent / "none.csv").exists()


def test_standard_input_and_output(alliance: Run, corpus: Path) -> None:
    result = alliance(
        "convert", "-", "--input-format", "csv", "--to", "jsonl", "-q", stdin=corpus.read_bytes()
    )
    assert result.exit_code == 0, result.stderr
    assert [json.loads(line)["session_id"] for line in result.stdout.splitlines()] == [
        *["s1"] * 2,
        *["s2"] * 2,
    ]


def test_no_text(alliance: Run, corpus: Path, labels: Path) -> None:
    assert b"listening" not in alliance("convert", labels, "--no-text").stdout_bytes
    bare = corpus.parent / "bare.csv"
    alliance("convert", labels, "--no-text", "-o", bare)
    out = corpus.parent / "p.qdpx"
    refused = alliance("convert", bare, "-o", out)
    assert refused.exit_code == 2
    assert f"alliance convert TRANSCRIPT --labels {bare}" in refused.stderr
    assert alliance("convert", corpus, "--labels", bare, "-o", out).exit_code == 0


def test_labels_of_another_transcript_are_refused(
    alliance: Run, corpus: Path, labels: Path
) -> None:
    other = corpus.parent / "other.csv"
    out = corpus.parent / "out.csv"
    for old, new, said in (
        ("s2,", "s9,", r"found none of 's9' but of 's2'; give their transcripts"),
        ("Go on.", "Stop.", r"labels.csv:4: expected the words of turn 0 of session 's2'"),
        ("s1,C,1.5", "s2,C,1.5", r""),
        ('s1,C,1.5,3,"Fine. \U0001f600"\n', "", r"has 1 turn, found labels of 1 turn more"),
    ):
        other.write_text(CORPUS.replace(old, new), encoding="utf-8")
        result = alliance("convert", other, "--labels", labels, "-o", out)
        assert result.exit_code == 1
        assert re.search(said, result.stderr)
        assert "Stop" not in result.stderr, "errors hold nothing that was said"
        assert not out.exists()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "xlsx"])
def test_roles_are_asked_for_once(alliance: Run, tmp_path: Path, ending: str) -> None:
    path, out = tmp_path / "s.txt", tmp_path / f"out.{ending}"
    path.write_text("T: Hello.\nC: Hi.\nMum: He is late.\nMum: Again.\n", encoding="utf-8")
    assert alliance("convert", path, "-o", out, "--role", "Mum=other").exit_code == 0
    result = alliance("label", out, "-o", tmp_path / "labels.csv", "-q")
    assert result.exit_code == 0, result.stderr
    rows = table((tmp_path / "labels.csv").read_bytes())
    assert [row["unlabelled_reason"] for row in rows] == ["", "", "role_other", "role_other"]


def test_a_table_of_a_whole_corpus_serves_one_transcript(
    alliance: Run, corpus: Path, labels: Path
) -> None:
    one = corpus.parent / "one.csv"
    one.write_text("".join(CORPUS.splitlines(keepends=True)[:3]), encoding="utf-8")
    result = alliance("convert", one, "--labels", labels, "-o", corpus.parent / "one.eaf")
    assert result.exit_code == 0, result.stderr
    assert f"{labels} labels 1 session more, not among these" in result.stderr


def test_turns_without_a_row_are_counted(alliance: Run, corpus: Path, labels: Path) -> None:
    lines = labels.read_text(encoding="utf-8").splitlines(keepends=True)
    labels.write_text("".join(lines[:1] + lines[2:]), encoding="utf-8", newline="")
    result = alliance("convert", corpus, "--labels", labels, "-o", corpus.parent / "out.csv")
    assert result.exit_code == 0
    assert f"1 turn without a row in {labels}" in result.stderr
    assert [row["label"] == "" for row in table((corpus.parent / "out.csv").read_bytes())] == [
        *(True, False, False, False)
    ]
    refused = alliance("convert", labels, "-o", corpus.parent / "out.qdpx")
    assert "found turn 0 missing" in refused.stderr, "else turns would count wrongly"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "out.pdf"], r"expected a name that ends in one of \.csv, .*found \.pdf"),
        (["--to", "word"], r"--to: expected one of csv, .*found 'word'"),
        (["-o", "out.eaf"], r"expected one session for an \.eaf file, found more"),
        (["-o", "out.csv", "--original", "x.eaf"], r"--original: expected an \.eaf"),
        (["-o", "out.csv", "--labels", "none.csv"], r"none\.csv: .*correct --labels"),
        (["-o", "out.csv", "--labels", "corpus.csv"], "expected a table of labels"),
        (["-o", "corpus.csv"], "an output that is not also an input"),
    ],
)
def test_usage(
    alliance: Run,
    corpus: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(corpus.parent)
    result = alliance("convert", "corpus.csv", *options)
    assert result.exit_code in (1, 2)
    assert re.search(said, result.stderr.replace("\n", " ")), result.stderr
    assert os.listdir() == ["corpus.csv"]  # noqa: PTH208


def test_transcripts_and_labels_do_not_mix(alliance: Run, corpus: Path, labels: Path) -> None:
    result = alliance("convert", corpus, labels, "-o", corpus.parent / "out.csv")
    assert result.exit_code == 2
    assert f"found both ({labels} holds labels)" in result.stderr


def test_the_help_names_every_format() -> None:
    options = str(convert.__annotations__["to"].__metadata__[0].help)
    for name in WRITERS:
        assert re.search(rf"\b{name}\b", options), name
    assert target_format(None, None) == "csv"
    assert {target_format(Path(f"x{e.suffix}"), None) for e in WRITERS.values()} == set(WRITERS)


def test_columns_follow_the_contract(labels: Path, alliance: Run) -> None:
    assert list(table(alliance("convert", labels).stdout_bytes)[0]) == list(COLUMNS)


def test_convert_loads_only_what_it_needs(corpus: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from alliance.serve.converting import convert_files\n"
        f"convert_files([{str(corpus)!r}], Path({str(corpus)!r} + '.jsonl'))\n"
        "print(sorted({n.partition('.')[0] for n in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(re.findall(r"'(\w+)'", done.stdout.decode()))
    assert "alliance" in loaded
    assert not loaded & {"pandas", "pyarrow", "openpyxl", "pyreadstat", "torch", "onnxruntime"}
