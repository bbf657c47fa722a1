import csv
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import Role
from alliance.model.errors import InputError
from alliance.model.session import Session, Turn
from alliance.serve.batch.catalogue import Catalogue, KnownSession
from alliance.serve.inputs import Reading
from alliance.serve.labelling import label_files
from alliance.serve.progress import Progress

Corpus = Callable[..., Path]
Counting = Callable[..., object]


def test_the_same_bytes_by_any_number_of_workers(
    corpus: Corpus, classifier: RuptureClassifier, counting: Counting, tmp_path: Path
) -> None:
    sources = [corpus("a.csv", 40, prefix="a"), corpus("b.csv", 2, turns=700, prefix="b")]
    serial = tmp_path / "serial.csv"
    label_files(sources, serial, labeller=counting())  # type: ignore[arg-type]
    for workers in (1, 2, 7):
        out = tmp_path / f"{workers}.csv"
        report = label_files(sources, out, labeller=classifier, workers=workers)
        assert out.read_bytes() == serial.read_bytes()
        assert (report.sessions, report.turns) == (42, 1600)


def test_a_poisoned_file_among_a_thousand_costs_only_itself(
    classifier: RuptureClassifier, tmp_path: Path
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(1000):
        said = "T: How are you?\nC: Fine, I guess.\n"
        (folder / f"{number:04}.txt").write_text(said, encoding="utf-8")
    (folder / "0500.txt").write_bytes(b"\x00\xff\xfe poison \x00" * 50)
    out = tmp_path / "out.csv"
    report = label_files([folder], out, labeller=classifier, workers=2, progress=Silent())
    assert (report.files, report.sessions, report.turns) == (999, 999, 1998)
    (failure,) = report.failures
    assert failure.startswith(str(folder / "0500.txt"))
    with out.open(newline="") as file:
        ids = [row["session_id"] for row in csv.DictReader(file)]
    assert ids[::2] == [f"{number:04}" for number in range(1000) if number != 500]
    assert ids[1::2] == ids[::2]


class Silent(Progress):
    def complain(self, message: str) -> None:
        pass


def test_a_reader_that_fails_costs_its_file_alone(
    corpus: Corpus, classifier: RuptureClassifier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good, bad = corpus("a.csv", 1, prefix="a"), corpus("b.csv", 1, prefix="b")
    whole = Reading.sessions

    def failing(self: Reading, source: object, *, name: str) -> object:
        if name == str(bad):
            raise RecursionError("said in confidence")
        return whole(self, source, name=name)  # type: ignore[arg-type]

    monkeypatch.setattr(Reading, "sessions", lambda *a, **k: iter_failing(failing, *a, **k))
    out = tmp_path / "out.csv"
    report = label_files([bad, good], out, labeller=classifier, progress=Silent())
    assert report.sessions == 1
    assert "its reader fails (RecursionError)" in report.failures[0]
    assert "confidence" not in report.failures[0]


def iter_failing(function: Callable[..., object], *args: object, **keywords: object) -> object:
    yield from function(*args, **keywords)  # type: ignore[misc]


def test_a_file_that_grows_while_it_is_read_fails(
    corpus: Corpus, classifier: RuptureClassifier, tmp_path: Path
) -> None:
    source = corpus("a.csv", 60)  # so many that not all are read before the first is done

    class Writing(Silent):
        def advance(self, *, done: int, turns: int) -> None:
            with source.open("a") as file:
                file.write("new,client,One more.\n")

    report = label_files([source], tmp_path / "o.csv", labeller=classifier, progress=Writing())
    assert "found that it changed while it was read" in report.failures[0]


def test_the_manifest_says_what_went_in_and_nothing_that_was_said(
    corpus: Corpus, classifier: RuptureClassifier, tmp_path: Path
) -> None:
    good, bad = corpus("a.csv", 3), corpus("b.csv", 1)
    bad.write_bytes(b"session,speaker,text\ns,client,whisper,whisper,whisper\n")
    out = tmp_path / "out.jsonl"
    reading = Reading(roles={"Anna Secret": Role.CLIENT})
    label_files([good, bad], out, labeller=classifier, reading=reading, progress=Silent())
    text = out.with_name("out.jsonl.manifest.json").read_text()
    assert "whisper" not in text
    assert "listening" not in text
    assert "Anna" not in text
    manifest = json.loads(text)
    first, second = manifest["inputs"]
    assert first == {
        "name": str(good),
        "sha256": hashlib.sha256(good.read_bytes()).hexdigest(),
        "size": good.stat().st_size,
        "sessions": 3,
        "turns": 15,
    }
    assert second["name"] == str(bad)
    assert second["error"].startswith(f"{bad}:2: expected")
    assert manifest["totals"] == {"inputs": 2, "failed": 1, "sessions": 3, "turns": 15}
    assert manifest["output"]["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert manifest["settings"]["roles"] == {"client": 1}
    assert manifest["versions"]["onnxruntime"]
    assert len(manifest["model"]["weights_sha256"]) == 64


def test_a_manifest_is_no_transcript(
    corpus: Corpus, classifier: RuptureClassifier, tmp_path: Path
) -> None:
    corpus("a.csv", 1)
    out = tmp_path / "out.jsonl"
    for _ in range(2):
        report = label_files([tmp_path], out, labeller=classifier, progress=Silent())
        assert (report.files, report.failures) == (1, ())


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_named_pipe_is_read_once_and_hashed(
    corpus: Corpus, classifier: RuptureClassifier, tmp_path: Path
) -> None:
    import threading

    source, pipe = corpus("a.csv", 3), tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(source.read_bytes()))
    writer.start()
    out = tmp_path / "out.csv"
    label_files([pipe], out, labeller=classifier)
    writer.join()
    (entry,) = json.loads(out.with_name("out.csv.manifest.json").read_text())["inputs"]
    assert entry["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert entry["size"] == source.stat().st_size


def test_an_output_of_one_session_stops_at_the_second(
    corpus: Corpus, classifier: RuptureClassifier, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="expected one session for an output"):
        label_files([corpus("a.csv", 2)], tmp_path / "out.vtt", labeller=classifier)
    assert not (tmp_path / "out.vtt").exists()


def test_plan_run_and_finish_are_label_in_steps(classifier: RuptureClassifier) -> None:
    turns = tuple(Turn("client" if n % 2 else "therapist", f"dunno {n}") for n in range(400))
    session = Session("s", turns)
    plan = classifier.plan(session)
    assert len(plan.windows) > 2
    pooled = [classifier.run_window(plan, number) for number in reversed(range(len(plan.windows)))]
    assert classifier.finish(session, plan, pooled[::-1]) == classifier.label(session)


def test_the_catalogue_counts_ids_and_takes_any_name() -> None:
    with Catalogue() as catalogue:
        for name in ("a.txt", "b\udc80.txt", "a.txt"):
            catalogue.add_input(name, key=f"/x/{name}", size=3)
        assert [state.name for state in catalogue.inputs()] == ["a.txt", "b\udc80.txt"]
        assert catalogue.total_bytes() == 6
        assert catalogue.place_of("/x/b\udc80.txt") == 1
        catalogue.add_session(1, KnownSession(10, "x", 2))
        catalogue.add_session(1, KnownSession(20, "y", 3))
        catalogue.begin(1, keep=1)
        assert [known.offset for known in catalogue.sessions(1)] == [10]
        for ids in (["s1", "s2"], ["s2", "\ud800"], ["s2"]):
            catalogue.count_ids(ids)
        assert catalogue.repeated_ids() == 1
