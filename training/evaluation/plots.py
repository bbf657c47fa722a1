"""The plots of an evaluation, as SVG: confusion, precision-recall, reliability, risk-coverage."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from alliance.model.codebook import LABELS, RUPTURE_LABELS
from alliance.model.markdown import estimate
from alliance.training.evaluation import svg

__all__ = ["PLOTS", "confusion_plot", "precision_recall_plot", "reliability_plot", "risk_plot"]

_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


def confusion_plot(report: Mapping[str, Any], speaker: str, *, alone: bool = False) -> str:
    """Turns by settled label (rows) and decided label (columns).

    Args:
        report: of ``alliance evaluate``, with ``curves``.
        speaker: ``client``, ``therapist`` or ``pooled``.
        alone: whether the drawing is to be a file of its own.
    """
    counts = report["curves"][speaker]["confusion"]
    left, top, wide, high = 150.0, 44.0, 136.0, 46.0
    body = [svg.text(left + 2 * wide, 14, "label by the model", anchor="middle", soft=True)]
    told = []
    for row, label in enumerate(LABELS):
        total = sum(counts[row])
        y = top + row * high
        body.append(svg.text(left - 8, y + high / 2 - 2, label.title, anchor="end"))
        body.append(
            svg.text(left - 8, y + high / 2 + 13, f"{total:,} turns", anchor="end", soft=True)
        )
        body.append(svg.text(left + (row + 0.5) * wide, 34, label.title, anchor="middle"))
        for column, count in enumerate(counts[row]):
            share = count / total if total else 0.0
            x = left + column * wide
            body.append(svg.rectangle(x, y, wide, high, shade=share))
            body.append(svg.text(x + wide / 2, y + high / 2 - 2, f"{count:,}", anchor="middle"))
            body.append(svg.text(x + wide / 2, y + high / 2 + 13, f"{share:.0%}", anchor="middle"))
        told.append(f"{label.title}: {counts[row][row]:,} of {total:,} given that label")
    return svg.document(
        body,
        width=left + 4 * wide + 4,
        height=top + 4 * high + 6,
        key=f"confusion-{speaker}",
        title=f"Confusion of labels, {_whose(speaker)}",
        description="Rows: label by the codes; columns: label by the model; share of the row. "
        + "; ".join(told)
        + ".",
        alone=alone,
    )


def precision_recall_plot(report: Mapping[str, Any], speaker: str, *, alone: bool = False) -> str:
    """Precision against recall of each label's probability; arguments as above."""
    block = report["speakers"][speaker]["labels"]
    drawn = report["curves"][speaker]["precision_recall"]
    frame = _Frame(46, 12, 300, 240)
    body = frame.axes("recall (share of the label's turns found)", "precision")
    legend: list[tuple[str, str]] = []
    for label in LABELS:
        points = drawn[label.value]
        if points:
            body.append(svg.line([frame(*point) for point in points], label.value))
            body += [svg.mark(*frame(*point), label.value, size=3) for point in points[4::10]]
        area = estimate(**block[label.value]["auprc"])
        legend.append((label.value, f"{label.title}: {area} ({block[label.value]['support']:,})"))
    body += _legend(legend, 372, 30, "AUPRC (turns with the label)")
    return svg.document(
        body,
        width=680,
        height=300,
        key=f"precision-recall-{speaker}",
        title=f"Precision and recall, {_whose(speaker)}",
        description="Area under the curve: " + "; ".join(words for _, words in legend) + ".",
        alone=alone,
    )


