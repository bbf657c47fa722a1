"""From probabilities to labels: thresholds and abstention live apart from the scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alliance.model.calibration import Calibration, Floats
from alliance.model.codebook import LABELS, Label
from alliance.model.errors import ConfigError
from alliance.model.labelled import Purpose


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """How the four probabilities of a turn become one label, or a label not to be trusted.

    The label is the largest of ``weight x probability``. Its *score* says how clear the decision
    was (0-1); below ``abstain_below`` for that label, the model abstains. For a rupture it is that
    product's share of the four products' sum. For the other two labels it is the share of the two
    products alone: doubt whether a neutral turn might be a rupture is no reason to take it out of
    sight, since most missed ruptures are among those turns; doubt between neutral and
    alliance-positive is.

    Attributes:
        weights: positive, one per label; 1 for all decides by the largest probability.
        abstain_below: least score (0-1) at which a decision for the label is trusted.

    Raises:
        ConfigError: if a weight is not positive or a score lies outside 0-1.
    """

    weights: Mapping[Label, float] = field(default_factory=lambda: dict.fromkeys(LABELS, 1.0))
    abstain_below: Mapping[Label, float] = field(default_factory=lambda: dict.fromkeys(LABELS, 0.0))

    def __post_init__(self) -> None:
        for name, values in (("weights", self.weights), ("abstain_below", self.abstain_below)):
            if set(values) != set(LABELS):
                raise ConfigError(f"{name} needs one value per label, got {sorted(values)}")
        if not all(weight > 0 for weight in self.weights.values()):
            raise ConfigError(f"weights must be positive, got {dict(self.weights)}")
        if not all(0 <= score <= 1 for score in self.abstain_below.values()):
            raise ConfigError(f"abstain_below lies between 0 and 1, got {dict(self.abstain_below)}")

    def __call__(self, probabilities: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Decide many turns at once.

        Args:
            probabilities: calibrated, shape (turns, 4), in the order of ``LABELS``.

        Returns:
            The place of each turn's label in ``LABELS``, shape (turns,), and whether the model
            abstains, shape (turns,).
        """
        decided, score = self.scores(probabilities)
        least = np.array([self.abstain_below[label] for label in LABELS])
        return decided, score < least[decided]

    def scores(self, probabilities: Floats) -> tuple[NDArray[np.intp], Floats]:
        """The decided labels' places in ``LABELS`` and their scores (0-1), each (turns,)."""
        weighted = probabilities * np.array([self.weights[label] for label in LABELS])
        decided = weighted.argmax(axis=1)
        own = weighted[np.arange(len(weighted)), decided]
        calm = np.array([not label.is_rupture for label in LABELS])
        rivals = np.where(calm[decided], weighted[:, calm].sum(axis=1), weighted.sum(axis=1))
        return decided, own / rivals

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "weights": {label.value: self.weights[label] for label in LABELS},
            "abstain_below": {label.value: self.abstain_below[label] for label in LABELS},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "DecisionRule":
        """The inverse of :meth:`to_dict`."""
        return cls(
            weights={Label(name): float(x) for name, x in data["weights"].items()},
            abstain_below={Label(name): float(x) for name, x in data["abstain_below"].items()},
        )


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """One rule for each purpose; saved beside the weights.

    Raises:
        ConfigError: if a purpose has no rule.
    """

    rules: Mapping[Purpose, DecisionRule] = field(
        default_factory=lambda: {purpose: DecisionRule() for purpose in Purpose}
    )

    def __post_init__(self) -> None:
        if set(self.rules) != set(Purpose):
            raise ConfigError(f"a rule is needed for each purpose, got {sorted(self.rules)}")

    def rule(self, purpose: Purpose) -> DecisionRule:
        """The rule for a purpose."""
        return self.rules[purpose]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {purpose.value: self.rules[purpose].to_dict() for purpose in Purpose}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "DecisionPolicy":
        """The inverse of :meth:`to_dict`."""
        return cls({Purpose(name): DecisionRule.from_dict(rule) for name, rule in data.items()})


@dataclass(frozen=True, slots=True)
class Rules:
    """How a model's raw probabilities become labels; causal mode may have rules of its own.

    A model that has read the whole session says more of a turn than one that has read what came
    before it; with the calibration of the one, the other would call too much a rupture.

    Attributes:
        calibration: of the raw probabilities.
        decision: thresholds on the calibrated ones.
    """

    calibration: Calibration
    decision: DecisionPolicy

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {"calibration": self.calibration.to_dict(), "decision": self.decision.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Rules":
        """The inverse of :meth:`to_dict`."""
        return cls(
            Calibration.from_dict(data["calibration"]), DecisionPolicy.from_dict(data["decision"])
        )
