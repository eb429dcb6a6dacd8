"""Allocation: greedy is optimal, elimination dominates, and halving keeps its bound."""

from itertools import accumulate, islice, pairwise, product
from math import ceil, exp, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.errors import InputError
from ponder.policy.allocation import concave, eliminate, halving, marginal, preallocate, solves, uniform

rates = st.lists(st.floats(0, 1), min_size=1, max_size=4)


def worth(gains, counts):
    """What so many samples of each problem gain."""
    return sum(sum(islice(row, taken)) for row, taken in zip(gains, counts, strict=True))


def brute(gains, total):
    """The best that at most `total` samples can gain, of all ways to give them out."""
    shares = product(*(range(min(total, len(row)) + 1) for row in gains))
    return max(worth(gains, counts) for counts in shares if sum(counts) <= total)


def solved(chances, counts):
    return sum(1 - (1 - rate) ** taken for rate, taken in zip(chances, counts, strict=True))


@given(st.lists(st.lists(st.floats(-1, 1), max_size=4).map(lambda row: sorted(row, reverse=True)), min_size=1, max_size=4),
       st.integers(0, 8))  # fmt: skip
def test_greedy_equals_brute_force_for_gains_that_do_not_rise(gains, total) -> None:
    counts = marginal(gains, total)
    assert sum(counts) <= total
    assert worth(gains, counts) == pytest.approx(brute(gains, total), abs=1e-9)


@given(rates, st.integers(0, 7))
def test_greedy_equals_brute_force_for_right_or_wrong(chances, total) -> None:
    rows = [list(islice(solves(rate), 8)) for rate in chances]
    assert solved(chances, marginal(rows, total)) == pytest.approx(brute(rows, total), abs=1e-9)


@given(rates, st.integers(0, 40))
def test_with_the_true_chances_it_is_never_worse_than_uniform(chances, total) -> None:
    counts = marginal([solves(rate) for rate in chances], total)
    assert solved(chances, counts) >= solved(chances, uniform(len(chances), total)) - 1e-9


def test_the_hopeless_get_no_sample_and_the_certain_one() -> None:
    assert marginal([solves(rate) for rate in (0.0, 1.0, 0.5)], 10) == [0, 1, 9]
    assert marginal([solves(0.0)], 10) == [0]


def test_the_jth_sample_gains_lambda_times_one_minus_lambda_to_the_j_minus_1() -> None:
    assert list(islice(solves(0.3), 5)) == pytest.approx([0.3 * 0.7**j for j in range(5)])


def test_an_estimate_worth_s_samples_is_lowered_by_failures() -> None:
    """Beta(λs, (1-λ)s): P(j failures) = Π (b+i)/(a+b+i); given f failures the next is right with probability λs / (s+f)."""
    a, b = 0.6, 1.4
    missed = list(accumulate(range(5), lambda left, i: left * (b + i) / (a + b + i), initial=1.0))
    assert list(islice(solves(0.3, strength=2), 5)) == pytest.approx([before - after for before, after in pairwise(missed)])
    assert next(solves(0.3, failures=3, strength=2)) == pytest.approx(a / (2 + 3))
    assert next(solves(0.3, failures=3)) == 0.3


def test_the_gains_of_a_vote_rise_and_their_hull_does_not() -> None:
    """p = .6: a vote of 1, 3, 5 is right with .6, .648, .68256; of 2 and 4 as that of 1 and 3."""
    gains = [0.6, 0.0, 0.048, 0.0, 0.03456]
    assert concave(gains) == pytest.approx([0.6, 0.024, 0.024, 0.01728, 0.01728])


