"""How many coded sessions does one need? Figures by the number of sessions trained on.

Sessions are drawn in a random order several times; each time a share of them is held out, and
models learn from the first n of the rest, for growing n. The curve is that of a quick rival (TF-IDF
and a logistic regression), which takes seconds where a network takes hours; it says where more
coding still pays, not what a network would reach.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alliance.model.agreement import confusion_matrix, f1, macro_f1
from alliance.model.codebook import LABELS
from alliance.model.errors import InputError
from alliance.model.markdown import estimate, table
from alliance.training.corpora import CodedSession
from alliance.training.rivals import baseline

__all__ = ["Point", "advice", "curve_markdown", "default_sizes", "learning_curve"]

HELD_OUT: Final = 0.25
"""Share of the sessions that each draw holds out."""

_FEWEST: Final = 8  # sessions for a curve
_START: Final = 5


@dataclass(frozen=True, slots=True)
class Point:
    """What was reached with so many sessions.

    Attributes:
        sessions: how many of your own were trained on.
        turns: mean number of coded turns in them.
        macro_f1: one value per draw, on the sessions that it held out.
        f1: per label, in the order of ``LABELS``, means over draws; nan where none has a value.
    """

    sessions: int
    turns: float
    macro_f1: tuple[float, ...]
    f1: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean macro-F1 over the draws."""
        return float(np.mean(self.macro_f1))

    @property
    def spread(self) -> float:
        """Standard deviation over the draws; nan for one."""
        return float(np.std(self.macro_f1, ddof=1)) if len(self.macro_f1) > 1 else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "sessions": self.sessions,
            "turns": round(self.turns, 1),
            "macro_f1": [round(value, 6) for value in self.macro_f1],
            "mean": round(self.mean, 6),
            "f1": {
                label.value: None if np.isnan(value) else round(value, 6)
                for label, value in zip(LABELS, self.f1, strict=True)
            },
        }


def default_sizes(sessions: int) -> list[int]:
    """5, 10, 20 … sessions, and all that are not held out.

    Raises:
        InputError: if there are too few sessions for a curve.
    """
    if sessions < _FEWEST:
        raise InputError(
            f"expected at least {_FEWEST} coded sessions for a curve, found {sessions}; code more"
        )
    most = sessions - max(1, round(HELD_OUT * sessions))
    sizes = []
    size = _START
    while size < most:
        sizes.append(size)
        size *= 2
    return [*sizes, most]


def learning_curve(
    sessions: Sequence[CodedSession],
    *,
    beside: Sequence[CodedSession] = (),
    sizes: Sequence[int] | None = None,
    draws: int = 5,
    seed: int = 0,
    tell: Callable[[str], None] | None = None,
) -> list[Point]:
    """Macro-F1 on held-out sessions by the number of sessions trained on.

    Args:
        sessions: your coded sessions.
        beside: sessions that are always trained on, such as ours.
        sizes: numbers of your sessions to try; None for :func:`default_sizes`.
        draws: how often the order of sessions is drawn anew; the same draws serve every size.
        seed: of the draws.
        tell: told what is going on.

    Raises:
        InputError: if a size is out of range, or there are too few sessions.
    """
    wanted = default_sizes(len(sessions)) if sizes is None else sorted(set(sizes))
    held = max(1, round(HELD_OUT * len(sessions)))
    most = len(sessions) - held
    if not wanted or not 0 <= wanted[0] <= wanted[-1] <= most or (wanted[0] == 0 and not beside):
        raise InputError(
            f"expected numbers of sessions from 1 to {most} (of {len(sessions)}, {held} are held "
            f"out), found {', '.join(map(str, wanted)) or 'none'}; change --sizes"
        )
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(len(sessions)) for _ in range(draws)]
    points = []
    for size in wanted:
        if tell is not None:
            tell(f"{size} sessions")
        scores, by_label, turns = [], [], []
        for order in orders:
            chosen = [sessions[place] for place in order[held : held + size]]
            model = baseline.fit([*chosen, *beside])
            found = model.predict(sessions[place] for place in order[:held])
            matrix = confusion_matrix(found.gold, found.predicted)
            scores.append(float(macro_f1(matrix)))
            by_label.append(f1(matrix))
            turns.append(sum(code is not None for coded in chosen for code in coded.codes))
        defined = ~np.isnan(np.array(by_label))
        with np.errstate(invalid="ignore"):
            means = np.where(defined, by_label, 0.0).sum(axis=0) / defined.sum(axis=0)
        points.append(
            Point(size, float(np.mean(turns)), tuple(scores), tuple(float(m) for m in means))
        )
    return points


def advice(points: Sequence[Point]) -> str:
    """What the last doubling brought, in a sentence."""
    last = points[-1]
    before = next(
        (point for point in reversed(points[:-1]) if 2 * point.sessions <= last.sessions), None
    )
    if before is None:
        return "Too few sizes to say what more sessions would bring."
    gains = np.subtract(last.macro_f1, before.macro_f1)
    gain = float(gains.mean())
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else float("nan")
    what = (
        f"From {before.sessions} to {last.sessions} sessions macro-F1 changed by {gain:+.2f} "
        f"(standard error over draws {error:.2f})"
    )
    if np.isnan(error) or abs(gain) < 2 * error:
        return f"{what}: no more than the draws differ by."
    if gain < 0.01:
        return f"{what}: more sessions of this kind bring little to this model."
    return f"{what}: more sessions still pay."


def curve_markdown(points: Sequence[Point]) -> str:
    """The curve as a Markdown table."""
    rows = [
        (
            str(point.sessions),
            f"{point.turns:,.0f}",
            f"{estimate(point.mean)} ± {estimate(point.spread)}",
            *(estimate(value) for value in point.f1),
        )
        for point in points
    ]
    header = ("sessions", "coded turns", "macro-F1 ± SD of draws")
    return table((*header, *(f"F1, {label.title}" for label in LABELS)), rows)
