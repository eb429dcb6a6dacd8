"""A mixed model of scores in groups: the groups differ, and yet tell of each other and of a group that nobody has seen.

    μ ~ N(0.5, 0.2²)    σα ~ |N(0, 0.2²)|    σy ~ |N(0, 0.3²)|    α of a group ~ N(μ, σα²)    a score in it ~ N(α, σy²)

Given the two deviations all is normal, and the deviations are integrated over a grid of their prior's quantiles: no Markov chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import sqrt
from random import Random
from statistics import NormalDist
from typing import TYPE_CHECKING

from ponder.thompson import Moments

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Column = NDArray[float64]

_MEAN, _MEAN_VARIANCE, _BETWEEN, _WITHIN = 0.5, 0.2**2, 0.2, 0.3
_POINTS = 32  # of each deviation; the least is 2 % of its scale, so that equal scores do not become certainties


def predict(groups: Sequence[Moments], rng: Random) -> list[float]:
    """One joint draw from the posterior: the next score of each group, and last the first score of a new one."""
    between, within, mean, variance, weights = _posterior(groups)
    cell = rng.choices(range(len(weights)), weights)[0]
    a, s = float(between[cell]), float(within[cell])
    mu = float(mean[cell]) + sqrt(float(variance[cell])) * rng.gauss()
    drawn = []
    for group in (*groups, Moments()):
        precision = 1 / a + group.count / s
        alpha = (mu / a + group.count * group.mean / s) / precision + rng.gauss() / sqrt(precision)
        drawn.append(alpha + sqrt(s) * rng.gauss())
    return drawn


def _posterior(groups: Sequence[Moments]) -> tuple[Column, Column, Column, Column, list[float]]:
    """By cell of the grid: σα², σy², the mean and variance of μ given them, and the cell's weight.

    A group of n scores with mean x and squared deviations q has the likelihood N(x; μ, σα² + σy²/n) σy^(1-n) exp(-q / 2σy²).
    """
    import numpy as np

    between, within = (np.array(column) for column in _grid())
    precision, weighted, fit = (np.full_like(between, start) for start in (1 / _MEAN_VARIANCE, _MEAN / _MEAN_VARIANCE, 0.0))
    for group in groups:
        variance = between + within / group.count
        precision += 1 / variance
        weighted += group.mean / variance
        fit -= (np.log(variance) + group.mean**2 / variance + (group.count - 1) * np.log(within) + group.spread / within) / 2
    fit += (weighted**2 / precision - np.log(precision)) / 2
    return between, within, weighted / precision, 1 / precision, np.exp(fit - fit.max()).tolist()


@cache
def _grid() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The squares of both deviations at the middles of equally likely parts of their half-normal priors, in all pairs."""
    quantiles = [NormalDist().inv_cdf(0.5 + (place + 0.5) / (2 * _POINTS)) for place in range(_POINTS)]
    pairs = [((_BETWEEN * one) ** 2, (_WITHIN * other) ** 2) for one in quantiles for other in quantiles]
    between, within = zip(*pairs, strict=True)
    return between, within
