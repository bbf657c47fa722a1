"""From code logits to four calibrated probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Role
from alliance.model.errors import ConfigError

Floats = NDArray[np.float64]

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
    """A temperature and a bias per label, applied to the logarithm of label probabilities.

    ``p' = softmax(log p / temperature + bias)``: temperature scaling (Guo et al. 2017) with the
    biases that bring the probabilities of a model trained on re-balanced data back to natural
    prevalence. Fitted on turns the model was not trained on.

    Attributes:
        temperature: positive; above 1 makes the model less sure of itself.
        bias: one number per label, in the order of ``LABELS``.

    Raises:
        ConfigError: if the temperature is not positive or the biases are not four.
    """

    temperature: float = 1.0
    bias: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be positive, got {self.temperature}")
        if len(self.bias) != len(LABELS):
            raise ConfigError(f"one bias per label ({len(LABELS)}), got {len(self.bias)}")

    def __call__(self, probabilities: Floats) -> Floats:
        """Calibrated probabilities, shape (turns, 4), rows summing to 1."""
        scores = np.log(np.maximum(probabilities, _TINY)) / self.temperature + np.array(self.bias)
        scores -= scores.max(axis=1, keepdims=True, initial=-np.inf)
        exponentials = np.exp(scores)
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "temperature": self.temperature,
            "bias": {label.value: b for label, b in zip(LABELS, self.bias, strict=True)},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Calibration":
        """The inverse of :meth:`to_dict`."""
        alliance_positive, withdrawal, confrontation, neutral = (
            float(data["bias"][label.value]) for label in Label
        )
        return cls(
            temperature=float(data["temperature"]),
            bias=(alliance_positive, withdrawal, confrontation, neutral),
        )
