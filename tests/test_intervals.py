"""Intervals: closed forms, clusters, and that 95 % limits hold the truth 93 to 97 times in a hundred."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import betabinom, multinomial
from scipy.stats import t as student_t

from ponder.errors import InputError
from ponder.lab.intervals import bootstrap, interval, paired_interval, ratio_interval, share, standard_error, student
from ponder.lab.statistics import pass_at_k
from ponder.proportion import wilson

RUNS = 3_000  # of each simulation: a standard error of .4 points where the coverage is 95 %


def covered(limits, truth: float) -> float:
    low, high = limits
    return float(np.mean((low <= truth + 1e-12) & (truth <= high + 1e-12)))


def test_wilson_closed_form() -> None:
    """0 of n: [0, z²/(n+z²)]; 50 of 100: .5 ± .0962."""
    z2 = 1.959964**2
    assert wilson(0, 20) == pytest.approx((0, z2 / (20 + z2)), abs=1e-6)
    assert wilson(50, 100) == pytest.approx((0.40383, 0.59617), abs=1e-5)
    with pytest.raises(InputError, match="3 successes of 2"):
        wilson(3, 2)


def test_shares_are_beta_posteriors_and_end_at_0_and_1() -> None:
    low, high = share([0, 10, 20], 20)
    assert (low[0], high[2]) == (0, 1)
    assert_allclose((low[1], high[1]), (0.3, 0.7), atol=0.015)
    assert_allclose(high[0], 1 - low[2])
    assert_allclose(interval(np.repeat([[0.0], [1.0]], 10, axis=0)), ([low[1]], [high[1]]))
    with pytest.raises(InputError, match="no proportion"):
        share(3, 2)


def test_values_without_bounds_get_students_t() -> None:
    rows = np.random.default_rng(1).normal(100, 20, (30, 2))
    half = student_t.ppf(0.975, 29) * rows.std(axis=0, ddof=1) / np.sqrt(30)
    assert_allclose(interval(rows), (rows.mean(axis=0) - half, rows.mean(axis=0) + half))
    assert_allclose(student(rows), interval(rows))


def test_scores_of_many_problems_have_the_width_of_the_standard_error() -> None:
    rows = np.random.default_rng(5).random((4_000, 3))
    low, high = interval(rows)
    assert_allclose(high - low, 2 * 1.96 * rows.std(axis=0) / np.sqrt(4_000), rtol=0.01)
    assert_allclose((high + low) / 2, rows.mean(axis=0), atol=1e-4)
    assert_allclose(bootstrap(rows), (low, high), atol=1e-3)


def test_a_score_interval_of_two_levels_is_wilsons() -> None:
    """Clusters of equal verdicts are that many verdicts: Wilson's closed form, as the imagined ones fade out."""
    right = np.repeat((np.arange(4_000) < 400).astype(float), 2)[:, None]
    low, high = interval(right, clusters=np.repeat(np.arange(4_000), 2))
    assert_allclose((low[0], high[0]), wilson(400, 4_000), rtol=2e-3)
    assert_allclose((1 - high, 1 - low), interval(1 - right, clusters=np.repeat(np.arange(4_000), 2)))


def test_a_score_interval_is_longer_where_the_tail_is() -> None:
    """Scores that are nearly all 1: the lower limit is further away, and neither leaves [0, 1]."""
    rows = np.ones((100, 1))
    rows[:5] = [[0.0], [0.2], [0.5], [0.5], [0.8]]
    (low,), (high,) = interval(rows)
    assert 0 < low < high < 1
    assert rows.mean() - low > 1.5 * (high - rows.mean())


def test_clusters_of_one_change_nothing_and_of_copies_count_once() -> None:
    """Perfectly correlated clusters: as many observations as clusters; unlike sizes: the spread of sums about size times mean."""
    rows = np.random.default_rng(2).random((60, 2))
    assert_allclose(interval(rows, clusters=np.arange(60)[::-1]), interval(rows))
    copies, labels = np.repeat(rows, 5, axis=0), np.repeat(np.arange(60), 5)
    assert_allclose(interval(copies, clusters=labels), interval(rows), atol=1e-12)
    assert_allclose(standard_error(copies, labels), standard_error(rows))
    uneven = np.array([0.2, 0.4, 0.9])
    by_hand = np.sqrt(((0.6 - 2 * 0.5) ** 2 + (0.9 - 0.5) ** 2) * 2) / 3
    assert standard_error(uneven[:, None], [0, 0, 1])[0] == pytest.approx(by_hand)
    with pytest.raises(InputError, match="one for each"):
        interval(rows, clusters=[1, 2])


def test_one_problem_or_one_cluster_says_nothing() -> None:
    assert np.isnan(interval([[0.5]])).all()
    assert np.isnan(interval([[0.5], [0.7]], clusters=[3, 3])).all()
    assert np.isnan(paired_interval([[0.5]], [[0.2]])).all()
    assert np.isnan(ratio_interval([[0.5]], [[0.2]])).all()


def test_paired_interval_cancels_the_problems_difficulty() -> None:
    generator = np.random.default_rng(7)
    difficulty = generator.random((100, 1))
    first, second = difficulty + 0.05, difficulty + generator.normal(0, 0.02, (100, 1))
    low, high = paired_interval(first, second)
    assert 0.03 < low[0] < 0.05 < high[0] < 0.07
    alone = interval(first)
    assert high[0] - low[0] < (alone[1] - alone[0])[0] / 5


