"""How far a panel of coders agrees: figures with intervals over sessions, ready for JSON.

Reported together, since each hides something: percent agreement (flattered by common codes), κ
(depressed by rare ones), Gwet's AC1 (steady under both), Krippendorff's α (any number of coders,
turns left out). Figures per code take it against all others. Frequencies per session are compared
by ICC, as the 3RS reports its own reliability (Eubanks, Lubitz, Muran & Safran 2019).

With more than two coders κ is the mean of all pairs' (Light 1971, "Measures of response agreement
for qualitative data", Psychological Bulletin 76).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, Final

import numpy as np

from alliance.model.agreement import confusion_by_group, icc_2_1, icc_2_k, kappa
from alliance.model.arrays import Bools, Floats, Ints, ratio
from alliance.model.codebook import MARKER_ORDER, Label
from alliance.model.confusion import accuracy, f1, macro_f1
from alliance.model.episode_matching import Span, match_episodes
from alliance.model.episodes import group_ruptures
from alliance.model.estimates import LEVEL, estimates, nested
from alliance.model.panel import ANY, MARKER_CODES, NONE, Panel
from alliance.model.raters import (
    Order,
    coincidences,
    gwet,
    krippendorff_alpha,
    pairings,
    percent_agreement,
    weighted_kappa,
    weights_of,
)
from alliance.model.timeline import DEFAULT_CONFIG

__all__ = ["NEAR_TURNS", "panel_figures"]

NEAR_TURNS: Final = (1, 3, 5)
"""How far the onsets of two coders' episodes may lie apart, in turns."""

_MOST_PAIRS: Final = 45  # of coders, whose confusion matrices are listed: ten coders
_SPEAKERS: Final = {"client": 0, "therapist": 1}

Named = Mapping[str, Floats]
Statistic = Callable[[Floats], Named]


