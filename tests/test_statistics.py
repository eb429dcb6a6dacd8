"""The estimators against closed forms and against brute force over every ordered subset."""

from itertools import combinations, permutations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binom, norm

from ponder.errors import InputError
from ponder.lab.statistics import best_of_k, majority_at_k, pass_at_k


def first_drawn_vote(classes, correct, weights, k):
    """The rule itself, over every order of every k-subset: the heaviest class wins, of equals the one drawn first."""
    outcomes = []
    for drawn in permutations(range(len(classes)), k):
        totals, quality = {}, {}
        for index in drawn:
            if classes[index] >= 0:
                totals[classes[index]] = totals.get(classes[index], 0) + weights[index]
                quality[classes[index]] = correct[classes[index]]
        outcomes.append(quality[max(totals, key=lambda name: totals[name])] if totals else 0)
    return np.mean(outcomes)


def test_pass_at_k_is_the_hypergeometric_chance() -> None:
    assert pass_at_k(10, 3, [5])[0, 0] == pytest.approx(1 - comb(7, 5) / comb(10, 5), abs=1e-15)
    assert round(float(pass_at_k(10, 3, [5])[0, 0]), 7) == 0.9166667


def test_pass_at_k_is_c_of_n_at_one_and_any_at_n() -> None:
    counts = np.arange(21)
    assert_allclose(pass_at_k(20, counts, [1])[:, 0], counts / 20, atol=1e-15)
    assert_allclose(pass_at_k(20, counts, [20])[:, 0], counts > 0)


def test_pass_at_k_is_unbiased_and_the_plug_in_is_not() -> None:
    """n=20, p=.1, k=5: the mean estimate over the binomial counts is 1 - .9^5 = .40951; 1 - (1 - c/n)^k gives .3779."""
    counts = np.arange(21)
    chance = binom.pmf(counts, 20, 0.1)
    assert chance @ pass_at_k(20, counts, [5])[:, 0] == pytest.approx(1 - 0.9**5, abs=1e-12)
    assert round(float(chance @ (1 - (1 - counts / 20) ** 5)), 4) == 0.3779


def test_pass_at_k_does_not_guess_beyond_n() -> None:
    values = pass_at_k([4, 8], [2, 2], [1, 8])
    assert np.isnan(values[0, 1])
    assert values[1, 1] == 1


def test_pass_at_k_refuses_more_correct_than_samples() -> None:
    with pytest.raises(InputError, match="5 correct of 4"):
        pass_at_k(4, 5, [1])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 7).flatmap(lambda n: st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, None]), st.booleans()), min_size=n)))
def test_best_of_k_is_the_mean_over_all_subsets(rows) -> None:
    rows = rows[:7]
    scores = np.array([np.nan if score is None else score for score, _ in rows])
    correct = np.array([float(right) for _, right in rows])
    known = np.where(np.isnan(scores), -1, scores)
    for k in range(1, len(rows) + 1):
        outcomes = []
        for drawn in combinations(range(len(rows)), k):
            top = [index for index in drawn if known[index] == max(known[list(drawn)])]
            outcomes.append(correct[top].mean())
        assert best_of_k(scores, correct, [k])[0, 0] == pytest.approx(np.mean(outcomes), abs=1e-12)


def test_best_of_k_by_the_truth_is_pass_at_k_and_by_a_constant_is_one_sample() -> None:
    correct = np.random.default_rng(1).random((30, 16)) < 0.3
    ks = [1, 2, 5, 16]
    assert_allclose(best_of_k(correct, correct, ks), pass_at_k(16, correct.sum(axis=1), ks), atol=1e-12)
    assert_allclose(best_of_k(np.ones(correct.shape), correct, ks), np.tile(correct.mean(axis=1), (4, 1)).T, atol=1e-12)


