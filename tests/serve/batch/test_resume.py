import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from alliance.model.codebook import Role
from alliance.model.errors import ConfigError
from alliance.model.labelled import Purpose
from alliance.serve.inputs import Reading
from alliance.serve.labelling import BatchReport, label_files
from alliance.serve.progress import Progress

Corpus = Callable[..., Path]
Counting = Callable[..., object]


class Listening(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []
        super().__init__(self.said.append)


def run(inputs: list[Path], out: Path, labeller: object, **options: object) -> BatchReport:
    return label_files(inputs, out, labeller=labeller, **options)  # type: ignore[arg-type]


def interrupted(inputs: list[Path], out: Path, labeller: object, **options: object) -> Path:
    """The journal of a run that was cut off."""
    with pytest.raises(KeyboardInterrupt):
        run(inputs, out, labeller, progress=Listening(), **options)
    return out.parent / f".alliance-{out.name}.work" / "journal"


def test_cut_off_at_any_byte_nothing_finished_is_lost_or_done_twice(
    corpus: Corpus, counting: Counting, tmp_path: Path
) -> None:
    inputs = [corpus("a.csv", 3, prefix="a"), corpus("b.csv", 2, prefix="b", turns=3)]
    whole = tmp_path / "whole.csv"
    run(inputs, whole, counting())
    out = tmp_path / "out.csv"
    journal = interrupted(inputs, out, counting(interrupted_at=4))
    content = journal.read_bytes()
    shutil.rmtree(journal.parent)
    for length in range(0, len(content) + 1, 41):
        journal.parent.mkdir()
        journal.write_bytes(content[:length])
        lines = content[:length].split(b"\n")[:-1]
        finished = [json.loads(line[9:]) for line in lines]
        done = [record["session"] for record in finished if "session" in record]
        labeller = counting()
        report = run(inputs, out, labeller)
        assert out.read_bytes() == whole.read_bytes()
        assert labeller.seen == ["a0", "a1", "a2", "b0", "b1"][len(done) :]
        assert report.sessions_kept == len(done)
        assert (report.sessions, report.turns) == (5, 21)
        assert not journal.parent.exists()


def test_a_second_interruption(corpus: Corpus, counting: Counting, tmp_path: Path) -> None:
    source, whole, out = corpus("a.csv", 9), tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    run([source], whole, counting())
    interrupted([source], out, counting(interrupted_at=2))
    second = counting(interrupted_at=3)
    interrupted([source], out, second, resume=True)
    assert second.seen == ["s2", "s3", "s4"]
    last = counting()
    assert run([source], out, last, resume=True).sessions_kept == 5
    assert last.seen == ["s5", "s6", "s7", "s8"]
    assert out.read_bytes() == whole.read_bytes()


def test_an_input_that_changed_is_told_and_labelled_again_from_there(
    corpus: Corpus, counting: Counting, tmp_path: Path
) -> None:
    first, second = corpus("a.csv", 3, prefix="a"), corpus("b.csv", 3, prefix="b")
    out = tmp_path / "out.csv"
    interrupted([first, second], out, counting(interrupted_at=5))
    first.write_text(first.read_text().replace("1 2", "1 2 quite"))  # within a1
    listening, labeller = Listening(), counting()
    report = run([first, second], out, labeller, progress=listening)
    assert labeller.seen == ["a1", "a2", "b2"]
    assert report.sessions_kept == 3
    (said,) = listening.said
    assert said.startswith(f"{first}: not as the unfinished run found it; the first 1 ")
    whole = tmp_path / "whole.csv"
    run([first, second], whole, counting())
    assert out.read_bytes() == whole.read_bytes()


def test_an_input_that_shrank(corpus: Corpus, counting: Counting, tmp_path: Path) -> None:
    first, second = corpus("a.csv", 3, prefix="a"), corpus("b.csv", 2, prefix="b")
    out = tmp_path / "out.csv"
    interrupted([first, second], out, counting(interrupted_at=4))
    corpus("a.csv", 2, prefix="a")
    report = run([first, second], out, counting())
    assert report.sessions == 4
    assert "a2" not in out.read_text()


def test_an_input_that_is_gone_and_one_that_is_new(
    corpus: Corpus, counting: Counting, tmp_path: Path
) -> None:
    first, second = corpus("a.csv", 2, prefix="a"), corpus("b.csv", 2, prefix="b")
    new = corpus("0.csv", 1, prefix="n")
    out, whole = tmp_path / "out.csv", tmp_path / "whole.csv"
    interrupted([first, second], out, counting(interrupted_at=3))
    listening, labeller = Listening(), counting()
    run([new, second], out, labeller, progress=listening)
    assert labeller.seen == ["n0", "b1"]
    assert "1 of the unfinished run's inputs are not among the inputs now" in listening.said[0]
    run([new, second], whole, counting())
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"purpose": Purpose.SCREENING}, r"--purpose \(research, now screening\)"),
        ({"include_text": False}, r"--no-text \(False, now True\)"),
        ({"reading": Reading(roles={"Anna": Role.CLIENT})}, "--role;"),
        ({"reading": Reading(columns={"text": "text"})}, "--column;"),
        ({"reading": Reading(encoding="utf-8")}, r"--encoding \(None, now utf-8\)"),
    ],
)
def test_other_settings_are_told(
    corpus: Corpus, counting: Counting, tmp_path: Path, options: dict[str, object], said: str
) -> None:
    source, out = corpus("a.csv", 3), tmp_path / "out.csv"
    journal = interrupted([source], out, counting(interrupted_at=2))
    before = journal.read_bytes()
    with pytest.raises(ConfigError, match=said):
        run([source], out, counting(), resume=True, **options)
    assert journal.read_bytes() == before, "it can still be taken up"
    listening, labeller = Listening(), counting()
    run([source], out, labeller, progress=listening, **options)
    assert labeller.seen == ["s0", "s1", "s2"]
    assert "its sessions are labelled again" in listening.said[0]


