"""The compute-optimal frontier: which points no other point beats in both accuracy and cost, and how sure that is.

A point is a strategy with a model at a size. Its accuracy and its cost are means over the same problems as every other point's, so
one resample of the problems moves all of them together, and what is common to them cancels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ponder.lab.statistics import Floats, Ints

RESAMPLES = 1_000
_DIGITS = 10  # costs and accuracies that agree so far are equal: they differ by rounding only
_CELLS = 4_000_000  # pairs of points that are compared at once


@dataclass(frozen=True, slots=True)
class Standing:
    """How each point stands, one entry a point: `on` the frontier as measured, and its `probability` over resampled problems."""

    on: NDArray[np.bool_]
    probability: Floats


def standing(accuracy: ArrayLike, cost: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Standing:
    """`accuracy` in [0, 1] and `cost` (any unit) are (problems, points).

    A point is on the frontier if no other has at least its accuracy for at most its cost, and is better in one of them. Points that
    are equal in both stand or fall together. One problem cannot be resampled: then the probabilities are NaN.
    """
    right, paid = np.atleast_2d(np.asarray(accuracy, float)), np.atleast_2d(np.asarray(cost, float))
    on = undominated(right.mean(axis=0, keepdims=True), paid.mean(axis=0, keepdims=True))[0]
    if len(right) < 2:
        return Standing(on, np.full(right.shape[1], np.nan))
    counts, hits = _resampled(len(right), resamples, seed), np.zeros(right.shape[1])
    for part in np.array_split(counts, max(1, resamples * right.shape[1] ** 2 // _CELLS)):
        hits += undominated(part @ right / len(right), part @ paid / len(right)).sum(axis=0)
    return Standing(on, hits / resamples)


def undominated(accuracy: Floats, cost: Floats) -> NDArray[np.bool_]:
    """Whether each point is on the frontier of its row: (rows, points) each."""
    right, paid = np.round(accuracy, _DIGITS), _rounded(cost)
    cheap, good = paid[:, None, :] <= paid[:, :, None], right[:, None, :] >= right[:, :, None]
    better = (paid[:, None, :] < paid[:, :, None]) | (right[:, None, :] > right[:, :, None])
    beaten: NDArray[np.bool_] = np.any(cheap & good & better, axis=2)
    return ~beaten


def leaders(
    accuracy: ArrayLike, cost: ArrayLike, owner: Sequence[int], budgets: Sequence[float], resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """The probability that each owner has the best point that a budget affords: (budgets, owners).

    `owner` numbers the points' strategies from 0. A budget affords the points whose mean cost is at most that; owners that tie
    share. A row is NaN where the budget affords nothing.
    """
    right, paid = np.atleast_2d(np.asarray(accuracy, float)), _rounded(np.atleast_2d(np.asarray(cost, float)).mean(axis=0))
    of, whole = np.asarray(owner), len(right)
    means = np.round(_resampled(whole, resamples, seed) @ right / whole, _DIGITS) if whole > 1 else right
    found = np.full((len(budgets), int(of.max()) + 1), np.nan)
    for row, budget in enumerate(_rounded(np.asarray(budgets, float))):
        affords = paid <= budget
        if affords.any():
            tops = np.stack([_top(means, affords & (of == one)) for one in range(found.shape[1])], axis=1)
            first = tops == tops.max(axis=1, keepdims=True)
            found[row] = (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
    return found


def _top(means: Floats, members: NDArray[np.bool_]) -> Floats:
    return means[:, members].max(axis=1) if members.any() else np.full(len(means), -1.0)


def _resampled(problems: int, resamples: int, seed: int) -> Ints:
    return np.random.default_rng(seed).multinomial(problems, np.full(problems, 1 / problems), size=resamples)


def _rounded(cost: Floats) -> Floats:
    """To so many significant digits: a cost may be 1e-6 dollars or 1e15 FLOPs."""
    with np.errstate(divide="ignore"):
        exponent = np.where(cost > 0, np.floor(np.log10(np.where(cost > 0, cost, 1.0))), 0.0)
    unit: Floats = 10.0 ** (exponent - _DIGITS + 1)
    return np.round(cost / unit) * unit


def frontier(curves: Sequence[tuple[Sequence[int], Floats, Mapping[str, Floats]]], axis: str) -> dict[str, Any] | None:
    """The frontier over all points of `curves`, (sizes, accuracy, costs by axis) each with (problems, sizes) arrays.

    Curves whose cost on the axis is unknown are left out, never counted as free; None where that leaves none. Returns `points`
    [{curve, n, cost, selected, on, probability}] by cost, and `leaders` [{budget, curves: {number: probability}}] at the costs of
    the points on the frontier.
    """
    known = [(number, ns, right, costs[axis]) for number, (ns, right, costs) in enumerate(curves) if axis in costs]
    if not known:
        return None
    right, cost = (np.concatenate([one[place] for one in known], axis=1) for place in (2, 3))
    labels = [(number, n) for number, ns, *_ in known for n in ns]
    stands = standing(right, cost)
    means, paid = right.mean(axis=0), cost.mean(axis=0)
    sure = [None if np.isnan(one) else float(one) for one in stands.probability]
    points: list[dict[str, Any]] = [
        {"curve": number, "n": n, "cost": float(paid[at]), "selected": float(means[at])}
        | {"on": bool(stands.on[at]), "probability": sure[at]}
        for at, (number, n) in enumerate(labels)
    ]
    budgets = sorted({float(paid[at]) for at in np.flatnonzero(stands.on)})
    shares = leaders(right, cost, [number for number, _ in labels], budgets)
    led = [
        {"budget": budget, "curves": {str(one): round(float(share), 4) for one, share in enumerate(row) if share > 0}}
        for budget, row in zip(budgets, shares, strict=True)
    ]
    return {"points": sorted(points, key=lambda one: (one["cost"], -one["selected"])), "leaders": led}
