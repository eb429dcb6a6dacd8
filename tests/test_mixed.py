"""The mixed model of AB-MCTS-M against closed forms of its prior and its limits."""

from random import Random
from statistics import fmean, pvariance

import pytest

from ponder.mixed import predict
from ponder.thompson import Moments


def test_without_scores_a_new_group_has_the_priors_mean_and_variance():
    """E y = 0.5; Var y = 0.2² + E σα² + E σy² = 0.2² + 0.2² + 0.3² = 0.17."""
    rng = Random(0)
    drawn = [predict([], rng)[0] for _ in range(8000)]
    assert fmean(drawn) == pytest.approx(0.5, abs=0.02)
    assert pvariance(drawn) == pytest.approx(0.17, rel=0.08)


def test_with_many_scores_a_group_is_what_it_was():
    """n = 1000, mean .8, variance .01: y ~ N(.8, .01) whatever the others are."""
    rng = Random(0)
    drawn = [predict([Moments(1000, 0.8, 10.0), Moments(1000, 0.3, 10.0)], rng)[0] for _ in range(1500)]
    assert fmean(drawn) == pytest.approx(0.8, abs=0.01)
    assert pvariance(drawn) == pytest.approx(0.01, rel=0.2)


def test_groups_tell_of_each_other_and_of_a_new_one():
    """One score of .5 beside ten groups that score .9: the group is expected above .5, and a new one higher still, near .9."""
    rng = Random(0)
    known = [Moments(20, 0.9, 0.02)] * 10
    drawn = [predict([*known, Moments(1, 0.5, 0.0)], rng) for _ in range(600)]
    single, new = fmean(one[-2] for one in drawn), fmean(one[-1] for one in drawn)
    assert 0.5 < single < new
    assert new == pytest.approx(0.86, abs=0.05)


def test_the_posterior_of_one_score_is_that_of_weighted_draws_from_the_prior():
    """E[y_new | one score of 1] by importance sampling: Σ w y / Σ w, w the density of the score given the draw."""
    from math import exp

    rng, weighed = Random(1), []
    for _ in range(40_000):
        mu, between, within = rng.gauss(0.5, 0.2), abs(rng.gauss(0, 0.2)), abs(rng.gauss(0, 0.3))
        variance = between**2 + within**2
        weighed.append((exp(-((1 - mu) ** 2) / 2 / variance) / variance**0.5, mu))
    expected = sum(weight * mu for weight, mu in weighed) / sum(weight for weight, _ in weighed)
    drawn = [predict([Moments(1, 1.0, 0.0)], rng)[-1] for _ in range(6000)]
    assert fmean(drawn) == pytest.approx(expected, abs=0.02)
