"""The measured figures as a page of Markdown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

__all__ = ["card"]

_HEAD = """\
# Speed

How fast a corpus is labelled, measured by `python -m alliance.serve.batch.benchmark`. Filled from
`figures/speed.json`; the figures of one part were measured in one run, and only ratios within a
part mean anything on another machine, or on one that was busy. The forms all have the same weights
and the lean graph of `training/lean_graph.py`. Each part names its weights; how fast those are that
ship, the [model card](model.md) says, too, under *Time and memory*."""

_CAUTION: Final = (
    "The network was trained on sessions of this corpus, so F1 says nothing of how well it labels, "
    "only whether ways of running it differ."
)

_UNSEEN: Final = (
    "They are one of AnnoMI's test folds; the network is that of the cross-validation that was "
    "neither trained nor fitted on it."
)


def card(figures: Mapping[str, Any]) -> str:
    """The page.

    Args:
        figures: by part, as the benchmark writes them.
    """
    parts = [_HEAD]
    for name, made in _PARTS.items():
        if name in figures:
            measured, machine = figures[name]["measured"], figures[name]["machine"]
            where = _where(machine, figures[name]["weights"], figures[name]["command"])
            parts += [made(measured), where]
    return "\n\n".join(parts) + "\n"


def _where(machine: Mapping[str, Any], weights: str, command: str) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in machine["versions"].items())
    load = machine["load_at_end"]
    busy = "" if load is None else f", load {load} at the end"
    return (
        f"Measured with {weights} on {machine['processor']}, {machine['cores']} cores{busy}; "
        f"{versions}; `{command}`."
    )


def _backends(measured: Mapping[str, Any]) -> str:
    rows = [
        (
            "form",
            "turns/s of processor time, 1 thread",
            "tokens/s",
            "turns/s, all threads",
            "side by side",
            "same label as float32",
            "largest F1 difference",
            "file, MB",
            "runtime, MB",
        )
    ]
    left_out = []
    for form in measured["forms"]:
        if "left_out" in form:
            left_out.append(f"{form['form']} ({form['left_out']})")
            continue
        one, many = form["one_thread"], form["all_threads"]
        rows.append(
            (
                form["form"],
                f"{one['turns_per_second']:.0f}",
                f"{one['tokens_per_second']:.0f}",
                f"{many['within_a_call']['turns_per_second']:.0f}",
                f"{many['windows_side_by_side']['turns_per_second']:.0f}",
                f"{form['agreement']:.2%}",
                f"{form['largest_f1_difference']:.4f}",
                f"{form['file_mb']:.0f}",
                f"{form['install_mb']:.0f}",
            )
        )
    text = (
        f"## Forms of the network\n\n{measured['turns']:,} turns of {measured['sessions']} coded "
        f"sessions. {_CAUTION} ONNX Runtime, OpenVINO and torch all have packages for Linux, "
        f"Windows and macOS on arm64.\n\n{_table(rows)}"
    )
    return text + (f"\n\nLeft out: {'; '.join(left_out)}." if left_out else "")


def _rival(measured: Mapping[str, Any]) -> str:
    rows = [("way", "turns/s", "tokens/s", "macro-F1", "times slower")]
    names = {
        "packed": "packed windows (ours)",
        "rival": "transformers, one window a turn, batches of 32",
        "rival_on_our_runtime": "one window a turn on our runtime",
    }
    for key, name in names.items():
        row = measured[key]
        if "left_out" in row:
            continue
        rows.append(
            (
                name,
                f"{row['turns_per_second']:.0f}",
                f"{row['tokens_per_second']:.0f}",
                f"{row['macro_f1']:.3f}",
                f"{measured.get(f'times_{key}', 1):.1f}",
            )
        )
    caution = _UNSEEN if measured.get("unseen") else _CAUTION
    return (
        f"## The usual way\n\n{measured['turns']:,} turns, all cores. {caution}\n\n{_table(rows)}"
    )


def _end_to_end(measured: Mapping[str, Any]) -> str:
    return (
        f"## From CSV to CSV\n\n{measured['turns']:,} turns by {measured['workers']} windows at "
        f"once: {measured['end_to_end_turns_per_second']:.0f} turns/s. The bare backend reaches "
        f"{measured['bare_tokens_per_second']:.0f} tokens/s, the whole way "
        f"{measured['ratio']:.0%} of that (median of rounds); by processor time, in which other "
        f"work on the machine does not show, {measured['processor_time_ratio']:.0%}. Of each token "
        f"of the input {measured['encoded_per_input_token']} are encoded, since windows overlap. A "
        f"process that does this alone takes {_whole(measured['peak_memory_mb'])} MB at its peak."
    )


def _profile(measured: Mapping[str, Any]) -> str:
    rows = [("step", "share of processor time")]
    rows += [(name, f"{share:.2%}") for name, share in measured["share"].items()]
    text = f"## Where time goes\n\n{_table(rows)}"
    for name, shares in measured.get("operations", {}).items():
        told = ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items() if share >= 0.005)
        text += f"\n\nWithin the encoder, {name}: {told}."
    return text


def _threads(measured: Mapping[str, Any]) -> str:
    return (
        f"## Threads and processes\n\nThe same sessions took {measured['threads_s']} s by threads "
        f"that share one model and {measured['processes_s']} s by as many processes with one each."
    )


def _linear(measured: Sequence[Mapping[str, Any]]) -> str:
    rows = [("turns", "turns/s", "turns/s of processor time", "peak memory, MB")]
    rows += [
        (
            f"{row['turns']:,}",
            f"{row['turns_per_second']:.0f}",
            f"{row['turns_per_cpu_second']:.0f}",
            _whole(row["peak_memory_mb"]),
        )
        for row in measured
    ]
    return f"## By size\n\nLabelled by {measured[0]['model']}.\n\n{_table(rows)}"


_PARTS: Final[Mapping[str, Callable[[Any], str]]] = {
    "backends": _backends,
    "rival": _rival,
    "endtoend": _end_to_end,
    "profile": _profile,
    "threads": _threads,
    "linear": _linear,
}


def _whole(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
