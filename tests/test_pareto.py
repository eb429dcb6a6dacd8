"""The frontier: against closed forms, with ties, with unknown costs left out, and shares that add up."""

import numpy as np
import pytest
from scipy.stats import binom

from ponder.lab.pareto import frontier, leaders, standing, undominated


def test_what_another_point_beats_in_both_is_off_the_frontier() -> None:
    accuracy, cost = [[0.2, 0.5, 0.4, 0.5, 0.9]], [[1.0, 2.0, 3.0, 4.0, 5.0]]
    assert undominated(np.array(accuracy), np.array(cost)).tolist() == [[True, True, False, False, True]]


def test_equal_points_stand_together_and_an_equal_accuracy_for_less_wins() -> None:
    assert undominated(np.array([[0.5, 0.5, 0.5]]), np.array([[1e-6, 1e-6, 2e-6]])).tolist() == [[True, True, False]]


def test_the_probability_is_the_binomial_one() -> None:
    """Of 30 problems one point solves 18 and the other the rest, at the same cost: the first is on the frontier if it wins at least
    half of a resample, whose wins are Binomial(30, .6)."""
    first = np.array([1.0] * 18 + [0.0] * 12)
    found = standing(np.stack([first, 1 - first], axis=1), np.ones((30, 2)), resamples=20_000)
    assert found.on.tolist() == [True, False]
    assert found.probability == pytest.approx([binom.sf(14, 30, 0.6), binom.cdf(15, 30, 0.6)], abs=0.01)


def test_costs_are_resampled_with_the_problems_they_belong_to() -> None:
    """Both solve everything, and the cost differs on one problem of 20: the dearer one stands only where that is not drawn."""
    cost = np.ones((20, 2))
    cost[0, 1] = 2.0
    found = standing(np.ones((20, 2)), cost, resamples=20_000)
    assert found.probability == pytest.approx([1.0, (1 - 1 / 20) ** 20], abs=0.01)


def test_one_problem_cannot_say_how_sure_it_is() -> None:
    assert np.isnan(standing([[1.0, 0.0]], [[1.0, 2.0]]).probability).all()


def test_leaders_share_what_they_tie_in_and_a_budget_that_affords_nothing_has_none() -> None:
    right = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 1.0]] * 10)
    shares = leaders(right, np.array([[1.0, 1.0, 4.0]] * 20), [0, 1, 1], [0.5, 2.0, 8.0])
    assert np.isnan(shares[0]).all()
    assert shares[1] == pytest.approx([0.5, 0.5])
    assert shares[2] == pytest.approx([0.0, 1.0], abs=1e-5)


def test_an_unknown_cost_is_left_out_and_never_free() -> None:
    right = np.tile(np.linspace(0, 1, 10)[:, None], 2)
    priced, unpriced = ([1, 2], right, {"tokens": right + 1, "usd": right + 1}), ([1, 2], right, {"tokens": right})
    dollars = frontier([unpriced, priced], "usd")
    assert dollars is not None
    assert {point["curve"] for point in dollars["points"]} == {1}
    assert set(dollars["leaders"][0]["curves"]) == {"1"}
    assert frontier([unpriced], "usd") is None
    tokens = frontier([unpriced, priced], "tokens")
    assert tokens is not None
    assert [point["cost"] for point in tokens["points"]] == sorted(point["cost"] for point in tokens["points"])
