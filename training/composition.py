"""What a corpus holds and how far its two coders agree, as Markdown tables without any text."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from alliance.model import agreement
from alliance.model.agreement import Floats, Ints
from alliance.model.codebook import LABELS, MARKER_ORDER, Role
from alliance.model.markdown import estimate, table
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import ROLES

_RESAMPLES = 2000
_SPEAKERS = (*(role.value for role in ROLES), "pooled")


def composition(sessions: Iterable[CodedSession]) -> str:
    """Turns by label and by code, for client, therapist and both."""
    sessions = tuple(sessions)
    codes = Counter(
        (turn.role, code)
        for coded in sessions
        for turn, code in zip(coded.session.turns, coded.codes, strict=True)
        if code is not None
    )
    labels: Counter[tuple[Role, object]] = Counter()
    for (role, code), count in codes.items():
        labels[role, code.label] += count
    turns = sum(codes.values())
    by_label = [(label.title, *_counts(labels[role, label] for role in ROLES)) for label in LABELS]
    everything = _counts(sum(labels[role, label] for label in LABELS) for role in ROLES)
    by_code = [
        (
            code.value,
            code.entry.name,
            *(f"{codes[role, code]:,}" if code.may_be_said_by(role) else "–" for role in ROLES),
        )
        for code in MARKER_ORDER
    ]
    return "\n\n".join(
        [
            f"{turns:,} coded turns in {len(sessions):,} sessions.",
            table(("label", *_SPEAKERS), [*by_label, ("all", *everything)]),
            table(("code", "marker", *(role.value for role in ROLES)), by_code),
        ]
    )


def coder_agreement(sessions: Iterable[CodedSession]) -> str:
    """Agreement of the two codings on labels, for client, therapist and both.

    Cohen's κ, macro-F1, raw agreement, and F1 per label, with 95% intervals from 2,000 resamples
    of whole sessions.
    """
    rows = [
        (place, ROLES.index(turn.role), LABELS.index(a.label), LABELS.index(b.label))
        for place, coded in enumerate(sessions)
        for turn, a, b in zip(coded.session.turns, coded.coder_a, coded.coder_b, strict=True)
        if a is not None and b is not None
    ]
    session, role, first, second = np.array(rows, dtype=np.int64).reshape(len(rows), 4).T
    columns = []
    for chosen in (*(role == place for place in range(len(ROLES))), role >= 0):
        columns.append(_agreement(first[chosen], second[chosen], session[chosen]))
    titles = (
        "turns coded twice",
        "Cohen's κ",
        "macro-F1",
        "raw agreement",
        *(f"F1, {label.title}" for label in LABELS),
    )
    return table(("", *_SPEAKERS), list(zip(titles, *columns, strict=True)))


def facts(sessions: Iterable[CodedSession], name: str) -> str:
    """How many sessions have each value of one fact, e.g. ``style``, the commonest first."""
    values = Counter(coded.facts[name] for coded in sessions if name in coded.facts)
    return "\n".join(f"- {value} ({count})" for value, count in values.most_common())


def folds(sessions: Iterable[CodedSession]) -> str:
    """Sessions and turns by label of each cross-validation fold."""
    sessions = tuple(sessions)
    rows = []
    for fold in sorted({coded.fold for coded in sessions if coded.fold is not None}):
        members = [coded for coded in sessions if coded.fold == fold]
        labels = Counter(label for coded in members for label in coded.labels)
        counts = (f"{labels[label]:,}" for label in LABELS)
        rows.append((str(fold), f"{len(members):,}", *counts))
    return table(("fold", "sessions", *(label.title for label in LABELS)), rows)


def _counts(counts: Iterable[int]) -> tuple[str, ...]:
    numbers = list(counts)
    return tuple(f"{number:,}" for number in (*numbers, sum(numbers)))


def _agreement(first: Ints, second: Ints, session: Ints) -> Sequence[str]:
    names, index = np.unique(session, return_inverse=True)
    groups = len(names)
    counts = agreement.confusion_by_group(first, second, index.astype(np.int64), groups=groups)

    def statistic(drawn: Floats) -> Floats:
        total = np.tensordot(drawn, counts.astype(np.float64), 1)
        overall = [agreement.kappa(total), agreement.macro_f1(total), agreement.accuracy(total)]
        return np.concatenate([np.stack(overall, axis=1), agreement.f1(total)], axis=1)

    point = statistic(np.ones((1, groups)))[0]
    intervals = agreement.bootstrap(statistic, groups, resamples=_RESAMPLES)
    return (
        f"{len(first):,}",
        *(
            estimate(value, interval.low, interval.high)
            for value, interval in zip(point, intervals, strict=True)
        ),
    )
