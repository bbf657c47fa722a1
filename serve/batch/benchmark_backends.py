"""Which form of the network labels fastest, and whether it labels the same; and the rival."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from alliance.model.backend import Backend, Features, Logits
from alliance.model.classifier import RuptureClassifier
from alliance.model.packing import EncodedTurn, SessionPlan, Window, window_ids
from alliance.model.scores import pool_turns
from alliance.model.tokens import TokenIds
from alliance.serve.batch.benchmark_coded import CodedSessions, Places, places
from alliance.serve.batch.benchmark_forms import (
    FORMS,
    REFERENCE,
    Form,
    Unavailable,
    install_megabytes,
    torch_network,
)
from alliance.serve.batch.engine import cores

__all__ = ["compare_backends", "compare_rival"]

_CONTEXT: Final = 4  # turns before the one that the rival labels
_BATCH: Final = 32
_TRIED: Final = 3  # batches by which the rival's threads are tuned


def compare_backends(
    classifier: RuptureClassifier, folder: Path, coded: CodedSessions, *, rounds: int
) -> list[dict[str, Any]]:
    """Measure all forms on the same windows.

    Labels come from all windows, in one thread; the forms take turns at each window, so that what
    else the machine does meanwhile falls on all alike. With all threads each form runs all windows
    on its own, ``rounds`` times, and the fastest counts; threads within one call are compared with
    windows side by side.
    """
    plans = [classifier.plan(session) for session in coded.sessions]
    loaded: dict[str, Backend] = {}
    rows = []
    for form in FORMS:
        row: dict[str, Any] = {"form": form.name, "install_mb": install_megabytes(form.runtime)}
        try:
            loaded[form.name] = form.load(folder / form.file, 1)
            row["file_mb"] = _megabytes(folder / form.file)
        except Unavailable as reason:
            row["left_out"] = str(reason)
        rows.append(row)
    labels, seconds, tokens = _by_turns(classifier, coded, plans, loaded)
    for row in rows:
        if (name := row["form"]) in loaded:
            row |= coded.compare(labels[name], labels[REFERENCE])
            row["one_thread"] = _speed(coded.turns, tokens, seconds[name])
    loaded.clear()
    windows = list(_windows(classifier, plans))
    for row, form in zip(rows, FORMS, strict=True):
        if "left_out" not in row:
            row["all_threads"] = _all_threads(form, folder, windows, coded.turns, rounds)
    return rows


def _by_turns(
    classifier: RuptureClassifier,
    coded: CodedSessions,
    plans: Sequence[SessionPlan],
    loaded: dict[str, Backend],
) -> tuple[dict[str, list[Places]], dict[str, float], int]:
    labels: dict[str, list[Places]] = {name: [] for name in loaded}
    seconds = dict.fromkeys(loaded, 0.0)
    tokens = 0
    for backend in loaded.values():  # warm, at the longest
        backend(np.full(classifier.packing.max_tokens, 1000))
    for session, plan in zip(coded.sessions, plans, strict=True):
        pooled: dict[str, list[Features]] = {name: [] for name in loaded}
        for number, window in enumerate(plan.windows):
            ids = window_ids(plan.encoded, window, classifier.packing)
            tokens += len(ids)
            for name, backend in loaded.items():
                # Time of this process alone: others use the machine as well.
                began = time.process_time()
                features = backend(ids)
                seconds[name] += time.process_time() - began
                pooled[name].append(pool_turns(features, plan.lengths(number)))
        for name in loaded:
            labels[name].append(places(classifier.finish(session, plan, pooled[name]).turns))
    return labels, seconds, tokens


def _all_threads(
    form: Form, folder: Path, windows: Sequence[TokenIds], turns: int, rounds: int
) -> dict[str, Any]:
    count = cores()
    tokens = sum(map(len, windows))
    within = form.load(folder / form.file, count)
    beside = [form.load(folder / form.file, 1) for _ in range(count)]
    best_within = min(_timed(lambda: _each(within, windows)) for _ in range(rounds))
    best_beside = min(_timed(lambda: _side_by_side(beside, windows)) for _ in range(rounds))
    return {
        "threads": count,
        "within_a_call": _speed(turns, tokens, best_within),
        "windows_side_by_side": _speed(turns, tokens, best_beside),
    }


def _each(backend: Backend, windows: Sequence[TokenIds]) -> None:
    for ids in windows:
        backend(ids)


def _side_by_side(backends: Sequence[Backend], windows: Sequence[TokenIds]) -> None:
    """Each thread with a backend of its own, since not all runtimes let threads share one."""
    own = threading.local()
    free = list(backends)

    def start() -> None:
        own.backend = free.pop()

    with ThreadPoolExecutor(len(backends), initializer=start) as pool:
        for _ in pool.map(lambda ids: own.backend(ids), windows):
            pass


def compare_rival(
    classifier: RuptureClassifier, folder: Path, coded: CodedSessions
) -> dict[str, Any]:
    """The usual way beside ours: every turn in a window of its own, with four turns of context.

    The rival has the same network and the same tokens; ``transformers`` runs it in batches of 32
    that are sorted by length and padded, with the number of threads that is fastest here. The same
    windows then run on our own runtime, without padding, as many at once as there are cores.
    """
    plans = [classifier.plan(session) for session in coded.sessions]
    backends = [FORMS[2].load(folder / FORMS[2].file, 1) for _ in range(cores())]
    windows = list(_windows(classifier, plans))
    packed = _timed(lambda: _side_by_side(backends, windows))
    ours = [places(classifier.label(session).turns) for session in coded.sessions]
    narrow, lengths = _narrow_windows(classifier, plans)
    out: dict[str, Any] = {
        "turns": coded.turns,
        "packed": {
            **_speed(coded.turns, sum(map(len, windows)), packed),
            **coded.compare(ours, ours),
        },
    }
    logits: list[Logits] = []

    def same_runtime() -> None:
        own = threading.local()
        free = list(backends)
        with ThreadPoolExecutor(len(backends), initializer=lambda: _take(own, free)) as pool:
            logits.extend(pool.map(lambda ids: own.backend(ids), narrow))

    seconds = _timed(same_runtime)
    out["rival_on_our_runtime"] = {
        **_speed(coded.turns, sum(map(len, narrow)), seconds),
        **coded.compare(_last_turns(classifier, coded, plans, logits, lengths), ours),
    }
    try:
        out["rival"] = _transformers(classifier, folder, coded, plans, narrow, lengths, ours)
    except Unavailable as reason:
        out["rival"] = {"left_out": str(reason)}
    for name in ("rival", "rival_on_our_runtime"):
        if "turns_per_second" in out[name]:
            ratio = out["packed"]["turns_per_second"] / out[name]["turns_per_second"]
            out[f"times_{name}"] = round(ratio, 2)
    return out


def _take(own: threading.local, free: list[Backend]) -> None:
    own.backend = free.pop()


def _transformers(
    classifier: RuptureClassifier,
    folder: Path,
    coded: CodedSessions,
    plans: Sequence[SessionPlan],
    narrow: Sequence[TokenIds],
    lengths: Sequence[Sequence[int]],
    ours: Sequence[Places],
) -> dict[str, Any]:
    torch, network = torch_network(folder / "torch", "f32")
    order = sorted(range(len(narrow)), key=lambda n: -len(narrow[n]))
    batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    logits: list[Logits] = [np.zeros(0, dtype=np.float32)] * len(narrow)

    def run(batch: Sequence[int]) -> None:
        longest = max(len(narrow[n]) for n in batch)
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, n in enumerate(batch):
            ids[row, : len(narrow[n])] = narrow[n]
            mask[row, : len(narrow[n])] = 1
        with torch.inference_mode():
            found = network(
                input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
            ).numpy()
        for row, n in enumerate(batch):
            logits[n] = found[row, : len(narrow[n])]

    def run_all(chosen: Sequence[Sequence[int]]) -> None:
        for batch in chosen:
            run(batch)

    tried = {}
    for threads in sorted({1, max(1, cores() // 2), cores()}):
        torch.set_num_threads(threads)
        run(batches[len(batches) // 2])
        tried[threads] = _timed(lambda: run_all(batches[:_TRIED]))
    best = min(tried, key=lambda threads: tried[threads])
    torch.set_num_threads(best)
    seconds = _timed(lambda: run_all(batches))
    padded = sum(len(batch) * max(len(narrow[n]) for n in batch) for batch in batches)
    return {
        **_speed(coded.turns, sum(map(len, narrow)), seconds),
        "threads": best,
        "padding": round(padded / sum(map(len, narrow)) - 1, 4),
        **coded.compare(_last_turns(classifier, coded, plans, logits, lengths), ours),
    }


def _narrow_windows(
    classifier: RuptureClassifier, plans: Sequence[SessionPlan]
) -> tuple[list[TokenIds], list[list[int]]]:
    windows, lengths = [], []
    for plan in plans:
        for turn in range(len(plan.encoded)):
            first = max(0, turn - _CONTEXT)
            turns: list[EncodedTurn] = list(plan.encoded[first : turn + 1])
            while sum(len(each.ids) for each in turns) > classifier.packing.room:
                turns = turns[1:]
            windows.append(window_ids(turns, Window(0, len(turns)), classifier.packing))
            lengths.append([len(each.ids) for each in turns])
    return windows, lengths


def _last_turns(
    classifier: RuptureClassifier,
    coded: CodedSessions,
    plans: Sequence[SessionPlan],
    logits: Sequence[Logits],
    lengths: Sequence[Sequence[int]],
) -> list[Places]:
    """Labels from windows of which the last turn is the one that is labelled."""
    rows = iter([pool_turns(*each)[-1] for each in zip(logits, lengths, strict=True)])
    labels = []
    for session, plan in zip(coded.sessions, plans, strict=True):
        whole = Window(0, len(plan.encoded))
        once = SessionPlan(plan.encoded, (whole,), (0,) * len(plan.encoded))
        own = np.stack([next(rows) for _ in plan.encoded])
        labels.append(places(classifier.finish(session, once, [own]).turns))
    return labels


def _windows(classifier: RuptureClassifier, plans: Sequence[SessionPlan]) -> Iterator[TokenIds]:
    for plan in plans:
        for window in plan.windows:
            yield window_ids(plan.encoded, window, classifier.packing)


def _speed(turns: int, tokens: int, seconds: float) -> dict[str, float]:
    return {
        "turns_per_second": round(turns / seconds, 1),
        "tokens_per_second": round(tokens / seconds, 1),
    }


def _timed(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else list(path.iterdir())
    return round(sum(file.stat().st_size for file in files) / 1e6, 1)