def reliability_plot(report: Mapping[str, Any], speaker: str, *, alone: bool = False) -> str:
    """Predicted against observed share of turns, in bins of equally many; arguments as above."""
    block = report["reliability"][speaker]
    likely = block["likely_ruptures"]
    panels: list[tuple[str, str, Sequence[Mapping[str, Any]]]] = [
        (f"either rupture, p ≥ {estimate(likely['from'])}", "all", likely["bins"])
    ]
    panels += [(label.title, label.value, block[label.value]["equal_mass"]) for label in LABELS]
    body: list[str] = []
    told: list[str] = []
    for place, (title, kind, bins) in enumerate(panels):
        frame = _Frame(46 + 235 * (place % 3), 30 + 230 * (place // 3), 170, 150)
        frame.top = _round_up(bins)
        body.append(svg.text(frame.x, frame.y - 12, title))
        body += frame.axes("predicted", "observed" if place % 3 == 0 else "")
        body.append(svg.line([frame(0, 0), frame(frame.top, frame.top)], "guide"))
        for bin_ in bins:
            body += _bin(frame, bin_, kind)
        sizes = sorted({bin_["turns"] for bin_ in bins})
        size = " to ".join(f"{n:,}" for n in dict.fromkeys((sizes[0], sizes[-1]))) if sizes else "0"
        body.append(
            svg.text(frame.x, frame.y + frame.height + 46, f"{size} turns a point", soft=True)
        )
        told.append(
            f"{title}: "
            + (
                ", ".join(
                    f"{estimate(bin_['predicted'])} predicted and "
                    f"{estimate(bin_['observed']['value'])} observed"
                    for bin_ in bins
                )
                or "no turns"
            )
        )
    return svg.document(
        body,
        width=720,
        height=480,
        key=f"reliability-{speaker}",
        title=f"Reliability of probabilities, {_whose(speaker)}",
        description="Mean predicted probability and observed share with its 95% interval; on the "
        "dotted line they are equal. " + "; ".join(told) + ".",
        alone=alone,
    )


def risk_plot(report: Mapping[str, Any], speaker: str, *, alone: bool = False) -> str:
    """Macro-F1 and the ruptures kept against the share of turns answered; arguments as above."""
    points = report["risk_coverage"][speaker]["curve"]
    frame = _Frame(46, 12, 300, 240)
    body = frame.axes("coverage (share of turns answered)", "")
    body.append(svg.line([frame(0.8, 0), frame(0.8, 1)], "guide"))
    series = {"all": [(point["coverage"], point["macro_f1"]) for point in points]}
    names = {"all": "macro-F1 on the turns answered"}
    for label in RUPTURE_LABELS:
        series[label.value] = [
            (point["coverage"], point["labels"][label.value]["kept"]) for point in points
        ]
        names[label.value] = f"share of true {label.title}s answered"
    told = []
    for kind, values in series.items():
        known = [(x, y) for x, y in values if y is not None]
        body.append(svg.line([frame(*point) for point in known], kind))
        body += [svg.mark(*frame(*point), kind, size=3) for point in known[1::2]]
        told.append(
            f"{names[kind]}: "
            + ", ".join(f"{estimate(y)} at {x:.0%}" for x, y in known if round(x * 20) % 4 == 0)
        )
    body += _legend(list(names.items()), 372, 30, "")
    return svg.document(
        body,
        width=680,
        height=300,
        key=f"risk-{speaker}",
        title=f"What answering less often changes, {_whose(speaker)}",
        description="; ".join(told) + ".",
        alone=alone,
    )


Plot = Callable[..., str]

PLOTS: Final[Mapping[str, tuple[str, Plot]]] = {
    "confusion": (
        "Each row is what the codes say, each column what the model says; the diagonal is where "
        "they agree, and a cell's share is of its row.",
        confusion_plot,
    ),
    "precision-recall": (
        "Going right, more of a label's turns are found; going down, more of what is flagged is "
        "wrong. A model that guesses stays flat at the label's share of turns.",
        precision_recall_plot,
    ),
    "reliability": (
        "A point on the dotted line: of the turns given this probability, just so many carry the "
        "label. Below it the model is too sure, above it not sure enough.",
        reliability_plot,
    ),
    "risk-coverage": (
        "If the model answers only the turns it is surest of (from right to left), how good the "
        "answers are and how many of the true ruptures are still among them; dotted: 80%.",
        risk_plot,
    ),
}
"""Each plot's name, how to read it in a line, and what draws it."""


class _Frame:
    """Where the values of a plot lie: both axes from 0 to ``top``."""

    def __init__(self, x: float, y: float, width: float, height: float) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height
        self.top = 1.0

    def __call__(self, across: float, up: float) -> tuple[float, float]:
        return (
            self.x + self.width * across / self.top,
            self.y + self.height * (1 - up / self.top),
        )

    def axes(self, across: str, up: str) -> list[str]:
        bottom = self.y + self.height
        out = [
            svg.line([(self.x, self.y), (self.x, bottom), (self.x + self.width, bottom)], "axis"),
            svg.text(self.x + self.width / 2, bottom + 30, across, anchor="middle", soft=True),
        ]
        if up:
            out.append(svg.text(self.x + 6, self.y + 8, up, soft=True))
        for tick in _TICKS:
            value = tick * self.top
            x, y = self(value, value)
            written = f"{value:.3g}"
            out.append(svg.text(x, bottom + 15, written, anchor="middle", soft=True))
            out.append(svg.text(self.x - 5, y + 4, written, anchor="end", soft=True))
        return out


def _bin(frame: _Frame, bin_: Mapping[str, Any], kind: str) -> list[str]:
    observed = bin_["observed"]
    if bin_["predicted"] is None or observed["value"] is None:
        return []
    x, y = frame(bin_["predicted"], observed["value"])
    out = []
    if observed["low"] is not None and observed["high"] is not None:
        low, high = (frame(0, observed[end])[1] for end in ("low", "high"))
        out.append(svg.line([(x, low), (x, max(high, frame.y))], "axis"))
    told = (
        f"{bin_['turns']:,} turns: predicted {estimate(bin_['predicted'])}, observed "
        f"{estimate(**observed)}"
    )
    out.append(svg.mark(x, y, kind, told=told))
    return out


def _round_up(bins: Sequence[Mapping[str, Any]]) -> float:
    """The end of both axes: rare labels would else huddle in a corner."""
    values = [bin_["predicted"] or 0.0 for bin_ in bins]
    values += [bin_["observed"]["value"] or 0.0 for bin_ in bins]
    largest = max(values, default=1.0)
    return next((top for top in (0.2, 0.4, 0.6, 0.8) if largest <= top), 1.0)


def _legend(rows: Sequence[tuple[str, str]], x: float, y: float, title: str) -> list[str]:
    out = [svg.text(x, y, title, soft=True)] if title else []
    for place, (kind, words) in enumerate(rows):
        at = y + 24 * (place + 1)
        out.append(svg.line([(x, at - 4), (x + 28, at - 4)], kind))
        out.append(svg.mark(x + 14, at - 4, kind, size=3.5))
        out.append(svg.text(x + 36, at, words))
    return out


def _whose(speaker: str) -> str:
    return "both speakers pooled" if speaker == "pooled" else f"the {speaker}'s turns"