@pytest.mark.parametrize(
    ("p", "curve"), [(0.6, [0.6, 0.648, 0.6826, 0.7535, 0.9035]), (0.4, [0.4, 0.352, 0.3174, 0.2465, 0.0965]), (0.5, [0.5] * 5)]
)
def test_majority_of_two_classes_is_the_binomial_tail(p: float, curve: list[float]) -> None:
    """Of n draws with c right, drawn all: the majority is right when c > n/2; summed over the binomial counts."""
    for n, expected in zip([1, 3, 5, 11, 41], curve, strict=True):
        correct = np.tril(np.ones((n + 1, n)), -1)  # row c: c right answers
        values, errors = majority_at_k(1 - correct, correct, [n])
        assert errors[0] == 0
        assert round(float(binom.pmf(np.arange(n + 1), n, p) @ values[:, 0]), 4) == expected


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-1, 2), st.sampled_from([0.0, 0.25, 0.5, 1.0])), min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.booleans(),
)
def test_majority_listed_is_the_rule_over_every_order(drawn, right, weighted: bool) -> None:
    classes = np.array([label for label, _ in drawn])
    weights = np.array([weight if weighted else 1.0 for _, weight in drawn])
    correct = np.array([label >= 0 and right[label] for label in classes], float)
    ks = list(range(1, len(drawn) + 1))
    values, errors = majority_at_k(classes, correct, ks, weights if weighted else None, draws=10_000)
    assert not errors.any()
    assert_allclose(values[0], [first_drawn_vote(classes, right, weights, k) for k in ks], atol=1e-9)


def test_majority_by_random_subsets_agrees_with_the_list_within_its_error() -> None:
    generator = np.random.default_rng(2)
    correct = generator.random((40, 14)) < generator.random((40, 1))
    classes = np.where(correct, 0, generator.integers(-1, 4, correct.shape) * 2 - 1).clip(-1)
    ks = [4, 7, 9]
    exact, none = majority_at_k(classes, correct, ks, draws=10_000)
    rough, errors = majority_at_k(classes, correct, ks, draws=60)
    assert not none.any()
    assert (errors > 0).all()
    assert (np.abs(rough.mean(axis=0) - exact.mean(axis=0)) < 4 * errors).all()
    assert_allclose(majority_at_k(classes, correct, ks, draws=60)[0], rough)


def test_weighted_vote_checks() -> None:
    """Constant weights give the majority, the truth as weight gives coverage; scale changes nothing; k=1 is one sample."""
    generator = np.random.default_rng(3)
    correct = generator.random((20, 8)) < 0.4
    classes = np.where(correct, 0, generator.integers(1, 4, correct.shape))
    weights = generator.random(correct.shape)
    ks = [1, 2, 3, 8]

    def vote(values) -> np.ndarray:
        return majority_at_k(classes, correct, ks, values, draws=1_000)[0]

    assert_allclose(vote(np.full(correct.shape, 0.3)), vote(None), atol=1e-12)
    assert_allclose(vote(correct), pass_at_k(8, correct.sum(axis=1), ks), atol=1e-12)
    assert_allclose(vote(weights * 4), vote(weights), atol=1e-12)
    assert_allclose(vote(weights)[:, 0], correct.mean(axis=1), atol=1e-12)
    assert np.abs(vote(weights + 1) - vote(weights)).max() > 0.01


def test_samples_without_an_answer_do_not_vote() -> None:
    values, _ = majority_at_k([-1, -1, -1, 4], [0, 0, 0, 1], [1, 4])
    assert values.tolist() == [[0.25, 1.0]]
    assert majority_at_k([-1, -1], [0, 0], [2])[0].tolist() == [[0.0]]
    unscored = majority_at_k([0, 0, 0, 4], [0, 0, 0, 1], [1, 4], weights=[np.nan, np.nan, np.nan, 0.1])
    assert unscored[0].tolist() == [[0.25, 1.0]]


