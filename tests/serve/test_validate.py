from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def saved(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_problem_of_every_file(
    alliance: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(
        tmp_path,
        "a.csv",
        "session,speaker,start,text\n"
        "s1,T,0,Fine.\n"
        "s1,,1,Whose words?\n"
        's1,C,soon,"What, in\ntwo lines?"\n'
        "s1,Anna,2,Hello.\n"
        "s1,C,1.5,Early.\n"
        "s2,T,0,x\n"
        "s1,T,0,x\n",
    )
    saved(tmp_path, "b.txt", "T: Hello.\nC: Hi.\n")
    saved(tmp_path, "c.jsonl", '{"speaker": "T", "text": "x"}\n{oops\n{"speaker": "C"}\n')
    saved(tmp_path, "d.csv", "session_id,turn,label\ns,0,sad\ns,2,neutral\n")
    (tmp_path / "e.vtt").write_bytes(b"WEBVTT\n\n\xff\xfe")
    result = alliance("validate", ".")
    assert result.exit_code == 1
    said = [line.split(" ")[0] for line in result.stdout.splitlines()]
    assert said == [
        *("a.csv:3:", "a.csv:4:", "a.csv:6:", "a.csv:7:", "a.csv:9:"),
        *("c.jsonl:2:", "c.jsonl:3:"),
        *("d.csv:2:", "d.csv:3:"),
        "e.vtt:3:",
    ]
    assert result.stderr == "5 files looked through; 10 problems in 4\n"
    for line in result.stdout.splitlines():
        assert ": expected " in line
        assert "; " in line, "what to do"
        assert "Whose" not in line, "nothing that was said"


def test_nothing_wrong(alliance: Run, tmp_path: Path) -> None:
    path = saved(tmp_path, "b.txt", "T: Hello.\nC: Hi.\n")
    result = alliance("validate", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "1 file looked through; nothing wrong\n"
    assert alliance("validate", path, "-q").stderr == ""


def test_a_convokit_corpus_is_one(alliance: Run, tmp_path: Path) -> None:
    lines = (
        '{"id": "b", "conversation_id": "a", "speaker": "s2", "reply-to": "a", "timestamp": 5,'
        ' "text": "Hi."}\n'
        '{"id": "a", "conversation_id": "a", "speaker": "s1", "reply-to": null, "timestamp": 1,'
        ' "text": "Hello."}\n'
    )
    saved(tmp_path, "utterances.jsonl", lines)
    speakers = '{"s1": {"meta": {"role": "therapist"}}, "s2": {"meta": {"role": "client"}}}'
    saved(tmp_path, "speakers.json", speakers)
    result = alliance("validate", tmp_path)
    assert (result.exit_code, result.stdout) == (0, ""), "turns in the order of reply"


def test_what_label_writes_is_valid(alliance: Run, tmp_path: Path) -> None:
    path = saved(tmp_path, "b.txt", "T: Hello.\nC: I don't know.\nMum: Well.\nC: [sighs]\n")
    for name in ("csv", "jsonl", "parquet", "xlsx"):
        out = tmp_path / f"labels.{name}"
        plain = tmp_path / "labels_first.csv"
        alliance("label", path, "--role", "Mum=other", "-o", plain, "-q")
        assert alliance("convert", plain, "-o", out).exit_code == 0
        result = alliance("validate", out)
        assert (result.exit_code, result.stdout) == (0, ""), name


def test_roles_and_formats_are_heeded(alliance: Run, tmp_path: Path) -> None:
    path = saved(tmp_path, "b.log", "Ann: Hello.\nBo: Hi.\n")
    assert "name ends in" in alliance("validate", path).stdout
    roles = ("--role", "Ann=client", "--role", "Bo=other", "--input-format", "txt")
    assert alliance("validate", path, *roles).exit_code == 0
    others = ("--role", "Ann=other", "--role", "Bo=other", "--input-format", "txt")
    assert "expected turns of a therapist or a client" in alliance("validate", path, *others).stdout


def test_other_trouble_is_told_too(alliance: Run, tmp_path: Path) -> None:
    missing = alliance("validate", tmp_path / "none.csv")
    assert missing.exit_code == 1
    assert "none.csv: expected a readable file, found: No such file" in missing.stdout
    twice = saved(tmp_path, "x.csv", "id,speaker,text\nu1,T,Hello.\nu1,C,Hi.\n")
    assert f"{twice}:3: expected each utterance's identifier once" in (
        alliance("validate", twice).stdout
    )
    export = saved(tmp_path, "x.json", '[{"data": {"dialogue": [{"text": "x"}]}}]')
    assert "nobody has submitted" in alliance("validate", export).stdout


def test_a_file_of_nothing_but_problems_comes_to_an_end(alliance: Run, tmp_path: Path) -> None:
    path = saved(tmp_path, "x.csv", "speaker,text\n" + ",x\n" * 300)
    lines = alliance("validate", path).stdout.splitlines()
    assert len(lines) == 101
    assert lines[0].endswith("found more than 100; mend those below first")
