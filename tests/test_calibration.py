"""Calibration: curves in closed form, and curves that are found again from draws of a known law."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from ponder.policy.calibration import Curve, beta, brier, expected_calibration_error, isotonic, logistic, reliability

shares = st.floats(0, 1)


def test_a_curve_is_straight_between_its_points_and_level_outside() -> None:
    curve = Curve((0.2, 0.6), (0.1, 0.5))
    assert [curve(x) for x in (0.0, 0.2, 0.3, 0.6, 0.9)] == pytest.approx([0.1, 0.1, 0.2, 0.5, 0.5])


def test_pool_adjacent_violators_by_hand() -> None:
    """1 0 at .2 .4 violate and pool to 1/2 at .3; then 1/4 violates that: all three pool to 5/12; the last stays."""
    assert isotonic([0.2, 0.4, 0.8], [1, 0, 1]) == Curve((pytest.approx(0.3), 0.8), (0.5, 1.0))
    pooled = isotonic([0.2, 0.4, 0.6, 0.8], [1, 0, 0.25, 1])
    assert (pooled.xs, pooled.ys) == (pytest.approx((0.4, 0.8)), pytest.approx((5 / 12, 1.0)))


def test_equal_predictions_are_one_point() -> None:
    assert isotonic([0.5, 0.5, 0.9], [0, 1, 1]) == Curve((0.5, 0.9), (0.5, 1.0))


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=30), shares, shares)
def test_the_isotonic_curve_rises_stays_in_bounds_and_keeps_the_mean(pairs, low, high) -> None:
    predicted, happened = zip(*pairs, strict=True)
    curve = isotonic(predicted, happened)
    assert 0 <= curve(min(low, high)) <= curve(max(low, high)) + 1e-12 <= 1 + 1e-9
    assert min(happened) - 1e-9 <= curve(low) <= max(happened) + 1e-9


@pytest.mark.parametrize(("a", "b", "c"), [(1, 1, 0), (2, 0.5, 0.3), (0.4, 0.4, -1)])
def test_beta_finds_its_own_curve_again(a, b, c) -> None:
    """Kull et al. 2017: ln(q / (1-q)) = a ln p - b ln(1-p) + c; a = b = 1, c = 0 changes nothing."""
    p = np.linspace(0.02, 0.98, 60)
    curve = beta(p, expit(a * np.log(p) - b * np.log(1 - p) + c))
    for one in (0.05, 0.4, 0.9):
        assert logit(curve(one)) == pytest.approx(a * np.log(one) - b * np.log(1 - one) + c, abs=0.02)


def test_beta_never_falls_where_what_happens_does() -> None:
    curve = beta([0.1, 0.4, 0.6, 0.9], [0.9, 0.6, 0.4, 0.1])
    assert curve(0.1) == pytest.approx(curve(0.9), abs=1e-3) == pytest.approx(0.5, abs=1e-3)


def test_logistic_regression_in_closed_form() -> None:
    """Without columns the constant is the log-odds of the mean; one binary column gives the difference of two log-odds."""
    constant, none = logistic(np.zeros((3, 0)), [0.0, 0.5, 1.0], [1, 2, 5])
    assert (constant, len(none)) == (pytest.approx(np.log(6 / 2), abs=1e-4), 0)
    constant, [weight] = logistic([[0], [0], [1], [1]], [0.2, 0.4, 0.5, 0.9])
    assert (constant, weight) == (pytest.approx(logit(0.3), abs=1e-4), pytest.approx(logit(0.7) - logit(0.3), abs=1e-4))


def test_a_ridge_shrinks_and_rising_allows_no_negative_weight() -> None:
    rows, truth = [[-1.0], [0.0], [1.0]], [0.9, 0.5, 0.1]
    [free], [shrunk], [rising] = (logistic(rows, truth, **how)[1] for how in ({}, {"ridge": 2.0}, {"rising": True}))
    assert free < shrunk < 0
    assert rising == 0


def test_the_reliability_of_true_probabilities_is_the_diagonal() -> None:
    """y ~ Bernoulli(p): every bin's means differ by sampling error alone, and E Brier = E p(1-p), 1/6 for uniform p."""
    generator = np.random.default_rng(0)
    p = generator.random(40_000)
    y = (generator.random(40_000) < p).astype(float)
    rows = reliability(p, y)
    assert [count > 3_500 for _, _, count in rows] == [True] * 10
    assert all(abs(mean - truth) < 0.03 for mean, truth, _ in rows)
    assert expected_calibration_error(p, y) < 0.01
    assert brier(p, y) == pytest.approx(1 / 6, abs=0.005)


def test_overconfidence_is_measured_and_calibrated_away_on_other_draws() -> None:
    """Log-odds twice too large: both curves halve them, and the error on held-out draws is that of sampling."""
    generator = np.random.default_rng(1)
    p = generator.beta(2, 2, 8_000)
    y = (generator.random(8_000) < p).astype(float)
    said = expit(2 * logit(p))
    assert expected_calibration_error(said[4_000:], y[4_000:]) > 0.08
    for learn in (isotonic, beta):
        curve = learn(said[:4_000], y[:4_000])
        told = [curve(one) for one in said[4_000:]]
        assert expected_calibration_error(told, y[4_000:]) < 0.03
        assert brier(told, y[4_000:]) < brier(said[4_000:], y[4_000:])


def test_calibration_error_and_brier_by_hand() -> None:
    assert reliability([0.05, 0.15, 0.15, 1.0], [0, 0, 1, 1]) == [(0.05, 0.0, 1), (0.15, 0.5, 2), (1.0, 1.0, 1)]
    assert expected_calibration_error([0.05, 0.15, 0.15, 1.0], [0, 0, 1, 1]) == pytest.approx((0.05 + 2 * 0.35) / 4)
    assert brier([0.5, 1.0], [1, 0]) == pytest.approx(0.625)
