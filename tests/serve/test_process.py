"""The program as a process: what it loads, how it dies, what a closed pipe does to it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Spawn = Callable[..., subprocess.CompletedProcess[bytes]]

HEAVY = ("torch", "transformers", "datasets", "sklearn", "fastapi", "pandas", "pyarrow")
LOADED = """
import json, sys
try:
    {run}
finally:
    tops = sorted({{name.partition(".")[0] for name in sys.modules}})
    print(json.dumps([tops, "alliance.model.classifier" in sys.modules]), file=sys.stderr)
"""


def loaded(run: str, *args: str | Path) -> tuple[set[str], bool]:
    """Top-level modules that are loaded after ``run``, and whether the classifier is."""
    words = [sys.executable, "-c", LOADED.format(run=run), *(str(arg) for arg in args)]
    done = subprocess.run(words, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    tops, classifier = json.loads(done.stderr.decode().splitlines()[-1])
    return set(tops), classifier


MAIN = "from alliance.serve.main import main; main()"


def test_help_loads_nothing_heavy() -> None:
    tops, classifier = loaded(MAIN, "--help")
    assert tops.isdisjoint({*HEAVY, "onnxruntime", "numpy", "rich"})
    assert not classifier


def test_the_library_loads_nothing_heavy() -> None:
    tops, _ = loaded("import alliance.model")
    assert tops.isdisjoint({*HEAVY, "onnxruntime", "typer", "rich"})


def test_label_loads_no_torch(plain: Path, stub: Path) -> None:
    tops, classifier = loaded(MAIN, "label", plain, "--model", stub, "-o", plain.parent / "o.csv")
    assert classifier, "the check looks at the right process"
    assert tops.isdisjoint(HEAVY)


def test_timeline_loads_no_torch(stub: Path) -> None:
    tops, classifier = loaded(MAIN, "timeline", "--example", "--model", stub)
    assert classifier
    assert tops.isdisjoint(HEAVY)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A table of 200,000 turns, which takes seconds to label."""
    path = tmp_path / "big.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("session,speaker,text\n")
        for session in range(400):
            for turn in range(500):
                speaker = "therapist" if turn % 2 else "client"
                file.write(f"{session},{speaker},I don't know what to say about {turn}.\n")
    return path


def _heeding_interrupts() -> None:
    # A test run that was started in the background hands on that SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(program: list[str], big: Path, stub: Path, out: Path) -> subprocess.Popen[bytes]:
    """A run that has finished some sessions."""
    words = [*program, "label", str(big), "--model", str(stub), "-o", str(out)]
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=_heeding_interrupts
    )
    deadline = time.monotonic() + 120  # a busy machine takes its time to start
    while time.monotonic() < deadline:
        journal = out.parent / f".alliance-{out.name}.work" / "journal"
        if journal.exists() and journal.stat().st_size > 400_000:
            return process
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        time.sleep(0.02)
    raise AssertionError("it never began to write")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)],
    ids=["kill", "term", "int"],
)
def test_a_killed_run_leaves_the_old_output(
    program: list[str], big: Path, stub: Path, number: int, code: int
) -> None:
    out = big.parent / "out" / "labels.csv"
    out.parent.mkdir()
    out.write_text("old")
    process = started(program, big, stub, out)
    process.send_signal(number)
    try:
        _, complaints = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        # Python loses an interrupt that falls into a weak reference's callback: press again.
        process.send_signal(number)
        _, complaints = process.communicate(timeout=120)
    assert process.returncode == code
    assert b"Traceback" not in complaints
    assert out.read_text() == "old"
    left = [path.name for path in out.parent.iterdir() if path != out]
    assert left == [".alliance-labels.csv.work"], "what is finished, and nothing else"
    kept = b"sessions are kept, and the same command goes on with them" in complaints
    assert kept == (number != signal.SIGKILL), "nobody can speak after a SIGKILL"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_closed_pipe_is_no_matter(program: list[str], plain: Path, stub: Path) -> None:
    read, write = os.pipe()
    words = [*program, "label", str(plain), "--model", str(stub), "--quiet"]
    process = subprocess.Popen(words, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    os.close(read)  # before the program has anything to say
    _, complaints = process.communicate(timeout=120)
    assert complaints == b""
    assert process.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a device that is full")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_one_sentence(spawn: Spawn, plain: Path, stub: Path) -> None:
    done = spawn("label", plain, "--model", stub, "-o", "/dev/full", "--format", "csv")
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_no_bar_and_no_colour_without_a_terminal(spawn: Spawn, plain: Path, stub: Path) -> None:
    done = spawn("label", plain, "--model", stub)
    assert b"\x1b" not in done.stderr + done.stdout
    assert done.stderr.count(b"\n") == 1
