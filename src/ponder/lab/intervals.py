"""How sure a mean over problems is: intervals that cover what they say from 30 problems up, for clustered and for paired data too.

The unit is the problem: a problem's samples are summed up in one value, so that they need not be independent. None of these is the
normal approximation, which covers too little near 0 and 1 and in small sets. `runs/coverage.py` simulates them; docs/intervals.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ponder.errors import InputError
from ponder.lab.statistics import Floats

PRIOR = 3 / 4
"""Of a share of problems: under Beta(3/4, 3/4) the posterior's limits cover 93.2 to 96.8 % throughout docs/intervals.md."""

DOUBT = 0.5
"""Imagined problems at the least value, and as many at the greatest (Jeffreys' prior): a few equal ones do not prove that all are
equal."""

PAIRED = 0.85
"""The same for differences of verdicts, of which most are 0. A half (Agresti & Min 2005) covers 90.2 % where two equal methods
differ on 3.9 of 70 problems; with this it is 93.7 to 97 % from 4 problems that differ upwards, whatever the set's size."""


def interval(curves: ArrayLike, level: float = 0.95, clusters: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Lower and upper limits of the mean over problems of `curves`, (problems, ks).

    `clusters` (problems,) labels problems that belong together (one text, one template): these count as one observation, whatever
    their correlation. A column of 0 and 1 alone gets the equal-tailed Beta posterior (`share`); one within [0, 1] a score interval
    that follows its skewness (`_scored`); any other Student's t. With fewer than two problems or clusters the limits are NaN.
    Source for clustering: Miller 2024, https://arxiv.org/abs/2411.00640.
    """
    rows = np.atleast_2d(np.asarray(curves, float))
    groups = _groups(clusters, len(rows))
    if groups.max(initial=0) < 1:
        return np.full(rows.shape[1], np.nan), np.full(rows.shape[1], np.nan)
    alone = groups.max() + 1 == len(rows)
    low, high = student(rows, level, clusters)
    inside = np.all((rows >= 0) & (rows <= 1), axis=0)
    binary = np.all((rows == 0) | (rows == 1), axis=0) & alone
    if np.any(inside & ~binary):
        low[inside & ~binary], high[inside & ~binary] = _scored(rows[:, inside & ~binary], groups, (0, 1), DOUBT, level)
    if np.any(binary):
        low[binary], high[binary] = share(rows[:, binary].sum(axis=0), len(rows), level)
    return low, high


def share(successes: ArrayLike, n: int, level: float = 0.95) -> tuple[Floats, Floats]:
    """Limits of a proportion: the middle of its Beta posterior under Beta(3/4, 3/4); 0 of n goes down to 0, n of n up to 1."""
    from scipy.special import betaincinv

    hits = np.asarray(successes, float)
    if np.any(hits < 0) or np.any(hits > n) or n < 1:
        raise InputError(
            f"{hits.max(initial=0):g} successes of {n} trials is no proportion: give 0 <= successes <= trials, trials >= 1"
        )
    a, b = hits + PRIOR, n - hits + PRIOR
    low, high = (betaincinv(a, b, end) for end in ((1 - level) / 2, (1 + level) / 2))
    return np.where(hits == 0, 0.0, low), np.where(hits == n, 1.0, high)


def student(curves: ArrayLike, level: float = 0.95, clusters: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Limits by Student's t with one degree of freedom less than there are clusters: for values without bounds, such as tokens."""
    rows = np.atleast_2d(np.asarray(curves, float))
    groups = _groups(clusters, len(rows))
    mean, error, freedom = rows.mean(axis=0), standard_error(rows, clusters), groups.max(initial=0)
    half = _t(freedom, level) * error if freedom > 0 else np.full(mean.shape, np.nan)
    return mean - half, mean + half


def standard_error(curves: ArrayLike, clusters: ArrayLike | None = None) -> Floats:
    """Of the mean over problems, (ks,): the spread of the clusters' sums about their sizes times the mean.

    Clusters of one problem give sd / sqrt(n); problems that are all alike within clusters, that of as many problems as clusters.
    NaN for one cluster.
    """
    rows = np.atleast_2d(np.asarray(curves, float))
    sums, sizes = _sums(rows, _groups(clusters, len(rows)))
    count = len(sums)
    if count < 2:
        return np.full(rows.shape[1], np.nan)
    left = sums - sizes[:, None] * rows.mean(axis=0)
    error: Floats = np.sqrt((left**2).sum(axis=0) * count / (count - 1)) / len(rows)
    return error


def paired_interval(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, clusters: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Limits of the mean of `first - second` on the same problems, (problems, ks) each; the problems' common difficulty cancels.

    Two methods differ where 0 lies outside. Verdicts, 0 and 1 alone, get the score interval of `interval` between -1 and 1;
    other values Student's t, where to each problem that ties belongs a part of an imagined one that differs either way, as much
    as those that differ do: the few that do are not all there is. With fewer than two problems or clusters NaN.
    """
    one, other = (np.atleast_2d(np.asarray(each, float)) for each in (first, second))
    groups = _groups(clusters, len(one))
    if groups.max(initial=0) < 1:
        return np.full(one.shape[1], np.nan), np.full(one.shape[1], np.nan)
    low, high = _tied(one - other, groups, level)
    binary = np.all(((one == 0) | (one == 1)) & ((other == 0) | (other == 1)), axis=0)
    if np.any(binary):
        low[binary], high[binary] = _scored((one - other)[:, binary], groups, (-1, 1), PAIRED, level)
    return low, high


def ratio_interval(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Limits of mean(first) / mean(second) over the same problems, (problems, ks) each, by Fieller's theorem with Student's t.

    The ratios r at which mean(first - r second) is not told from 0. A problem at which both are 0 says nothing of them, and does
    not count. Unbounded (-inf, inf) where the second mean is not told from 0. Source: Fieller 1954.
    """
    one, other = (np.atleast_2d(np.asarray(each, float)) for each in (first, second))
    count = ((one != 0) | (other != 0)).sum(axis=0)
    some = np.maximum(count, 2)
    above, below = one.sum(axis=0), other.sum(axis=0)
    own, its, shared = (
        (x * y).sum(axis=0) - x.sum(axis=0) * y.sum(axis=0) / some for x, y in ((one, one), (other, other), (one, other))
    )
    t2 = _t(some - 1, level) ** 2 * some / (some - 1)
    square, middle = below**2 - t2 * its, above * below - t2 * shared
    rest = middle**2 - square * (above**2 - t2 * own)
    known = (square > 0) & (rest >= 0) & (count > 1)
    root, safe = np.sqrt(np.maximum(rest, 0)), np.where(known, square, 1.0)
    low, high = np.where(known, (middle - root) / safe, -np.inf), np.where(known, (middle + root) / safe, np.inf)
    return (low, high) if len(one) > 1 else (low * np.nan, high * np.nan)


def bootstrap(
    curves: ArrayLike,
    statistic: Callable[[Floats], ArrayLike] = lambda mean: mean,
    level: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Percentile limits of any `statistic` of the mean curve, (ks,), over resampled problems.

    For what has no closed form, such as a law's constants. It covers about 92 % at 100 problems: of a mean, take `interval`.
    """
    rows = np.atleast_2d(np.asarray(curves, float))
    values = np.array([statistic(mean) for mean in resampled(rows, resamples, seed)], float)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def resampled(curves: ArrayLike, resamples: int = 1_000, seed: int = 0) -> Floats:
    """Mean curves of resampled problems, (resamples, ks): whole rows are drawn, so that all ks share a resample."""
    rows = np.atleast_2d(np.asarray(curves, float))
    counts = np.random.default_rng(seed).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=resamples)
    means: Floats = counts @ rows / len(rows)
    return means


def _scored(rows: Floats, groups: NDArray[np.intp], ends: tuple[float, float], doubt: float, level: float) -> tuple[Floats, Floats]:
    """The means θ with (mean - θ)² <= t² V(θ), (ks,) limits, for values between the `ends`, at each of which `doubt` are imagined.

    V is the squared error that the mean would have if it were θ: a parabola that is 0 at both ends, like a proportion's
    (that of 0 and 1 is Wilson's interval), with the slope that mean and variance really share, μ₃ / μ₂. Student's t has the degrees
    of freedom of what is left of the variance's own error, 2 (n - 1) / (μ₄ / μ₂² - 1 - μ₃² / μ₂³): many where values take two
    levels, since the mean then tells the variance; few where the tails are long (after Satterthwaite 1946).
    """
    sums, sizes = _sums(rows, groups)
    count, size, (least, most) = len(sums), len(rows) / len(sums), ends
    whole = count + 2 * doubt  # imagined clusters are of the average size
    mean, centre = (rows.sum(axis=0) / size + doubt * (least + most)) / whole, rows.mean(axis=0)
    left = sums / size - sizes[:, None] / size * mean
    imagined, squares = np.stack([least - mean, most - mean]), left * left
    two = (squares.sum(axis=0) + doubt * (imagined**2).sum(axis=0)) / whole
    three = ((squares * left).sum(axis=0) + doubt * (imagined**3).sum(axis=0)) / whole
    four = ((squares * squares).sum(axis=0) + doubt * (imagined**4).sum(axis=0)) / whole
    freedom = 2 * (count - 1) / np.maximum(four / two**2 - 1 - three**2 / two**3, 1e-9)
    t2, bend = _t(freedom, level) ** 2, two / (whole - 1) / ((mean - least) * (most - mean))
    slope = t2 * (three / two / whole + 2 * bend * (mean - centre))
    root = np.sqrt(slope**2 + 4 * (1 + t2 * bend) * t2 * bend * (centre - least) * (most - centre))
    low, high = (centre + (slope + sign * root) / (2 * (1 + t2 * bend)) for sign in (-1, 1))
    return np.clip(low, least, most), np.clip(high, least, most)


def _tied(rows: Floats, groups: NDArray[np.intp], level: float) -> tuple[Floats, Floats]:
    """Student's t of differences of which many are 0, and imagined ones: ± the root mean square of the others. (ks,) limits."""
    sums, sizes = _sums(rows, groups)
    count, mean = len(sums), rows.mean(axis=0)
    unlike = (sums != 0).sum(axis=0)
    square = (sums**2).sum(axis=0) / np.maximum(unlike, 1)
    imagined = 1 - unlike / count
    left = ((sums - sizes[:, None] * mean) ** 2).sum(axis=0) + 2 * imagined * square
    whole = count + 2 * imagined
    half = _t(count - 1, level) * np.sqrt(left / whole / (whole - 1)) * count / len(rows)
    return mean - half, mean + half


def _groups(clusters: ArrayLike | None, problems: int) -> NDArray[np.intp]:
    """A number from 0 for each problem's cluster."""
    if clusters is None:
        return np.arange(problems)
    labels = np.asarray(clusters)
    if labels.shape != (problems,):
        raise InputError(f"{problems} problems have {labels.shape} cluster labels: give one for each")
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


def _sums(rows: Floats, groups: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """The clusters' sums (clusters, ks) and sizes (clusters,)."""
    if groups.size and groups.max() + 1 == len(rows):
        return rows, np.ones(len(rows))
    sums = np.zeros((int(groups.max(initial=-1)) + 1, rows.shape[1]))
    np.add.at(sums, groups, rows)
    return sums, np.bincount(groups).astype(float)


def _t(freedom: ArrayLike, level: float) -> Floats:
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, (1 + level) / 2))