def panel_figures(
    panel: Panel, *, order: Order = Order.NONE, resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """All figures of a panel.

    Args:
        panel: the coders' codes.
        order: how near codes are to each other, if they have an order.
        resamples: how many times the sessions are drawn anew.
        seed: the same seed gives the same intervals.

    Returns:
        ``coders``, ``turns``, ``sessions`` and what was counted; ``speakers``: for client,
        therapist and pooled ``overall`` and, by code, ``codes``; ``pairs`` of coders with their
        confusion matrices; ``frequencies`` per session; ``episodes``; ``models``: each model as
        one more coder. An estimate is ``{"value", "low", "high"}``
        (:mod:`alliance.model.estimates`).
    """
    groups = len(panel.sessions)
    run = partial(estimates, groups=groups, resamples=resamples, seed=seed)
    pairs = list(combinations(range(len(panel.coders)), 2))
    report: dict[str, Any] = {
        "kind": panel.kind,
        "codes": list(panel.codes),
        "order": order.value,
        "turns": len(panel),
        "turns_coded_by_all": int(panel.coded_by_all.sum()),
        "sessions": groups,
        "resamples": resamples,
        "seed": seed,
        "level": LEVEL,
        "coders": [_coder(panel, place) for place in range(len(panel.coders))],
        "speakers": {},
    }
    for name, chosen in _speakers(panel):
        part = panel.where(chosen)
        report["speakers"][name] = {
            "turns": len(part),
            "overall": run(_overall(part, order)),
            "codes": nested(run(_by_code(part))),
        }
    report["pairs"] = [_pair(panel, a, b, order, run) for a, b in pairs[:_MOST_PAIRS]]
    report["frequencies"] = nested(run(_frequencies(panel)))
    if panel.kind != ANY:
        report["episodes"] = nested(run(_episodes(panel)))
    report["models"] = {
        panel.coders[place]: nested(run(_as_one_more(panel, place, order)))
        for place in panel.models
        if len(panel.people) >= 2
    }
    return report


def _coder(panel: Panel, place: int) -> dict[str, Any]:
    given = panel.given[place]
    counts = np.bincount(given[given >= 0], minlength=len(panel.codes))
    return {
        "name": panel.coders[place],
        "by_model": panel.by_model[place],
        "turns": int(counts.sum()),
        "counts": dict(zip(panel.codes, counts.tolist(), strict=True)),
    }


def _speakers(panel: Panel) -> list[tuple[str, Bools]]:
    """Whose turns figures are about: client and therapist where speakers are known, then all."""
    known = [(name, panel.role == place) for name, place in _SPEAKERS.items()]
    everybody = np.ones(len(panel), dtype=np.bool_)
    return [*((n, c) for n, c in known if c.any()), ("pooled", everybody)]


def _confusions(panel: Panel, a: int, b: int) -> Floats:
    """The confusion matrix of two coders in each session, on the turns that both coded."""
    both = (panel.given[a] >= 0) & (panel.given[b] >= 0)
    return confusion_by_group(
        panel.given[a][both],
        panel.given[b][both],
        panel.session[both],
        groups=len(panel.sessions),
        classes=len(panel.codes),
    ).astype(np.float64)


def _sum(drawn: Floats, counts: Floats) -> Floats:
    return np.tensordot(drawn, counts, 1)


def _mean(values: Sequence[Floats]) -> Floats:
    """The mean of those that are defined; nan where none is."""
    stacked = np.stack(values)
    defined = ~np.isnan(stacked)
    return ratio(np.where(defined, stacked, 0.0).sum(axis=0), defined.sum(axis=0))


def _overall(panel: Panel, order: Order) -> Statistic:
    groups, classes = len(panel.sessions), len(panel.codes)
    same = weights_of(Order.NONE, classes)
    near = weights_of(order, classes)
    matrices = coincidences(panel.given, panel.session, groups=groups, classes=classes)
    pairs = [_confusions(panel, a, b) for a, b in combinations(range(len(panel.coders)), 2)]
    sums, near_sums = (
        pairings(panel.given, panel.session, groups=groups, classes=classes, weights=weights)
        for weights in (same, near)
    )

    # Each way in which all coders rated a turn, and how often it occurs: few, however many turns.
    every = panel.coded_by_all
    rated, which = np.unique(panel.given[:, every].T, axis=0, return_inverse=True)
    occurs = np.zeros((groups, len(rated)))
    np.add.at(occurs, (panel.session[every], which.ravel()), 1.0)

    def statistic(drawn: Floats) -> Named:
        found = {
            "percent_agreement": percent_agreement(sums.drawn(drawn)),
            "kappa": _mean([kappa(_sum(drawn, pair)) for pair in pairs]),
            "ac1": gwet(sums.drawn(drawn), same),
            "alpha": krippendorff_alpha(_sum(drawn, matrices)),
        }
        if order is not Order.NONE:
            metric = Order.ORDINAL if order is Order.LINEAR else order
            found |= {
                "weighted_agreement": percent_agreement(near_sums.drawn(drawn)),
                "weighted_kappa": _mean(
                    [weighted_kappa(_sum(drawn, pair), near) for pair in pairs]
                ),
                "ac2": gwet(near_sums.drawn(drawn), near),
                f"alpha_{metric.value}": krippendorff_alpha(_sum(drawn, matrices), order=metric),
                "icc_2_1": icc_2_1(rated.astype(np.float64), weights=drawn @ occurs),
                "icc_2_k": icc_2_k(rated.astype(np.float64), weights=drawn @ occurs),
            }
        return found

    return statistic


def _by_code(panel: Panel) -> Statistic:
    groups = len(panel.sessions)
    binary = weights_of(Order.NONE, 2)
    parts: dict[str, Statistic] = {}
    for place, code in enumerate(panel.codes):
        if not (panel.given == place).any():
            continue
        is_it = np.where(panel.given < 0, NONE, (panel.given == place).astype(np.int64))
        one = Panel(
            panel.coders,
            panel.by_model,
            ("other", code),
            ANY,
            panel.sessions,
            panel.session,
            panel.turn,
            panel.role,
            is_it,
        )
        parts[code] = _against_the_rest(one, groups, binary)

    def statistic(drawn: Floats) -> Named:
        return {
            f"{code}/{name}": values
            for code, part in parts.items()
            for name, values in part(drawn).items()
        }

    return statistic


def _against_the_rest(panel: Panel, groups: int, binary: Floats) -> Statistic:
    matrices = coincidences(panel.given, panel.session, groups=groups, classes=2)
    sums = pairings(panel.given, panel.session, groups=groups, classes=2, weights=binary)
    pairs = [_confusions(panel, a, b) for a, b in combinations(range(len(panel.coders)), 2)]

    def statistic(drawn: Floats) -> Named:
        summed = sums.drawn(drawn)
        return {
            "share": ratio(summed.shares[:, 1], summed.coded),
            "kappa": _mean([kappa(_sum(drawn, pair)) for pair in pairs]),
            "ac1": gwet(summed, binary),
            "alpha": krippendorff_alpha(_sum(drawn, matrices)),
            # Positive specific agreement (Fleiss 1975); of two coders it is F1.
            "specific_agreement": _mean([f1(_sum(drawn, pair))[:, 1] for pair in pairs]),
        }

    return statistic


def _pair(panel: Panel, a: int, b: int, order: Order, run: Any) -> dict[str, Any]:
    matrices = _confusions(panel, a, b)
    near = weights_of(order, len(panel.codes))

    def statistic(drawn: Floats) -> Named:
        summed = _sum(drawn, matrices)
        found = {
            "percent_agreement": accuracy(summed),
            "kappa": kappa(summed),
            "macro_f1": macro_f1(summed),
        }
        if order is not Order.NONE:
            found["weighted_kappa"] = weighted_kappa(summed, near)
        return found

    return {
        "coders": [panel.coders[a], panel.coders[b]],
        "turns": int(matrices.sum()),
        "confusion": matrices.sum(axis=0).astype(np.int64).tolist(),
        **run(statistic),
    }


def _frequencies(panel: Panel) -> Statistic:
    """ICCs of each session's number of turns with a code, and of its episodes."""
    panel = panel.where(panel.coded_by_all)
    groups = len(panel.sessions)
    there = np.flatnonzero(np.bincount(panel.session, minlength=groups))
    counted: dict[str, Floats] = {}
    for place, code in enumerate(panel.codes):
        numbers = [
            np.bincount(panel.session[given == place], minlength=groups) for given in panel.given
        ]
        if any(number.any() for number in numbers):
            counted[code] = np.stack(numbers, axis=1).astype(np.float64)
    if panel.kind != ANY:
        spans = [_spans(panel, given) for given in panel.given]
        counted["episodes"] = np.array(
            [[len(coder[session]) for coder in spans] for session in range(groups)],
            dtype=np.float64,
        ).reshape(groups, len(panel.coders))

    def statistic(drawn: Floats) -> Named:
        chosen = drawn[:, there]
        return {
            f"{name}/{figure.__name__}": figure(numbers[there], weights=chosen)
            for name, numbers in counted.items()
            for figure in (icc_2_1, icc_2_k)
        }

    return statistic


def _is_rupture(panel: Panel) -> Bools:
    """Which codes are ruptures."""
    labels = (
        [marker.label for marker in MARKER_ORDER]
        if panel.kind == MARKER_CODES
        else [Label(code) for code in panel.codes]
    )
    return np.array([label.is_rupture for label in labels])


def _spans(panel: Panel, given: Ints) -> list[list[Span]]:
    """The episodes of each session, as places among its turns in the panel."""
    ruptures = _is_rupture(panel)
    out: list[list[Span]] = []
    for session in range(len(panel.sessions)):
        codes = given[panel.session == session]
        flags = np.where(codes >= 0, ruptures[codes], False)
        groups = group_ruptures(flags.tolist(), gap_turns=DEFAULT_CONFIG.gap_turns)
        out.append([Span(group[0], group[-1]) for group in groups])
    return out


def _episodes(panel: Panel) -> Statistic:
    """The share of two coders' episodes that are the same: 2 · matched / (A's + B's)."""
    pairs = []
    for a, b in combinations(range(len(panel.coders)), 2):
        both = panel.of_coders([a, b])
        both = both.where(both.coded_by_all)
        spans = [_spans(both, given) for given in both.given]
        numbers = np.array([[len(x), len(y)] for x, y in zip(*spans, strict=True)])
        matched = {
            (rule, near): np.array(
                [
                    len(match_episodes(x, y, near=near, overlap=overlap))
                    for x, y in zip(*spans, strict=True)
                ]
            )
            for rule, overlap in (("onset", False), ("onset_or_overlap", True))
            for near in NEAR_TURNS
        }
        pairs.append((numbers.sum(axis=1), matched))

    def statistic(drawn: Floats) -> Named:
        return {
            f"{rule}/{near}": _mean(
                [
                    ratio(2 * (drawn @ matched[rule, near]), drawn @ total)
                    for total, matched in pairs
                ]
            )
            for rule, near in pairs[0][1]
        }

    return statistic


def _as_one_more(panel: Panel, model: int, order: Order) -> Statistic:
    """A model beside the people: with each of them, and each left out against all others."""
    people = panel.people
    weights = weights_of(order, len(panel.codes))
    among = [_confusions(panel, a, b) for a, b in combinations(people, 2)]
    with_model = [_confusions(panel, model, person) for person in people]
    left_out: list[tuple[Floats, Floats]] = []
    for person in people:
        rest = _majority(panel, [place for place in people if place != person])
        three = Panel(
            (panel.coders[person], panel.coders[model], "rest"),
            (False, True, False),
            panel.codes,
            panel.kind,
            panel.sessions,
            panel.session,
            panel.turn,
            panel.role,
            np.stack([panel.given[person], panel.given[model], rest]),
        )
        # The same turns for both: those that person, model and the rest have coded.
        three = three.where(three.coded_by_all)
        left_out.append((_confusions(three, 0, 2), _confusions(three, 1, 2)))

    def statistic(drawn: Floats) -> Named:
        def agree(matrices: Sequence[Floats]) -> Floats:
            return _mean([weighted_kappa(_sum(drawn, one), weights) for one in matrices])

        people_, model_ = agree(among), agree(with_model)
        person = agree([one for one, _ in left_out])
        in_place = agree([one for _, one in left_out])
        return {
            "pairs/people": people_,
            "pairs/model": model_,
            "pairs/difference": model_ - people_,
            "left_out/people": person,
            "left_out/model": in_place,
            "left_out/difference": in_place - person,
        }

    return statistic


def _majority(panel: Panel, places: Sequence[int]) -> Ints:
    """The code that most of these coders gave each turn; -1 for a tie or none."""
    counts = np.stack(
        [(panel.given[list(places)] == code).sum(axis=0) for code in range(len(panel.codes))]
    )
    most = counts.max(axis=0)
    alone = (counts == most).sum(axis=0) == 1
    return np.where(alone & (most > 0), counts.argmax(axis=0), NONE)
