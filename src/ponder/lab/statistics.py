"""What k samples would have scored, as exact expectations over the subsets of the n that were drawn.

A curve that evaluates the first k of n samples wastes the others and depends on their order. Every estimator here is the
mean over all k-subsets instead: in closed form where there is one, else by listing the subsets, else by seeded random ones.
Matrices are (problems, samples) or (problems, ks), so that a curve is a mean over rows and a resample is a choice of rows.
"""

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ponder.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def pass_at_k(n: ArrayLike, c: ArrayLike, ks: Sequence[int]) -> Floats:
    """The chance that a k-subset holds a correct sample: 1 - C(n-c, k) / C(n, k), by its stable product form.

    `n` samples of which `c` are correct: one number, or one a problem. Returns (problems, ks); NaN where k > n, which n samples
    cannot tell. Source: Chen et al. 2021, https://arxiv.org/abs/2107.03374, §2.1.
    """
    totals, hits = np.broadcast_arrays(np.atleast_1d(n).astype(int), np.atleast_1d(c).astype(int))
    if np.any(hits > totals) or np.any(hits < 0):
        raise InputError(f"a problem has {hits.max()} correct of {totals.max()} samples: count each correct sample once")
    sizes = np.asarray(ks, dtype=int)
    values = np.empty((totals.size, sizes.size))
    for total in np.unique(totals):
        rows = totals == total
        factors = np.maximum(1 - sizes[:, None] / np.arange(total, 0, -1), 0)
        missed = np.concatenate([np.ones((sizes.size, 1)), np.cumprod(factors, axis=1)], axis=1)
        values[rows] = 1 - missed[:, hits[rows]].T
    values[sizes[None, :] > totals[:, None]] = np.nan
    return values


