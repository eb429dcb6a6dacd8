"""Whether one method is better than another on the same problems, and how to say so of several at once.

A table that ranks m methods makes m (m - 1) / 2 comparisons, for its best is picked by the same data: at 5 % each, ten methods that
are all alike show a difference somewhere two times in three. `ranked` holds the chance of any false difference to 5 % (Holm).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from ponder.errors import InputError
from ponder.lab.intervals import interval, paired_interval, standard_error
from ponder.lab.statistics import Floats


@dataclass(frozen=True, slots=True)
class Place:
    """A method in a ranking: its `mean` with an interval, and its lead over the first (`behind` <= 0) with an interval.

    `p` is the two-sided p-value of that difference, `adjusted` the same after Holm's correction for all pairs of the table, and
    `tied` says that it is not told from the first at the level of the table.
    """

    name: str
    mean: float
    interval: tuple[float, float]
    behind: float
    behind_interval: tuple[float, float]
    p: float
    adjusted: float
    tied: bool


def ranked(names: Sequence[str], scores: Sequence[ArrayLike], level: float = 0.95, seed: int = 0) -> list[Place]:
    """The methods from best to worst; `scores` holds each one's values (problems,) on the same problems.

    Raises `InputError` where a method lacks a problem.
    """
    rows = [np.asarray(one, float) for one in scores]
    if len(names) != len(rows) or not rows or any(one.shape != rows[0].shape or one.ndim != 1 for one in rows):
        raise InputError(
            f"{len(names)} methods have scores of {[one.shape for one in rows]}: give each one a score for every problem"
        )
    order = sorted(range(len(rows)), key=lambda place: -float(rows[place].mean()))
    pairs = list(combinations(order, 2))
    raw = {pair: p_value(rows[pair[0]], rows[pair[1]], seed=seed) for pair in pairs}
    adjusted = dict(zip(pairs, holm(list(raw.values())), strict=True))
    first, places = order[0], []
    for place in order:
        pair, difference = (first, place), rows[place] - rows[first]
        (low,), (high,) = interval(rows[place][:, None], level)
        (less,), (more,) = paired_interval(rows[place][:, None], rows[first][:, None], level)
        p, sure = (1.0, 1.0) if place == first else (raw[pair], adjusted[pair])
        behind = (0.0, 0.0) if place == first else (float(less), float(more))
        places.append(
            Place(
                names[place],
                float(rows[place].mean()),
                (float(low), float(high)),
                float(difference.mean()),
                behind,
                p,
                sure,
                sure > 1 - level,
            )
        )
    return places


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted so that the chance of any false rejection among them is bounded (Holm 1979), in the order given.

    The smallest is multiplied by their number, the next by one less, and none is below one before it: never weaker than
    Bonferroni's correction, and like it right whatever the dependence, which methods that share their samples have.
    """
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, float)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(one) for one in adjusted]


def p_value(first: ArrayLike, second: ArrayLike, seed: int = 0) -> float:
    """Two-sided, of "no difference": McNemar's exact test where all values are right or wrong, else `sign_flip`."""
    one, other = np.asarray(first, float), np.asarray(second, float)
    binary = bool(np.all((one == 0) | (one == 1)) and np.all((other == 0) | (other == 1)))
    return mcnemar(one, other) if binary else sign_flip(one, other, seed=seed)


def mcnemar(first: ArrayLike, second: ArrayLike) -> float:
    """The exact two-sided p-value of two methods that are right or wrong on the same problems, (problems,) of 0 and 1 each.

    Of the problems that only one of them solves, each has even odds to be the first's. Source: McNemar 1947.
    """
    from scipy.stats import binomtest

    one, other = np.asarray(first, bool), np.asarray(second, bool)
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def sign_flip(first: ArrayLike, second: ArrayLike, flips: int = 5_000, seed: int = 0) -> float:
    """The two-sided p-value of a difference, (problems,) of scores each: how often random signs give as large a mean.

    All signs are tried where these are fewer than `flips`; for right and wrong answers that is McNemar's exact test.
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    difference = difference[difference != 0]
    if not difference.size:
        return 1.0
    seen, slack = abs(difference.sum()), 1e-12 * np.abs(difference).sum()
    if difference.size <= np.log2(flips):
        signs = 1 - 2 * (np.arange(2**difference.size)[:, None] >> np.arange(difference.size) & 1)
        return float(np.mean(np.abs(signs @ difference) >= seen - slack))
    generator, reached, block = np.random.default_rng(seed), 0, max(1, 2_000_000 // difference.size)
    for start in range(0, flips, block):
        flipped = generator.integers(0, 2, (min(block, flips - start), difference.size), dtype=np.int8) * 2.0 - 1
        reached += int(np.sum(np.abs(flipped @ difference) >= seen - slack))
    return (reached + 1) / (flips + 1)


def paired_bootstrap(first: ArrayLike, second: ArrayLike, resamples: int = 10_000, seed: int = 0) -> float:
    """The two-sided p-value by resampled problems: how often a resample's t-value about the mean is as great as the mean's about 0.

    Studentised, because the plain bootstrap rejects too often in small sets. Scores are (problems,).
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    n, mean = difference.size, float(difference.mean())
    error = float(standard_error(difference[:, None])[0])
    if not error > 0:
        return 1.0 if mean == 0 else 1 / (resamples + 1)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    means, squares = counts @ difference / n, counts @ difference**2 / n
    errors = np.sqrt(np.maximum(squares - means**2, 0) / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        t_values: Floats = np.nan_to_num(np.abs(means - mean) / errors, nan=0.0, posinf=np.inf)
    return float((np.sum(t_values >= abs(mean) / error) + 1) / (resamples + 1))
