import numpy as np

from alliance.model.agreement import Floats
from alliance.model.estimates import UNDEFINED, estimates, nested


def test_an_estimate_has_a_value_and_an_interval_around_it() -> None:
    values = np.arange(40.0)

    def statistic(drawn: Floats) -> dict[str, Floats]:
        return {"mean": drawn @ values / drawn.sum(axis=1), "nothing": np.full(len(drawn), np.nan)}

    found = estimates(statistic, 40, resamples=500, seed=1)
    assert found["mean"]["value"] == 19.5
    low, high = found["mean"]["low"], found["mean"]["high"]
    assert low is not None
    assert high is not None
    # The standard error of the mean is 11.5 / sqrt(40) = 1.8.
    assert 19.5 - 4.5 < low < 19.5 - 2.7
    assert 19.5 + 2.7 < high < 19.5 + 4.5
    assert found["nothing"] == UNDEFINED
    assert estimates(statistic, 40, resamples=500, seed=1) == found
    assert estimates(statistic, 40, resamples=500, seed=2) != found


def test_no_sessions_give_no_estimate_of_any_name() -> None:
    found = estimates(lambda drawn: {"a": np.zeros(len(drawn)), "b": np.zeros(len(drawn))}, 0)
    assert found == {"a": UNDEFINED, "b": UNDEFINED}


def test_names_with_strokes_become_branches() -> None:
    assert nested({"a/b": 1, "a/c/d": 2, "e": 3}) == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