def best_of_k(scores: ArrayLike, correct: ArrayLike, ks: Sequence[int]) -> Floats:
    """The expected correctness of the best-scored sample of a k-subset.

    The sample of rank j (1 = best) is the best of a random k-subset with probability C(n-j, k-1) / C(n, k). Samples of equal score
    share their ranks' probability: on average over the order of draws, the first of them is returned. A NaN score loses to every
    score; where all are NaN, the result is the mean. `scores` and `correct`: (problems, samples). Returns (problems, ks).
    """
    values, truth = np.atleast_2d(np.asarray(scores, float)), np.atleast_2d(np.asarray(correct, float))
    sizes = _sizes(ks, values.shape[1])
    values = np.where(np.isnan(values), -np.inf, values)
    order = np.argsort(-values, axis=1, kind="stable")
    ranked, truth = np.take_along_axis(values, order, 1), np.take_along_axis(truth, order, 1)
    starts = np.ones(ranked.shape, bool)
    starts[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    group = np.cumsum(starts.ravel()) - 1
    shared = (np.bincount(group, truth.ravel()) / np.bincount(group))[group].reshape(truth.shape)
    expected: Floats = shared @ _rank_weights(values.shape[1], sizes).T
    return expected


def _rank_weights(n: int, sizes: Ints) -> Floats:
    """C(n-j, k-1) / C(n, k) for k in `sizes` (rows) and j = 1..n (columns), by the ratio of neighbours."""
    j = np.arange(1, n)
    ratios = np.maximum(n - j - sizes[:, None] + 1, 0) / (n - j)
    return np.cumprod(np.concatenate([sizes[:, None] / n, ratios], axis=1), axis=1)


def majority_at_k(
    classes: ArrayLike,
    correct: ArrayLike,
    ks: Sequence[int],
    weights: ArrayLike | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """The expected correctness of the vote's winner in a k-subset, and the standard error of its mean over problems.

    `classes` (problems, samples): samples with the same number gave the same answer, -1 gave none and does not vote. `weights` >= 0
    of the same shape make it a weighted vote; a sample of weight NaN does not vote. Among classes with equal totals (to 12
    decimals) the one drawn first wins; averaged over the order of draws, each wins in proportion to its members in the subset, and
    that average is what is computed. A class with mixed verdicts counts as their mean. A subset without votes is wrong.

    All k-subsets are listed where that costs no more than the random ones would: then the error is 0. Else `draws` random orders
    (by default 50,000 over all problems, between 50 and 2,000 each) give every k at once: a prefix of one is a random subset.
    Returns values (problems, ks) and errors (ks). Source: Wang et al. 2022, https://arxiv.org/abs/2203.11171.
    """
    numbers = np.atleast_2d(np.asarray(classes))
    votes = np.ones(numbers.shape) if weights is None else np.atleast_2d(np.asarray(weights, float))
    if np.any(votes < 0):
        raise InputError(f"a vote's weight is {np.nanmin(votes)}: weights must be >= 0; shift or exponentiate the scores first")
    numbers, votes = np.where(np.isnan(votes), -1, numbers), np.nan_to_num(votes)
    labels, quality = labelled(numbers, np.atleast_2d(np.asarray(correct, float)))
    problems, n = labels.shape
    sizes = _sizes(ks, n)
    draws = draws or min(2_000, max(50, 50_000 // problems))
    listed = np.array([comb(n, int(k)) * int(k) <= draws * n for k in sizes])
    values, errors = np.empty((problems, sizes.size)), np.zeros(sizes.size)
    for column in np.flatnonzero(listed):
        subsets = np.array(list(combinations(range(n), int(sizes[column]))))
        for row in range(problems):
            values[row, column] = running_vote(labels[row][subsets], quality[row][subsets], votes[row][subsets])[:, -1].mean()
    if not listed.all():
        longest = sizes[~listed].max()
        orders = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (draws, 1)), axis=1)[:, :longest]
        means = np.zeros((draws, int((~listed).sum())))
        for row in range(problems):
            won = running_vote(labels[row][orders], quality[row][orders], votes[row][orders])[:, sizes[~listed] - 1]
            values[row, ~listed] = won.mean(axis=0)
            means += won / problems
        errors[~listed] = means.std(axis=0, ddof=1) / np.sqrt(draws)
    return values, errors


def labelled(classes: NDArray[np.int64], correct: Floats) -> tuple[NDArray[np.int16], Floats]:
    """Small class numbers (which sort fast), and each sample's correctness replaced by its class's mean."""
    labels, quality = np.empty(classes.shape, np.int16), np.empty(classes.shape)
    for row, (numbers, truth) in enumerate(zip(classes, correct, strict=True)):
        present, inverse = np.unique(numbers, return_inverse=True)
        quality[row] = (np.bincount(inverse, truth) / np.bincount(inverse))[inverse]
        labels[row] = inverse - int(present[0] == -1)
    return labels, quality


def running_vote(labels: NDArray[np.int16], quality: Floats, votes: Floats) -> Floats:
    """The winner's expected correctness after each draw: every array is (orders, draws).

    A class's total can only grow, so the lead is a running maximum, and the classes in the lead are those that have reached it
    since it last rose. A class reaches a total once with a positive vote, worth all its members; each vote of 0 adds one member.
    """
    order = np.argsort(labels, axis=1, kind="stable")
    grouped = np.take_along_axis(labels, order, 1)
    starts = np.ones(labels.shape, bool)
    starts[:, 1:] = grouped[:, 1:] != grouped[:, :-1]
    members = _sum_since(np.ones(labels.shape), starts, order)
    total = np.round(_sum_since(np.take_along_axis(votes, order, 1), starts, order), 12)
    total = np.where(labels < 0, -1.0, total)
    lead = np.maximum.accumulate(total, axis=1)
    rises = total > np.concatenate([np.full((len(lead), 1), -1.0), lead[:, :-1]], axis=1)
    share = np.where((total == lead) & (labels >= 0), np.where(votes > 0, members, 1.0), 0.0)
    return _sum_since(share * quality, rises) / np.maximum(_sum_since(share, rises), 1.0)


def _sum_since(values: Floats, starts: NDArray[np.bool_], order: NDArray[np.intp] | None = None) -> Floats:
    """Running sums of non-negative `values` along rows that restart where `starts`; put back into `order` if they were sorted."""
    running = np.cumsum(values, axis=1)
    sums = running - np.maximum.accumulate(np.where(starts, running - values, 0.0), axis=1)
    if order is None:
        return sums
    restored = np.empty_like(sums)
    np.put_along_axis(restored, order, sums, axis=1)
    return restored


def _sizes(ks: Sequence[int], n: int) -> Ints:
    sizes = np.asarray(ks, dtype=int)
    if np.any(sizes < 1) or np.any(sizes > n):
        raise InputError(f"cannot choose {sizes.tolist()} of {n} samples: every k must lie in 1..{n}; draw more samples or lower k")
    return sizes
