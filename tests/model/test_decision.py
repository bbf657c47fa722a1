import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.codebook import LABELS, Label
from alliance.model.decision import DecisionPolicy, DecisionRule
from alliance.model.errors import ConfigError
from alliance.model.labelled import Purpose

rules = st.builds(
    DecisionRule,
    weights=st.fixed_dictionaries({label: st.floats(0.05, 20) for label in Label}),
    abstain_below=st.fixed_dictionaries({label: st.floats(0, 1) for label in Label}),
)
rows = st.lists(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), min_size=1, max_size=5)


def rule(*, weights: dict[Label, float] | None = None, **least: float) -> DecisionRule:
    return DecisionRule(
        weights=dict.fromkeys(Label, 1.0) | (weights or {}),
        abstain_below={label: least.get(label.value, 0.0) for label in Label},
    )


def test_without_weights_the_largest_probability_decides() -> None:
    probabilities = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.1, 0.6, 0.2, 0.1]])
    decided, abstained = DecisionRule()(probabilities)
    assert [LABELS[place].letter for place in decided] == ["P", "N", "W"]
    assert abstained.tolist() == [False, False, False]


def test_weights_by_hand() -> None:
    probabilities = np.array([[0.1, 0.3, 0.0, 0.6]])
    # Products .1, .9, 0, .6: withdrawal has 9 of 16 parts.
    decided, score = rule(weights={Label.WITHDRAWAL: 3.0}).scores(probabilities)
    assert LABELS[decided[0]] is Label.WITHDRAWAL
    assert score == pytest.approx([9 / 16])
    # At twice, the products are equal; the first of the labels is taken.
    decided, score = rule(weights={Label.WITHDRAWAL: 2.0}).scores(probabilities)
    assert LABELS[decided[0]] is Label.WITHDRAWAL
    assert score == pytest.approx([6 / 13])
    decided, _ = rule(weights={Label.WITHDRAWAL: 1.9}).scores(probabilities)
    assert LABELS[decided[0]] is Label.NEUTRAL


def test_the_model_abstains_below_the_threshold_of_the_label_decided() -> None:
    probabilities = np.array([[0.0, 0.5, 0.0, 0.5], [0.0, 0.25, 0.0, 0.75], [0.75, 0.25, 0.0, 0.0]])
    decided, abstained = rule(withdrawal=0.5, neutral=0.8)(probabilities)
    assert [LABELS[place].letter for place in decided] == ["W", "N", "P"]
    # .5 is not below .5; alliance-positive has no threshold; that the neutral turn might be a
    # withdrawal is no reason to abstain, that it might be alliance-positive is.
    assert abstained.tolist() == [False, False, False]
    _, abstained = rule(neutral=0.8)(np.array([[0.25, 0.0, 0.0, 0.75], [0.1, 0.4, 0.0, 0.5]]))
    assert abstained.tolist() == [True, False]
    _, abstained = rule(withdrawal=0.51)(probabilities)
    assert abstained.tolist() == [True, False, False]


@settings(max_examples=60, deadline=None)
@given(rules, rows)
def test_a_decision_is_the_largest_product_and_its_score_a_share(
    drawn: DecisionRule, parts: list[list[float]]
) -> None:
    probabilities = np.array(parts) / np.array(parts).sum(axis=1, keepdims=True)
    decided, score = drawn.scores(probabilities)
    again, abstained = drawn(probabilities)
    assert again.tolist() == decided.tolist()
    for row, place, share, abstains in zip(probabilities, decided, score, abstained, strict=True):
        products = [p * drawn.weights[label] for p, label in zip(row, LABELS, strict=True)]
        assert products[place] == max(products)
        label = LABELS[place]
        rivals = products if label.is_rupture else [products[0], products[3]]
        assert share == pytest.approx(max(products) / sum(rivals))
        assert abstains == (share < drawn.abstain_below[LABELS[place]])


def test_no_turns_need_no_decision() -> None:
    decided, abstained = DecisionRule()(np.zeros((0, 4)))
    assert (decided.shape, abstained.shape) == ((0,), (0,))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"weights": {Label.NEUTRAL: 1.0}}, r"weights needs one value per label, got .*neutral"),
        ({"abstain_below": {}}, r"abstain_below needs one value per label, got \[\]"),
        ({"weights": dict.fromkeys(Label, 0.0)}, "weights must be positive"),
        ({"weights": dict.fromkeys(Label, float("nan"))}, "weights must be positive"),
        ({"abstain_below": dict.fromkeys(Label, 1.1)}, r"between 0 and 1, got .*1\.1"),
        ({"abstain_below": dict.fromkeys(Label, -0.1)}, r"between 0 and 1, got .*-0\.1"),
    ],
)
def test_rules_that_cannot_be(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DecisionRule(**facts)


@settings(max_examples=30, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(Purpose, rules)))
def test_a_policy_comes_back_from_json(drawn: dict[Purpose, DecisionRule]) -> None:
    policy = DecisionPolicy(drawn)
    again = DecisionPolicy.from_dict(json.loads(json.dumps(policy.to_dict())))
    assert again == policy
    for purpose in Purpose:
        assert again.rule(purpose) == drawn[purpose]


def test_every_purpose_needs_a_rule() -> None:
    with pytest.raises(ConfigError, match=r"a rule is needed for each purpose, got .*research"):
        DecisionPolicy({Purpose.RESEARCH: DecisionRule()})
    assert DecisionPolicy().rule(Purpose.TEACHING) == DecisionRule()