def test_equal_verdicts_on_few_problems_do_not_prove_that_methods_are_equal() -> None:
    right = np.array([[1.0], [0.0]] * 10)
    (low,), (high,) = paired_interval(right, right)
    assert -low == high > wilson(0, 20)[1]
    scores = right / 3
    assert_allclose(paired_interval(scores, scores), 0)


def test_a_ratio_is_unbounded_where_its_second_mean_may_be_0() -> None:
    ones = np.ones((30, 1))
    assert_allclose(ratio_interval(3 * ones, 2 * ones), 1.5)
    sparse = np.zeros((30, 1))
    sparse[0] = 1
    assert np.isinf(ratio_interval(ones, sparse)).all()


def test_problems_at_which_both_are_0_say_nothing_of_a_ratio() -> None:
    first, second = np.array([[3.0], [5.0], [4.0], [2.0]]), np.array([[4.0], [6.0], [6.0], [2.0]])
    nothing = np.zeros((20, 1))
    assert_allclose(ratio_interval(np.vstack([first, nothing]), np.vstack([second, nothing])), ratio_interval(first, second))
    assert np.isnan(ratio_interval(first[:1], second[:1])).all()


@pytest.mark.parametrize(("problems", "mean"), [(30, 0.3), (100, 0.1), (200, 0.5), (500, 0.9)])
def test_coverage_of_right_and_wrong_answers(problems: int, mean: float) -> None:
    generator = np.random.default_rng(problems)
    assert 0.93 <= covered(interval((generator.random((problems, RUNS)) < mean).astype(float)), mean) <= 0.97


@pytest.mark.parametrize(("problems", "mean"), [(30, 0.3), (100, 0.05), (100, 0.5), (200, 0.95)])
def test_coverage_of_rates_of_a_few_samples(problems: int, mean: float) -> None:
    """Four samples of problems whose rates are Beta with a heavy tail: the percentile bootstrap covers .92 at 100 problems."""
    generator = np.random.default_rng(problems)
    rates = generator.beta(0.5, 0.5 * (1 - mean) / mean, (problems, RUNS))
    assert 0.93 <= covered(interval(generator.binomial(4, rates) / 4), mean) <= 0.97


@pytest.mark.parametrize(("problems", "rate"), [(30, 0.9), (100, 0.9), (200, 0.95)])
def test_coverage_of_pass_at_4_near_1(problems: int, rate: float) -> None:
    """pass@4 of 8 samples: a symmetric interval on the effective number of problems holds 92 % here."""
    scores = pass_at_k(8, np.arange(9), [4])[:, 0]
    law = betabinom.pmf(np.arange(9), 8, rate, 1 - rate)
    drawn = np.random.default_rng(problems).choice(scores, (problems, RUNS), p=law / law.sum())
    assert 0.93 <= covered(interval(drawn), float(law @ scores)) <= 0.97


@pytest.mark.parametrize(("clusters", "mean"), [(30, 0.5), (30, 0.8), (100, 0.2)])
def test_coverage_of_clustered_problems(clusters: int, mean: float) -> None:
    """Right and wrong answers in clusters of 4 with an intra-class correlation of .5: without clusters .8 and less."""
    generator, labels = np.random.default_rng(clusters), np.repeat(np.arange(clusters), 4)
    rates = np.repeat(generator.beta(mean, 1 - mean, (clusters, RUNS)), 4, axis=0)
    right = (generator.random(rates.shape) < rates).astype(float)
    assert 0.93 <= covered(interval(right, clusters=labels), mean) <= 0.97
    assert covered(interval(right), mean) < 0.85


@pytest.mark.parametrize(("problems", "gained", "lost"), [(30, 0.1, 0.1), (100, 0.1, 0.02), (200, 0.3, 0.1)])
def test_coverage_of_paired_differences(problems: int, gained: float, lost: float) -> None:
    chance = np.random.default_rng(problems).random((problems, RUNS))
    first, second = (chance < gained + 0.4).astype(float), ((chance >= gained) & (chance < 0.4 + gained + lost)).astype(float)
    assert 0.93 <= covered(paired_interval(first, second), gained - lost) <= 0.97


@pytest.mark.parametrize(("problems", "unlike"), [(40, 5), (70, 4), (100, 4.75), (140, 8)])
def test_coverage_where_two_equal_methods_differ_on_few_problems(problems: int, unlike: float) -> None:
    """Exact, over how often either is right alone; with half an imagined problem at each end it is 90.2 to 92.2 %."""
    gained, lost = np.mgrid[0:25, 0:25].reshape(2, -1)
    chance = multinomial.pmf(
        np.stack([gained, lost, problems - gained - lost], -1), problems, [unlike / 2 / problems] * 2 + [1 - unlike / problems]
    )
    place = np.arange(problems)[:, None]
    first, second = (place < gained).astype(float), ((place >= gained) & (place < gained + lost)).astype(float)
    low, high = paired_interval(first, second)
    assert 0.93 <= chance[(low <= 0) & (high >= 0)].sum() <= 0.97
    assert chance.sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("problems", [30, 200])
def test_coverage_of_ratios(problems: int) -> None:
    """Tokens of two methods: lognormal with correlated logarithms."""
    generator = np.random.default_rng(problems)
    common = generator.standard_normal((problems, RUNS))
    other = 0.7 * common + np.sqrt(0.51) * generator.standard_normal(common.shape)
    assert 0.93 <= covered(ratio_interval(3 * np.exp(0.5 * common), np.exp(0.5 * other)), 3) <= 0.97
