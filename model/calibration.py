"""From code logits to four calibrated probabilities."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alliance.model.codebook import LABELS, MARKER_ORDER, Role
from alliance.model.errors import ConfigError

Floats = NDArray[np.float64]
ByLabel = tuple[float, float, float, float]
"""One number per label, in the order of ``LABELS``."""

_ROUNDING: Final = 1e-6  # how far shares may sum beside 1

# Smallest probability that is ever taken the logarithm of.
_TINY: Final = 1e-12

LABEL_OF_CODE: Final = np.array([LABELS.index(code.label) for code in MARKER_ORDER])
"""For each of the 21 codes, the place of its label in ``LABELS``."""

_MEMBERSHIP: Final = np.eye(len(LABELS))[LABEL_OF_CODE]


def legal_codes(roles: Sequence[Role]) -> NDArray[np.bool_]:
    """Which codes a turn of each role may carry, shape (turns, 21).

    Other speakers get no label; all codes count as legal for them, so that the arrays stay finite.
    """
    table = {
        role: [role is Role.OTHER or code.may_be_said_by(role) for code in MARKER_ORDER]
        for role in Role
    }
    return np.array([table[role] for role in roles], dtype=bool).reshape(-1, len(MARKER_ORDER))


def code_probabilities(logits: NDArray[np.floating[Any]], roles: Sequence[Role]) -> Floats:
    """Softmax over the codes that each turn's role allows, shape (turns, 21)."""
    masked = np.where(legal_codes(roles), logits.astype(np.float64), -np.inf)
    masked -= masked.max(axis=1, keepdims=True, initial=-np.inf)
    exponentials = np.exp(masked)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def label_probabilities(codes: Floats) -> Floats:
    """A label's probability is the sum of its codes', shape (turns, 4)."""
    return np.asarray(codes @ _MEMBERSHIP)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A temperature, a bias per label, and how far each label's probability is to be trusted.

    ``q = softmax(log p / temperature + bias)``: temperature scaling (Guo et al. 2017) with the
    biases that bring the probabilities of a model trained on re-balanced data back to natural
    prevalence. Then each label keeps the share ``trust`` of its ``q``, and what is taken away is
    dealt out by ``prevalence``, as in a model of mislabelled turns (Angluin & Laird 1988): a
    temperature alone cannot say that even the surest of a small model's ruptures are often none.
    Fitted on turns the model was not trained on.

    Attributes:
        temperature: positive; above 1 makes the model less sure of itself.
        bias: one number per label, in the order of ``LABELS``.
        trust: share (above 0, at most 1) of each label's probability that stays with it.
        prevalence: how common each label is (0-1); sums to 1. Without effect if all trust is 1.

    Raises:
        ConfigError: if a value is out of its range, or there are not four of each.
    """

    temperature: float = 1.0
    bias: ByLabel = (0.0, 0.0, 0.0, 0.0)
    trust: ByLabel = (1.0, 1.0, 1.0, 1.0)
    prevalence: ByLabel = (0.25, 0.25, 0.25, 0.25)

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be positive, got {self.temperature}")
        for name in ("bias", "trust", "prevalence"):
            if len(values := getattr(self, name)) != len(LABELS):
                raise ConfigError(f"{name}: one per label ({len(LABELS)}), got {len(values)}")
        if not all(0 < share <= 1 for share in self.trust):
            raise ConfigError(f"trust lies above 0 and at most at 1, got {self.trust}")
        if min(self.prevalence) < 0 or abs(sum(self.prevalence) - 1) > _ROUNDING:
            raise ConfigError(f"prevalence is not negative and sums to 1, got {self.prevalence}")

    def __call__(self, probabilities: Floats) -> Floats:
        """Calibrated probabilities, shape (turns, 4), rows summing to 1."""
        scores = np.log(np.maximum(probabilities, _TINY)) / self.temperature + np.array(self.bias)
        scores -= scores.max(axis=1, keepdims=True, initial=-np.inf)
        exponentials = np.exp(scores)
        sure = exponentials / exponentials.sum(axis=1, keepdims=True)
        trust = np.array(self.trust)
        taken = (sure * (1.0 - trust)).sum(axis=1, keepdims=True)
        return np.asarray(sure * trust + taken * np.array(self.prevalence))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "temperature": self.temperature,
            **{name: _named(getattr(self, name)) for name in ("bias", "trust", "prevalence")},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Calibration":
        """The inverse of :meth:`to_dict`; without ``trust``, all is trusted."""
        return cls(
            temperature=float(data["temperature"]),
            **{
                name: by_label(data[name][label.value] for label in LABELS)
                for name in ("bias", "trust", "prevalence")
                if name == "bias" or name in data
            },
        )


def _named(values: ByLabel) -> dict[str, float]:
    return {label.value: value for label, value in zip(LABELS, values, strict=True)}


def by_label(values: Iterable[float]) -> ByLabel:
    """Four numbers as what :class:`Calibration` takes."""
    alliance_positive, withdrawal, confrontation, neutral = map(float, values)
    return alliance_positive, withdrawal, confrontation, neutral
