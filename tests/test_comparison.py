"""Comparisons: exact tests against closed forms and each other, and no false difference among many methods."""

import numpy as np
import pytest
from scipy.stats import binom

from ponder.errors import InputError
from ponder.lab.comparison import holm, mcnemar, p_value, paired_bootstrap, ranked, sign_flip


def test_mcnemar_is_the_binomial_test_of_the_problems_that_differ() -> None:
    first = np.array([1] * 9 + [0] * 2 + [1] * 30)
    second = np.array([0] * 9 + [1] * 2 + [1] * 30)
    assert mcnemar(first, second) == pytest.approx(2 * binom.cdf(2, 11, 0.5))
    assert mcnemar(second, first) == mcnemar(first, second)
    assert mcnemar(first, first) == 1


def test_of_right_and_wrong_answers_the_sign_flip_is_mcnemar() -> None:
    generator = np.random.default_rng(1)
    for _ in range(5):
        first, second = generator.random((2, 60)) < [[0.6], [0.5]]
        assert sign_flip(first, second) == pytest.approx(mcnemar(first, second), abs=0.015)
    few, none = np.array([1.0, 1, 1, 1, 0]), np.zeros(5)
    assert sign_flip(few, none) == mcnemar(few, none) == 2 / 2**4
    assert sign_flip(few / 2, few / 2) == 1


def test_the_paired_bootstrap_agrees_with_the_permutation_and_the_interval() -> None:
    generator = np.random.default_rng(2)
    base = generator.random(200)
    for shift in (0.0, 0.01, 0.03):
        other = base + shift + generator.normal(0, 0.1, 200)
        assert paired_bootstrap(base, other) == pytest.approx(sign_flip(base, other), abs=0.03)
    assert paired_bootstrap(base, base) == 1
    assert paired_bootstrap(base + 1, base) < 1e-3


def test_p_values_are_uniform_where_nothing_differs() -> None:
    """5 % of 400 comparisons of equal methods at 40 problems fall below .05, by either test."""
    generator = np.random.default_rng(3)
    rates = generator.beta(1, 1, (400, 40))
    first, second = (generator.binomial(8, rates) / 8 for _ in range(2))
    flips = np.array([sign_flip(*pair, flips=400) for pair in zip(first, second, strict=True)])
    boots = np.array([paired_bootstrap(*pair, resamples=400) for pair in zip(first, second, strict=True)])
    assert 0.02 <= np.mean(flips <= 0.05) <= 0.08
    assert 0.02 <= np.mean(boots <= 0.05) <= 0.08


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_ranking_of_equal_methods_shows_no_difference_and_one_of_unlike_ones_does() -> None:
    """Eight equal methods, 100 tables: some pair is below 5 % in most of them, after Holm in about 5."""
    generator, false, plain = np.random.default_rng(4), 0, 0
    for _ in range(100):
        rates = generator.beta(1, 1, 60)
        places = ranked("abcdefgh", generator.random((8, 60)) < rates)
        false += not all(one.tied for one in places)
        plain += any(one.p < 0.05 for one in places)
    assert false <= 10
    assert plain > 2 * false
    places = ranked(["weak", "strong"], [generator.random(300) < 0.4, generator.random(300) < 0.7])
    assert [one.name for one in places] == ["strong", "weak"]
    assert places[0].tied
    assert not places[1].tied
    assert places[1].behind_interval[1] < 0


def test_fractions_go_to_the_permutation_test() -> None:
    first, second = np.array([0.5, 1, 0.25] * 10), np.array([0.25, 1, 0.5] * 10)
    assert p_value(first, second) == pytest.approx(1, abs=0.05)
    with pytest.raises(InputError, match="a score for every problem"):
        ranked(["a", "b"], [np.ones(3), np.ones(4)])
