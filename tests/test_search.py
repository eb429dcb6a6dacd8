"""The rules of selection against their closed forms: shares, resampling, temperatures."""

from math import ceil, exp, floor, inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ponder.search import apportion, effective, entropy, multinomial, softmax, systematic, tempered, top

WEIGHTS = some.lists(some.floats(0, 1e6), min_size=1, max_size=40)


def test_softmax_is_exp_over_its_sum_and_meets_infinities():
    odds = [exp(x) for x in (1, 2, 3)]
    assert softmax([1, 2, 3]) == pytest.approx([odd / sum(odds) for odd in odds])
    assert softmax([2000.0, 0.0], 0.001) == [1.0, 0.0]
    assert softmax([5.0, -inf, 0.0], inf) == [0.5, 0.0, 0.5]
    assert softmax([-inf, -inf]) == [0.5, 0.5]


def test_apportion_gives_the_published_widths():
    """REBASE: scores .9 .5 .7 .1, 16 places, T = .2 give 11, 1, 4 and 0."""
    assert apportion(16, softmax([0.9, 0.5, 0.7, 0.1], 0.2)) == [11, 1, 4, 0]


def test_apportion_does_not_round_up_past_the_total():
    """Sequential rounding up in floating point gives 6 + 6 + 5 = 17 of 16 (the reference implementation)."""
    assert apportion(16, softmax([0.5, 0.5, 0.5], 0.2)) == [6, 5, 5]


def test_top_takes_the_greatest_and_of_equals_the_earlier():
    assert top([1.0, 3.0, 3.0, 2.0], 3) == [1, 2, 3]
    assert top([(1.0, 0.0), (1.0, 0.5), (2.0, -1.0)], 9) == [2, 1, 0]
    assert top([], 3) == []


@given(some.integers(0, 500), WEIGHTS)
def test_apportion_adds_up_exactly_and_stays_within_one_of_its_quota(total, weights):
    parts = apportion(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    if whole > 0:
        quotas = [total * weight / whole for weight in weights]
        assert all(floor(quota - 1e-6) <= part <= ceil(quota + 1e-6) for part, quota in zip(parts, quotas, strict=True))


@given(some.integers(0, 500), some.integers(1, 40), some.floats(0, 1))
def test_apportion_gives_equal_weights_parts_that_differ_by_at_most_one(total, n, weight):
    parts = apportion(total, [weight] * n)
    assert max(parts) - min(parts) <= 1


def test_temperature_moves_apportionment_from_all_to_the_best_to_equal_shares():
    scores = [0.9, 0.5, 0.7, 0.1]
    assert apportion(16, softmax(scores, 1e-4)) == [16, 0, 0, 0]
    assert apportion(16, softmax(scores, inf)) == [4, 4, 4, 4]


@pytest.mark.parametrize("resample", [multinomial, systematic])
def test_resampling_is_unbiased(resample):
    """E[copies] = N w; 20,000 draws, tolerance 5 standard errors of the multinomial law."""
    weights, n, rounds, rng = [0.5, 0.3, 0.2, 0.0], 7, 20_000, Random(1)
    totals = [0] * 4
    for _ in range(rounds):
        parts = resample(n, [10 * weight for weight in weights], rng)
        assert sum(parts) == n
        totals = [total + part for total, part in zip(totals, parts, strict=True)]
    for total, weight in zip(totals, weights, strict=True):
        assert total / rounds == pytest.approx(n * weight, abs=5 * (n * weight * (1 - weight) / rounds) ** 0.5)


@given(some.integers(1, 300), WEIGHTS, some.integers(0, 1000))
def test_systematic_resampling_gives_each_weight_its_share_rounded_down_or_up(n, weights, seed):
    parts = systematic(n, weights, Random(seed))
    whole = sum(weights)
    assert sum(parts) == n
    if whole > 0:
        quotas = [n * weight / whole for weight in weights]
        assert all(floor(quota - 1e-6) <= part <= ceil(quota + 1e-6) for part, quota in zip(parts, quotas, strict=True))


@pytest.mark.parametrize("resample", [multinomial, systematic])
def test_where_nothing_is_preferred_all_are_equal(resample):
    totals = [sum(part) for part in zip(*(resample(6, [0.0] * 3, Random(seed)) for seed in range(500)), strict=True)]
    assert totals == pytest.approx([1000] * 3, rel=0.1)


def test_effective_size_is_the_number_of_equal_weights():
    assert effective([2.0, 2.0, 0.0, 2.0]) == pytest.approx(3)
    assert effective([0.0, 0.0]) == 2


def test_entropy_runs_from_none_to_one():
    assert entropy([1.0, 0.0]) == 0
    assert entropy([3.0, 3.0, 3.0]) == pytest.approx(1)
    assert entropy([0.25, 0.25, 0.0, 0.0]) == pytest.approx(0.5)


@given(some.lists(some.floats(-20, 20), min_size=2, max_size=20), some.floats(0, 0.99))
def test_tempering_heats_no_more_than_the_entropy_asks(logits, least):
    weights = tempered(logits, 1.0, least)
    assert entropy(weights) >= least - 1e-9
    if entropy(softmax(logits)) < least:
        assert entropy(weights) == pytest.approx(least, abs=1e-6)
    else:
        assert weights == softmax(logits)


def test_tempering_out_of_reach_makes_the_living_equal():
    assert tempered([3.0, 0.0, -inf, -inf], 1.0, 0.9) == pytest.approx([0.5, 0.5, 0, 0])
