"""What labelling costs from file to file: beside the bare backend, by size, and where time goes."""

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alliance.model.classifier import RuptureClassifier
from alliance.model.labelled import Purpose
from alliance.model.memory import peak_memory_mb
from alliance.model.packing import window_ids
from alliance.model.session import Session
from alliance.serve.batch.engine import LocalEngine, cores, rows_of
from alliance.serve.batch.journal import Journal
from alliance.serve.batch.reading import digest_of, open_input
from alliance.serve.formats import open_table_writer
from alliance.serve.inputs import Reading
from alliance.serve.labelling import label_files
from alliance.serve.table import TableFormat

__all__ = ["end_to_end", "linear", "profile", "write_table"]

_TURNS_A_SESSION: Final = 100


def write_table(path: Path, sessions: Sequence[Session], *, turns: int | None = None) -> int:
    """Write sessions as CSV, over and over with new ids until there are so many turns.

    Returns:
        The number of turns.
    """
    written = number = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["session", "speaker", "text"])
        while number < len(sessions) if turns is None else written < turns:
            session = sessions[number % len(sessions)]
            for turn in session.turns:
                table.writerow([f"s{number}", turn.speaker, turn.text])
            written += len(session.turns)
            number += 1
    return written


def end_to_end(model: Path | None, sessions: Sequence[Session], *, rounds: int) -> dict[str, Any]:
    """CSV to CSV against the bare backend, in turn, with as many windows at once as cores.

    The backend gets the same windows, made beforehand. Tokens are those that run through the
    encoder, the overlap of windows included, on both sides.
    """
    classifier = RuptureClassifier.load(model, threads=1)
    plans = [classifier.plan(session) for session in sessions]
    windows = [
        window_ids(plan.encoded, window, classifier.packing)
        for plan in plans
        for window in plan.windows
    ]
    tokens = sum(map(len, windows))
    input_tokens = sum(len(turn.ids) for plan in plans for turn in plan.encoded)
    ratios, shares, bare_speeds, whole_speeds = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.csv"), Path(folder, "out.csv")
        turns = write_table(source, sessions)
        for _ in range(rounds):
            used = time.process_time()
            before = _bare(classifier, windows)
            used_bare = time.process_time() - used
            began = time.perf_counter()
            label_files([source], target, labeller=classifier, workers=cores())
            whole = time.perf_counter() - began
            shares.append(used_bare / (time.process_time() - used - used_bare))
            # The machine may be busier now than it was: the bare backend stands on either side.
            bare = (before + _bare(classifier, windows)) / 2
            ratios.append(bare / whole)
            bare_speeds.append(tokens / bare)
            whole_speeds.append(tokens / whole)
        alone = _label_in_subprocess(source, model)
    return {
        "turns": turns,
        "workers": cores(),
        "bare_tokens_per_second": round(max(bare_speeds), 1),
        "end_to_end_tokens_per_second": round(max(whole_speeds), 1),
        "end_to_end_turns_per_second": round(max(whole_speeds) * turns / tokens, 1),
        "ratio": round(sorted(ratios)[len(ratios) // 2], 3),
        # The same by processor time, in which the load of a busy machine does not show.
        "processor_time_ratio": round(sorted(shares)[len(shares) // 2], 3),
        "encoded_per_input_token": round(tokens / input_tokens, 3),
        "peak_memory_mb": alone["peak_memory_mb"],
    }


def _bare(classifier: RuptureClassifier, windows: Sequence[Any]) -> float:
    from concurrent.futures import ThreadPoolExecutor

    began = time.perf_counter()
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(classifier.backend, windows):
            pass
    return time.perf_counter() - began


def linear(
    model: Path | None, sessions: Sequence[Session], sizes: Sequence[int]
) -> list[dict[str, Any]]:
    """Turns a second and peak memory at several sizes, each in a process of its own."""
    found = []
    for turns in sizes:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "in.csv")
            written = write_table(source, sessions, turns=turns)
            found.append({"turns": written, **_label_in_subprocess(source, model)})
    return found


def _label_in_subprocess(source: Path, model: Path | None) -> dict[str, Any]:
    words = [sys.executable, "-m", __name__, str(source), str(model or "")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"labelling failed: {done.stderr[-300:]}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _label_once(source: Path, model: Path | None) -> dict[str, Any]:
    classifier = RuptureClassifier.load(model, threads=1)
    used = time.process_time()
    report = label_files(
        [source], source.with_name("out.csv"), labeller=classifier, workers=cores()
    )
    used = time.process_time() - used
    return {
        "model": classifier.name,
        "turns_per_second": round(report.turns / report.seconds, 1),
        # Of this process alone: on a machine that does other work too, this is what to compare.
        "turns_per_cpu_second": round(report.turns / used, 1),
        "peak_memory_mb": peak_memory_mb(),
    }


class _Stages:
    """Seconds of this process, by what was done."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began


def profile(model: Path | None, sessions: Sequence[Session]) -> dict[str, Any]:
    """Where the time goes from CSV to CSV, step by step in one thread, and within the encoder."""
    classifier = RuptureClassifier.load(model, threads=1)
    stages = _Stages()
    tokens = input_tokens = windows = 0
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.csv")
        turns = write_table(source, sessions)
        with open_input(str(source)) as opened, Journal(Path(folder, "journal")) as journal:
            with stages("read the file"):
                opened.digest()
                found = list(opened.sessions(Reading()))
            offsets = []
            for session in found:
                with stages("digest sessions"):
                    digest = digest_of(session)
                with stages("tokenise and lay out windows"):
                    plan = classifier.plan(session)
                with stages("run the encoder"):
                    pooled = [classifier.run_window(plan, n) for n in range(len(plan.windows))]
                with stages("calibrate and decide"):
                    labelled = classifier.finish(session, plan, pooled, purpose=Purpose.RESEARCH)
                with stages("write the journal"):
                    rows = rows_of(labelled, include_text=True)
                    offsets.append(journal.append({"digest": digest, "rows": rows}))
                windows += len(plan.windows)
                tokens += sum(sum(plan.lengths(n)) + 2 for n in range(len(plan.windows)))
                input_tokens += sum(len(turn.ids) for turn in plan.encoded)
            with stages("write the table"):
                _write(Path(folder, "out.csv"), journal, offsets)
    total = sum(stages.seconds.values())
    return {
        "turns": turns,
        "share": {name: round(seconds / total, 4) for name, seconds in stages.seconds.items()},
        "windows": windows,
        "tokens_a_window": round(tokens / windows, 1),
        "encoded_per_input_token": round(tokens / input_tokens, 3),
        "padding": 0.0,  # a window is as long as its turns
    }


def _write(target: Path, journal: Journal, offsets: Sequence[int]) -> None:
    from alliance.serve.table import COLUMNS

    with open_table_writer(target, TableFormat.CSV) as writer:
        for offset in offsets:
            rows = journal.read(offset)["rows"]
            writer.rows(dict(zip(COLUMNS, values, strict=True)) for values in rows)


def operators(network: Path, *, tokens: int = 510, calls: int = 5) -> dict[str, float]:
    """Shares of the encoder's time by kind of operation, as ONNX Runtime counts them."""
    import numpy as np

    from alliance.model.backend import silent_runtime

    ort = silent_runtime()
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = ort.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
        # Numbers that any vocabulary has, the cut one of the shipped weights too.
        ids = np.random.default_rng(0).integers(1000, 10_000, size=(1, tokens))
        for _ in range(calls):
            session.run(None, {"input_ids": ids})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    spent: dict[str, float] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            kind = event["args"]["op_name"]
            spent[kind] = spent.get(kind, 0.0) + event["dur"]
    total = sum(spent.values())
    largest = sorted(spent, key=lambda kind: -spent[kind])[:8]
    return {kind: round(spent[kind] / total, 4) for kind in largest}


def processes_beside_threads(model: Path | None, sessions: Sequence[Session]) -> dict[str, float]:
    """Seconds for the same sessions by threads that share a model, and by processes that do not."""
    import multiprocessing

    classifier = RuptureClassifier.load(model, threads=1)
    began = time.perf_counter()
    pending = []
    with LocalEngine(
        classifier, purpose=Purpose.RESEARCH, include_text=True, workers=cores()
    ) as engine:
        for session in sessions:
            pending.append(engine.submit(session, meanwhile=lambda: None))
        for each in pending:
            each.rows()
    threads = time.perf_counter() - began
    context = multiprocessing.get_context("spawn")
    with context.Pool(cores(), _load_in_process, (model,)) as pool:
        pool.map(_label_in_process, sessions[: cores()])  # warm
        began = time.perf_counter()
        for _ in pool.imap(_label_in_process, sessions):
            pass
        processes = time.perf_counter() - began
    return {"threads_s": round(threads, 2), "processes_s": round(processes, 2)}


_loaded: dict[str, RuptureClassifier] = {}


def _load_in_process(model: Path | None) -> None:
    _loaded["model"] = RuptureClassifier.load(model, threads=1)


def _label_in_process(session: Session) -> Any:
    return rows_of(_loaded["model"].label(session), include_text=True)


if __name__ == "__main__":
    measured = _label_once(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None)
    print(json.dumps(measured))