def test_no_resume_starts_again(corpus: Corpus, counting: Counting, tmp_path: Path) -> None:
    source, out = corpus("a.csv", 3), tmp_path / "out.csv"
    interrupted([source], out, counting(interrupted_at=2))
    labeller = counting()
    assert run([source], out, labeller, resume=False).sessions_kept == 0
    assert len(labeller.seen) == 3


def test_resume_needs_a_file(corpus: Corpus, counting: Counting) -> None:
    with pytest.raises(ConfigError, match="expected an output file for --resume"):
        label_files([corpus("a.csv", 1)], labeller=counting(), resume=True)  # type: ignore[arg-type]


def test_two_runs_on_one_output(corpus: Corpus, counting: Counting, tmp_path: Path) -> None:
    source, out = corpus("a.csv", 2), tmp_path / "out.csv"

    class Meanwhile(Listening):
        def advance(self, *, done: int, turns: int) -> None:
            with pytest.raises(ConfigError, match="found another run at work on it"):
                run([source], out, counting())

    assert run([source], out, counting(), progress=Meanwhile()).sessions == 2
    assert out.exists()


def test_a_failure_is_remembered_until_the_file_is_mended(
    corpus: Corpus, counting: Counting, tmp_path: Path
) -> None:
    bad, good = corpus("a.csv", 2, prefix="a"), corpus("b.csv", 3, prefix="b")
    fine = bad.read_bytes()
    bad.write_bytes(fine + b"a9,client,Fine.\na9,client,one,cell,too,many\n")
    out = tmp_path / "out.csv"
    interrupted([bad, good], out, counting(interrupted_at=3))
    again = counting(interrupted_at=1)
    interrupted([bad, good], out, again)
    assert again.seen == ["b1"], "the bad file is not labelled a second time"
    bad.write_bytes(fine)
    last = counting()
    report = run([bad, good], out, last)
    assert last.seen == ["b2"], "its sessions had been finished before it failed"
    assert (report.files, report.failures) == (2, ())
