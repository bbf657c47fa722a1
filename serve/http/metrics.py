"""Figures for Prometheus: how much, how long, how many. No label of them is an id or a name."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from alliance.model.codebook import LABELS
from alliance.model.labelled import LabelledTurn

__all__ = ["CONTENT_TYPE", "METHODS", "Metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
"""Methods that are told by name; any other is what somebody made up."""
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SESSIONS: Final = (1, 2, 4, 8, 16, 32, 64)
_UNLABELLED: Final = "none"


class Metrics:
    """The figures of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "alliance_requests",
            "Requests by method, route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "alliance_request_seconds",
            "Time from a request's first byte to its answer's last.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batch = Histogram(
            "alliance_batch_sessions",
            "Sessions whose windows take turns at the encoder, counted as each one begins.",
            buckets=_SESSIONS,
            registry=self.registry,
        )
        self._turns = Counter(
            "alliance_turns", "Turns by the label they got.", ["label"], registry=self.registry
        )
        for label in (*(label.value for label in LABELS), _UNLABELLED):
            self._turns.labels(label)
        self.live = Gauge("alliance_live_sessions", "Live sessions now.", registry=self.registry)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        known = method if method in METHODS else "OTHER"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, sessions: int) -> None:
        """Count a session that begins, with how many are in work by then."""
        self._batch.observe(sessions)

    def labelled(self, turns: Iterable[LabelledTurn]) -> None:
        """Count turns by label."""
        counts: dict[str, int] = {}
        for turn in turns:
            label = _UNLABELLED if turn.label is None else turn.label.value
            counts[label] = counts.get(label, 0) + 1
        for label, count in counts.items():
            self._turns.labels(label).inc(count)

    def text(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self.registry)
