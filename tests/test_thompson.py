"""Posteriors of an expected score, and the pick of the highest draw without making every draw."""

from collections import Counter
from random import Random
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.thompson import Arms, Moments, beta, gaussian, nix2


def seen(*scores):
    moments = Moments()
    for score in scores:
        moments.add(score)
    return moments


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_moments_are_the_count_the_mean_and_the_sum_of_squared_deviations(scores):
    moments = seen(*scores)
    assert moments.count == len(scores)
    assert moments.mean == pytest.approx(fmean(scores), abs=1e-12)
    assert moments.spread == pytest.approx(len(scores) * pvariance(scores), abs=1e-9)


@pytest.mark.parametrize(
    ("scores", "posterior"),
    [
        ([], (0, 1, 1, 0.1)),
        ([1], (0.5, 2, 2, 0.3)),
        ([1, 0], (1 / 3, 3, 3, 0.255556)),
        ([0.5, 0.7, 0.9], (0.525, 4, 4, 0.136875)),
    ],
)
def test_nix2_is_the_conjugate_update_of_the_prior_0_1_1_tenth(scores, posterior):
    """κ = κ0 + n, ν = ν0 + n, m = (κ0 m0 + Σ x) / κ, ν τ² = ν0 τ0² + Σ (x - x̄)² + κ0 n / κ (m0 - x̄)²."""
    assert nix2(seen(*scores)) == pytest.approx(posterior, abs=1e-6)


@pytest.mark.parametrize("tail", [0.001, 0.2, 0.5, 0.9])
def test_the_gaussian_quantile_is_that_of_the_sampled_mean(tail):
    """σ² = ν τ² / χ²_ν and then μ = N(m, σ² / κ): the same law as m + sqrt(τ²/κ) t_ν. Its distribution function at the quantile."""
    from scipy.stats import t

    m, kappa, nu, tau2 = nix2(seen(0.5, 0.7, 0.9))
    assert t.sf(gaussian()(seen(0.5, 0.7, 0.9), tail), nu, loc=m, scale=(tau2 / kappa) ** 0.5) == pytest.approx(tail)


def test_the_beta_posterior_starts_from_jeffreys_prior():
    """Scores 1, 0 and 0.5 give Beta(1/2 + 1.5, 1/2 + 1.5), whose median is 1/2; none give the arcsine law, whose upper quarter
    begins at sin²(3π/8)."""
    assert beta()(seen(1, 0, 0.5), 0.5) == pytest.approx(0.5)
    assert beta()(seen(), 0.25) == pytest.approx(0.853553, abs=1e-6)


@pytest.mark.parametrize("posterior", [gaussian(), beta()], ids=["gaussian", "beta"])
def test_the_pick_has_the_law_of_the_highest_of_one_draw_for_each_arm(posterior):
    """Counts of 4,000 picks against 4,000 times the argmax of a draw by every arm: χ² below its 99.99 % point for 8 arms."""
    rng, arms = Random(1), Arms()
    for scores in ([0.9], [0.8], [0.1], [0.5, 0.6], [0.9, 0.1], [0.2, 0.2], [0.7, 0.6, 0.8], [0.4] * 6):
        arm = arms.add(scores[0])
        for score in scores[1:]:
            arms.observe(arm, score)
    picked = Counter(arms.pick(posterior, rng) for _ in range(4000))
    drawn = Counter(max(range(8), key=lambda arm: posterior(arms.seen[arm], rng.random())) for _ in range(4000))
    distance = sum((picked[arm] - drawn[arm]) ** 2 / (picked[arm] + drawn[arm]) for arm in range(8) if picked[arm] + drawn[arm])
    assert distance < 29.9


def test_thousands_of_arms_are_not_all_looked_at():
    rng, arms, looked = Random(0), Arms(), []
    for _ in range(5000):
        arms.add(rng.random())
    quantile = gaussian()
    arms.pick(lambda scores, tail: looked.append(1) or quantile(scores, tail), rng)
    assert len(looked) < 100


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1)), max_size=60))
def test_arms_keep_their_scores_whatever_group_they_move_to(observed):
    arms, kept = Arms(), [[0.5] for _ in range(10)]
    for _ in range(10):
        arms.add(0.5)
    for arm, score in observed:
        arms.observe(arm, score)
        kept[arm].append(score)
    assert [moments.count for moments in arms.seen] == [len(scores) for scores in kept]
    assert sorted(arm for group in arms._groups.values() for arm in group.members) == list(range(10))
    assert all(group.members[arms._place[arm]] == arm for group in arms._groups.values() for arm in group.members)
