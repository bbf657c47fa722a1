"""The benchmark's figures as a table that people read."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["table"]

_LEAST_RATIO: Final = 0.85
_MOST_WINDOWS: Final = 3.0
_MOST_GROWTH: Final = 0.05

Row = tuple[str, str, str]


def table(figures: Mapping[str, Any]) -> str:
    """The figures of :func:`alliance.serve.http.benchmark.measure` as lines of text.

    What a part was asked to reach stands beside its figure, with ``ok`` or ``NOT REACHED``.
    """
    rows = [row for part, make in _PARTS.items() if part in figures for row in make(figures[part])]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]}".rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def _machine(part: Mapping[str, Any]) -> Iterator[Row]:
    yield "cores", str(part["cores"]), part["system"]
    yield "model", part["model"], ""
    if part["load_before"] is not None:
        told = "other work beside" if part["load_before"][0] > 0.5 else ""
        yield "processes that ran before", f"{part['load_before'][0]}", told


def _throughput(part: Mapping[str, Any]) -> Iterator[Row]:
    yield "bare classifier, turns/s", _n(part["bare_turns_per_second"]), "session by session"
    side = part["bare_side_by_side_turns_per_second"]
    yield "  one session a core, turns/s", _n(side), ""
    clients = f"{part['clients']} clients, {part['turns']} turns, {part['rounds']} rounds"
    yield "service, turns/s", _n(part["service_turns_per_second"]), clients
    for name, ratio in (("", part["ratio"]), (", one a core", part["ratio_side_by_side"])):
        aim = _aim(ratio >= _LEAST_RATIO, f"at least {_LEAST_RATIO:.0%}")
        yield f"service to bare{name}", f"{ratio:.0%}", aim


def _live(part: Mapping[str, Any]) -> Iterator[Row]:
    for kind, text in (
        ("causal", "one causal window"),
        ("causal_one_thread", "  with one thread"),
        ("full", "one full window"),
    ):
        times = part["windows_ms"][kind]
        yield f"{text}, ms", _n(times["median"]), f"median; p95 {_n(times['p95'])}"
    for place, text in (
        ("alone", f"{part['sessions']} live sessions"),
        ("beside_whole_sessions", "  beside whole sessions"),
    ):
        if place in part:
            yield from _delays(part[place], text, judged=place == "alone")


def _delays(part: Mapping[str, Any], text: str, *, judged: bool) -> Iterator[Row]:
    yield f"{text}, turns", str(part["turns"]), f"{part['views']} views of the whole"
    for share in (50, 95, 99):
        windows = part[f"label_p{share}_windows"]
        if windows is None:
            continue
        told = f"{windows:.2f} windows"
        if judged and share == 95:
            told += f"; {_aim(windows <= _MOST_WINDOWS, f'at most {_MOST_WINDOWS:g}')}"
        yield f"  label after, p{share}, ms", _n(part[f"label_p{share}_ms"]), told
    if part["view_p95_ms"] is not None:
        told = f"p95 {_n(part['view_p95_ms'])}"
        yield "  full view after, median, ms", _n(part["view_p50_ms"]), told


def _overload(part: Mapping[str, Any]) -> Iterator[Row]:
    total = sum(part["statuses"].values())
    yield "overload, requests", str(total), f"{part['clients']} clients"
    told = ", ".join(f"{status}: {count}" for status, count in part["statuses"].items())
    fine = part["without_answer"] == 0 and set(part["statuses"]) <= {"200", "503"}
    yield "  refused (503)", f"{part['share_503']:.0%}", f"{told}; {_aim(fine, '200 or 503')}"
    yield "  slowest answer, s", _n(part["slowest_answer_s"]), ""
    yield "  slowest refusal, s", _n(part["slowest_refusal_s"]), ""
    told = f"{_n(part['mib_before'])} before, {_n(part['mib_after'])} after"
    yield "  most memory, MiB", _n(part["mib_most"]), told


def _memory(part: Mapping[str, Any]) -> Iterator[Row]:
    live = f"{part['turns_of_a_session']} turns each, {part['live_share']:.0%} live"
    for mark, value in part["mib_after"].items():
        yield f"memory after {int(mark):,} sessions, MiB", _n(value), f"{part['model']}; {live}"
    if part["growth"] is not None:
        aim = _aim(part["growth"] <= _MOST_GROWTH, f"at most {_MOST_GROWTH:.0%}")
        yield "  growth from the first to the last", f"{part['growth']:.1%}", aim
    yield "  faults logged", str(part["faults"]), ""


def _server(part: Mapping[str, Any]) -> Iterator[Row]:
    yield "faults logged", str(part["faults"]), ""


def _aim(reached: bool, aim: str) -> str:
    return f"{'ok' if reached else 'NOT REACHED'}: {aim}"


def _n(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


_PARTS: Final = {
    "machine": _machine,
    "throughput": _throughput,
    "live": _live,
    "overload": _overload,
    "server": _server,
    "memory": _memory,
}