@given(st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=4), min_size=1, max_size=3), st.integers(0, 9))
def test_with_hulls_greedy_is_within_a_flat_part_of_the_optimum_and_optimal_where_it_is_finished(gains, total) -> None:
    hulls = [concave(row) for row in gains]
    counts = marginal(hulls, total)
    got, best = worth(gains, counts), brute(gains, total)
    assert got <= best <= worth(hulls, counts) + 1e-9
    finished = [taken in (0, len(hull)) or hull[taken - 1] > hull[taken] + 1e-9 for hull, taken in zip(hulls, counts, strict=True)]
    assert sum(not one for one in finished) <= 1
    if all(finished):
        assert got == pytest.approx(best)


def test_everything_gets_its_first_sample_before_anything_its_second() -> None:
    assert preallocate([0.0, 0.9, 0.4, 0.1], 4) == [1, 1, 1, 1]
    assert preallocate([0.0, 0.9, 0.4, 0.1], 2) == [0, 1, 1, 0]
    counts = preallocate([0.0, 0.9, 0.4, 0.1], 20)
    assert (sum(counts), counts[0], counts[1] < counts[2] < counts[3]) == (20, 1, True)


def test_uniform_gives_out_everything() -> None:
    assert (uniform(3, 7), uniform(3, 2)) == ([3, 2, 2], [1, 1, 0])


@given(st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=6), st.integers(0, 60))
def test_with_an_oracle_elimination_dominates_uniform_at_every_total(right, total) -> None:
    """Every problem, on the same samples: what uniform solves, elimination solves."""
    total = min(total, 12 * len(right))
    by_rounds = eliminate(right, total)
    assert sum(by_rounds) <= total
    for row, ours, theirs in zip(right, by_rounds, uniform(len(right), total), strict=True):
        assert any(row[:ours]) >= any(row[:theirs])


def test_a_problem_leaves_once_its_best_reward_reaches_the_threshold() -> None:
    rewards = [[0.2, 0.9, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1], [0.8, 0.1, 0.1, 0.1]]
    assert eliminate(rewards, 100, 0.8) == [2, 4, 1]
    assert eliminate(rewards, 4, 0.8) == [2, 1, 1]


def test_the_unsolvable_take_all_that_is_saved_unless_they_are_bounded() -> None:
    rewards = [[1.0] * 50] * 9 + [[0.0] * 50]
    assert eliminate(rewards, 40) == [1] * 9 + [31]
    assert eliminate(rewards, 40, most=8) == [1] * 9 + [8]


@pytest.mark.parametrize(("means", "total"), [((0.9, 0.2, 0.2, 0.2), 400), ((0.9, 0.4, 0.4, 0.3, 0.3, 0.3, 0.2, 0.2), 1_600)])
def test_halving_errs_no_more_than_its_bound(means, total) -> None:
    """P(error) <= 3 log2N exp(-T / (8 H2 log2N)), H2 = max_i i / Δi², for Bernoulli arms."""
    generator, n = np.random.default_rng(0), len(means)
    h2 = max(place / (means[0] - mean) ** 2 for place, mean in enumerate(means[1:], start=2))
    bound = 3 * log2(n) * exp(-total / (8 * h2 * log2(n)))
    where = generator.permutation(n)

    def pull(arm, times):
        return generator.binomial(times, means[where[arm]]) / times

    errors = sum(where[halving(n, total, pull)] != 0 for _ in range(2_000))
    assert errors / 2_000 <= bound < 0.5


@pytest.mark.parametrize(("arms", "total"), [(8, 24), (8, 100), (5, 37), (1, 0)])
def test_halving_pulls_no_more_than_its_total_and_without_noise_never_errs(arms, total) -> None:
    pulls = []

    def pull(arm, times):
        pulls.append(times)
        return (arm * 3) % arms / arms

    assert halving(arms, total, pull) == max(range(arms), key=lambda arm: (arm * 3) % arms)
    assert total - sum(pulls) < arms * (ceil(log2(arms)) + 1)
    assert sum(pulls) <= total


def test_halving_needs_a_pull_for_every_arm_in_every_round() -> None:
    with pytest.raises(InputError, match="needs 24 pulls"):
        halving(8, 23, lambda *_: 0.0)
