"""Predictions that mean what they say: of the things predicted at .7, seven in ten happen.

A calibration is a rising curve from a prediction to how often it came true, learnt on predictions about problems that the predictor
was not fitted to, and judged on others again (`reliability`, `expected_calibration_error`, `brier`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[float64]

_SURE = 1e-6  # predictions are kept this far from 0 and 1, where a logarithm has no value


@dataclass(frozen=True, slots=True)
class Curve:
    """A rising curve through the points (`xs`, `ys`), ascending: straight between them and level outside."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def __call__(self, x: float) -> float:
        above = bisect_left(self.xs, x)
        if above in (0, len(self.xs)):
            return self.ys[min(above, len(self.ys) - 1)]
        share = (x - self.xs[above - 1]) / (self.xs[above] - self.xs[above - 1])
        return self.ys[above - 1] + share * (self.ys[above] - self.ys[above - 1])


def isotonic(predicted: ArrayLike, happened: ArrayLike) -> Curve:
    """The rising curve nearest to what happened, by least squares (pool adjacent violators; Zadrozny & Elkan 2002).

    Both are (n,) in [0, 1]; what happened may be a fraction. Equal predictions are one point. A pool becomes one point, at its mean
    prediction: so two predictions within a pool stay in order, where a staircase would make them equal.
    """
    import numpy as np
    from scipy.optimize import isotonic_regression

    xs, which, counts = np.unique(np.asarray(predicted, float), return_inverse=True, return_counts=True)
    pooled = isotonic_regression(np.bincount(which, np.asarray(happened, float)) / counts, weights=counts)
    starts = pooled.blocks[:-1]
    centres = np.add.reduceat(xs * counts, starts) / np.add.reduceat(counts, starts)
    return Curve(tuple(centres.tolist()), tuple(np.clip(pooled.x[starts], 0.0, 1.0).tolist()))


def beta(predicted: ArrayLike, happened: ArrayLike) -> Curve:
    """The curve c(p) = 1 / (1 + 1 / (e^c p^a / (1-p)^b)) with a, b >= 0 (Kull, Silva Filho & Flach 2017), as 201 of its points.

    Three numbers to learn: for few predictions, where a free rising curve follows the noise. p^1 / (1-p)^1 is among them: what is
    calibrated already stays as it is.
    """
    import numpy as np
    from scipy.special import expit

    def columns(p: Any) -> Floats:
        inside = np.clip(np.asarray(p, float), _SURE, 1 - _SURE)
        return np.column_stack([np.log(inside), -np.log1p(-inside)])

    constant, weights = logistic(columns(predicted), happened, rising=True)
    xs = expit(np.linspace(-8, 8, 201))
    return Curve(tuple(xs.tolist()), tuple(expit(constant + columns(xs) @ weights).tolist()))


def logistic(
    columns: ArrayLike, happened: ArrayLike, weights: ArrayLike = 1.0, *, ridge: float = 0.0, rising: bool = False
) -> tuple[float, Floats]:
    """Constant and weights (m,) of the log-odds of `happened` (n,) in [0, 1] given `columns` (n, m), by maximum likelihood.

    `weights` (n,) count the rows. The loss is in nats, summed over the rows, and `ridge` / 2 times the sum of the squared weights,
    the constant's excepted, is added to it. `rising` allows no weight below 0.
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    rows, truth = np.asarray(columns, float), np.asarray(happened, float)
    counts = np.broadcast_to(np.asarray(weights, float), truth.shape)
    rows = np.column_stack([np.ones(len(truth)), rows])
    pull = np.full(rows.shape[1], ridge)
    pull[0] = 0.0

    def loss(x: Floats) -> tuple[float, Floats]:
        odds = rows @ x
        value = counts @ (np.logaddexp(0, odds) - truth * odds) + pull @ x**2 / 2
        return float(value), rows.T @ (counts * (expit(odds) - truth)) + pull * x

    limits = [(-30.0, 30.0)] + [(0.0 if rising else None, None)] * (rows.shape[1] - 1)  # of a constant that happens never or always
    found = minimize(loss, np.zeros(rows.shape[1]), jac=True, bounds=limits, options={"maxiter": 1000}).x
    return float(found[0]), found[1:]


def reliability(predicted: Sequence[float], happened: Sequence[float], bins: int = 10) -> list[tuple[float, float, int]]:
    """The reliability curve: (mean predicted, mean happened, how many) in `bins` equal parts of [0, 1], without the empty ones."""
    parts: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for pair in zip(predicted, happened, strict=True):
        parts[min(int(pair[0] * bins), bins - 1)].append(pair)
    means = [(len(part), *(sum(column) / len(part) for column in zip(*part, strict=True))) for part in parts if part]
    return [(mean, truth, count) for count, mean, truth in means]


def expected_calibration_error(predicted: Sequence[float], happened: Sequence[float], bins: int = 10) -> float:
    """The mean distance of predicted from happened over the parts of `reliability`, each by its count (Guo et al. 2017)."""
    rows = reliability(predicted, happened, bins)
    return sum(count * abs(mean - truth) for mean, truth, count in rows) / sum(count for _, _, count in rows)


def brier(predicted: Sequence[float], happened: Sequence[float]) -> float:
    """The mean squared distance (Brier 1950); where what happened is a fraction, its own spread is not part of it."""
    return sum((one - truth) ** 2 for one, truth in zip(predicted, happened, strict=True)) / len(predicted)