def test_votes_refuse_negative_weights_and_too_large_k() -> None:
    with pytest.raises(InputError, match="-1"):
        majority_at_k([0, 1], [0, 1], [1], weights=[-1, 1])
    with pytest.raises(InputError, match=r"1\.\.2"):
        best_of_k([0, 1], [0, 1], [3])


def test_best_of_n_by_an_imperfect_verifier_meets_its_ceiling() -> None:
    """p=.1, tpr=.9, fpr=.1: .1 .2795 .4796 .5000 at N = 1, 4, 16, 64; the limit is p tpr / (p tpr + (1-p) fpr) = .5."""
    for n, expected in [(1, 0.1), (4, 0.2795), (16, 0.4796), (64, 0.5)]:
        accepted = 0.1 * 0.9 + 0.9 * 0.1
        closed = (1 - (1 - accepted) ** n) * 0.5 + (1 - accepted) ** n * (0.1 * 0.1 / (1 - accepted))
        assert round(closed, 4) == expected
    generator = np.random.default_rng(4)
    correct = generator.random((3_000, 64)) < 0.1
    scores = generator.random(correct.shape) < np.where(correct, 0.9, 0.1)
    assert_allclose(best_of_k(scores, correct, [1, 4, 16, 64]).mean(axis=0), [0.1, 0.2795, 0.4796, 0.5], atol=0.02)


def test_best_of_n_moves_away_from_the_model_by_log_n_less_n_minus_1_over_n() -> None:
    """KL(best of n || one sample) = log n - (n-1)/n: n = 2 .1931, 4 .6363, 16 1.8351, 64 3.1745, 256 4.5491.

    At the quantile u of the scores the best of n has the density n u^(n-1), so KL = log n + (n-1) E[log u of the best]. Subsets of
    300,000 samples, drawn without replacement, stand for independent draws: an error of n / 600,000.
    """
    sizes = np.array([2, 4, 16, 64, 256])
    quantiles = (np.arange(300_000) + 0.5) / 300_000
    found = np.log(sizes) + (sizes - 1) * best_of_k(quantiles, np.log(quantiles), sizes)[0]
    assert_allclose(found, [0.1931, 0.6363, 1.8351, 3.1745, 4.5491], atol=6e-4)


def test_a_noisy_score_gains_its_correlation_with_quality_times_the_expected_maximum() -> None:
    """E max of n standard normals: 0 .5642 1.0294 1.7660 2.3437 2.8269 at n = 1, 2, 4, 16, 64, 256.

    A score of quality + 4/3 noise has the correlation rho = .6 with quality, and the quality of its choice is .6 of these.
    """
    sizes, maxima = [1, 2, 4, 16, 64, 256], np.array([0, 0.5642, 1.0294, 1.7660, 2.3437, 2.8269])
    quality = norm.ppf((np.arange(300_000) + 0.5) / 300_000)
    assert_allclose(best_of_k(quality, quality, sizes)[0], maxima, atol=3e-4)
    noise = np.random.default_rng(4).standard_normal(quality.size)
    assert_allclose(best_of_k(quality + 4 / 3 * noise, quality, sizes)[0], 0.6 * maxima, atol=0.06)


def test_a_vote_over_many_samples_ends_at_the_vote_of_all() -> None:
    """Fifty of a thousand problems with 1,000 samples each: random subsets for k=10 and 100, the one list at k=1,000."""
    generator = np.random.default_rng(8)
    correct = generator.random((50, 1_000)) < generator.beta(0.5, 1.0, (50, 1))
    classes = np.where(correct, 0, generator.integers(1, 20, correct.shape))
    values, errors = majority_at_k(classes, correct, [1, 10, 100, 1_000], draws=50)
    counts = [np.bincount(row, minlength=20) for row in classes]
    assert_allclose(values[:, 3], [float(count[0] > count[1:].max()) for count in counts])
    assert_allclose(values[:, 0], correct.mean(axis=1))
    assert (errors[1:3] > 0).all()
    assert (errors <= 0.5 / np.sqrt(50)).all()
