"""How large an experiment must be: the spread of scores split between problems and samples, and what difference it can show.

Source: Miller 2024, https://arxiv.org/abs/2411.00640, §§3 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from ponder.errors import InputError


@dataclass(frozen=True, slots=True)
class Spread:
    """Variances of a score: `between` problems (of their expected scores), and `within`, of one sample about its problem's."""

    between: float
    within: float

    def error(self, problems: int, samples: int) -> float:
        """The standard error of the mean of so many problems, each with so many samples."""
        return sqrt((self.between + self.within / samples) / problems)

    @property
    def icc(self) -> float:
        """The intra-class correlation: the part of one sample's variance that is its problem's."""
        total = self.between + self.within
        return self.between / total if total > 0 else 0.0


def spread(scores: ArrayLike) -> Spread:
    """The split of (problems, samples) scores, without bias: the variance of the problems' means holds within / K of noise.

    Raises `InputError` for fewer than two problems or samples, which show no spread.
    """
    rows = np.asarray(scores, float)
    if rows.ndim != 2 or min(rows.shape) < 2:
        raise InputError(f"scores of shape {rows.shape} cannot be split: give (problems, samples), two or more of each")
    within = float(rows.var(axis=1, ddof=1).mean())
    return Spread(max(0.0, float(rows.mean(axis=1).var(ddof=1)) - within / rows.shape[1]), within)


def paired_spread(first: ArrayLike, second: ArrayLike) -> tuple[float, float, float]:
    """Of two methods' (problems, samples) scores on the same problems: the variance of the difference of expected scores between
    problems, and each one's variance within them. The three numbers that `problems_needed` and its kin take."""
    one, other = np.asarray(first, float), np.asarray(second, float)
    if len(one) != len(other):
        raise InputError(f"scores of {len(one)} and of {len(other)} problems are not paired: give both for the same problems")
    a, b = spread(one), spread(other)
    between = float((one.mean(axis=1) - other.mean(axis=1)).var(ddof=1)) - a.within / one.shape[1] - b.within / other.shape[1]
    return max(0.0, between), a.within, b.within


def problems_needed(
    delta: float,
    between: float,
    within: tuple[float, float],
    samples: tuple[int, int] = (1, 1),
    level: float = 0.95,
    power: float = 0.8,
) -> int:
    """n = (z_a/2 + z_b)² (w² + s_A²/K_A + s_B²/K_B) / delta²: problems that show a true difference `delta` with this power.

    `between` is w², the variance of the difference between problems (`paired_spread`), `within` the two methods' variances of a
    sample, `samples` how many each draws of a problem.
    """
    return ceil(_squared(delta, level, power) * _variance(between, within, samples) - 1e-9)


def samples_needed(
    delta: float, problems: int, between: float, within: tuple[float, float], level: float = 0.95, power: float = 0.8
) -> int | None:
    """The samples of each problem, the same for both methods, with which so many problems show `delta`; None where no number does:
    more samples do not make up for the spread between problems."""
    room = problems / _squared(delta, level, power) - between
    return max(1, ceil(sum(within) / room - 1e-9)) if room > 0 else None


def detectable(
    problems: int,
    between: float,
    within: tuple[float, float],
    samples: tuple[int, int] = (1, 1),
    level: float = 0.95,
    power: float = 0.8,
) -> float:
    """The least true difference that so many problems and samples show with this power."""
    return sqrt(_squared(1.0, level, power) * _variance(between, within, samples) / problems) if problems else inf


def _squared(delta: float, level: float, power: float) -> float:
    if not (delta > 0 and 0 < level < 1 and 0 < power < 1):
        raise InputError(
            f"a difference of {delta:g} at level {level:g} and power {power:g}: all must be above 0, the last two below 1"
        )
    normal = NormalDist()
    return ((normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)) / delta) ** 2


def _variance(between: float, within: tuple[float, float], samples: tuple[int, int]) -> float:
    if min(samples) < 1 or between < 0 or min(within) < 0:
        raise InputError(f"variances {between:g}, {within} of {samples} samples: give variances from 0 and samples from 1 up")
    return between + within[0] / samples[0] + within[1] / samples[1]
