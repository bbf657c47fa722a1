import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model import agreement as ag


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.2001, 0.9]), max_size=20),
    st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]),
    st.randoms(),
)
def test_the_most_certain_are_kept_whatever_their_order(
    certainty: list[float], coverage: float, random: object
) -> None:
    values = np.array(certainty)
    kept = ag.most_certain(values, coverage)
    assert kept.sum() >= round(coverage * len(values))
    if kept.any() and not kept.all():
        assert values[kept].min() > values[~kept].max()
        # One tie fewer would have been too few.
        strictly = values > values[kept].min()
        assert strictly.sum() < round(coverage * len(values))
    order = np.random.default_rng(0).permutation(len(values))
    assert (ag.most_certain(values[order], coverage) == kept[order]).all()


def test_certainty_is_ranked_within_a_label() -> None:
    # Positive (0) by its share of positive and neutral: .9, .99, .8 and .9 again, though the
    # last is mostly withdrawal; withdrawal (1) by its probability, low ranks about doubled.
    probabilities = np.array(
        [
            [0.9, 0.0, 0.0, 0.1],
            [0.99, 0.0, 0.0, 0.01],
            [0.8, 0.0, 0.0, 0.2],
            [0.09, 0.9, 0.0, 0.01],
            [0.0, 0.4, 0.0, 0.6],
            [0.0, 0.3, 0.0, 0.7],
        ]
    )
    predicted = np.array([0, 0, 0, 0, 1, 1])
    certainty = ag.certainty_within_labels(predicted, probabilities)
    assert certainty == pytest.approx([2 / 4, 3.5 / 4, 0.5 / 4, 2 / 4, 0.9375, 0.4375])
    assert ag.certainty_within_labels(predicted[:0], probabilities[:0]).tolist() == []


def test_coverage_worked_by_hand() -> None:
    gold = np.array([0, 0, 1, 1, 0])
    predicted = np.array([0, 1, 1, 0, 0])
    certainty = np.array([0.9, 0.2, 0.8, 0.1, 0.5])
    group = np.array([0, 0, 0, 1, 1])
    stack = ag.coverage_confusions(
        gold, predicted, certainty, (0.6, 1.0), group, groups=2, classes=2
    )
    assert stack.shape == (2, 2, 2, 2)
    kept, full = stack.sum(axis=0)
    assert kept.tolist() == [[2, 0], [0, 1]]
    assert (full == ag.confusion_matrix(gold, predicted, classes=2)).all()
    assert ag.macro_f1(kept) == 1.0
    support = np.array([3, 2])
    assert ag.share_kept(kept, support) == pytest.approx([2 / 3, 1 / 2])
    assert ag.share_kept(full, support).tolist() == [1.0, 1.0]
    assert np.isnan(ag.share_kept(kept, np.array([3, 0]))[1])
    # The bars are those of all turns: the second session alone keeps what they keep of it.
    assert stack[1, 0].tolist() == [[1, 0], [0, 0]]
