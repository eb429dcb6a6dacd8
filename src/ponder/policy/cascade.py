"""Which queries a cascade sends on, and what that costs: curves and thresholds from recorded confidences. Pure functions.

A query has, for each model, a confidence (None: unknown, which is always sent on), whether its answer is right, and its cost. A
query is sent on where its confidence is below the threshold. Sources: RouteLLM (Ong et al. 2024) for the shares of the gap,
FrugalGPT (Chen et al. 2023) for the choice of models and thresholds under a budget.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from math import inf
from statistics import fmean

from ponder.errors import InputError

Confidences = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Point:
    """With this threshold, the share of queries that go to the strong model, and the share answered rightly."""

    threshold: float
    calls: float
    accuracy: float


def recovered(accuracy: float, weak: float, strong: float) -> float:
    """The performance gap recovered, (r - weak) / (strong - weak). Raises `InputError` where there is no gap."""
    if weak >= strong:
        raise InputError(f"there is no gap to recover: the weak model is right in {weak:g}, the strong one in {strong:g}")
    return (accuracy - weak) / (strong - weak)


def curve(confidences: Confidences, weak: Sequence[float], strong: Sequence[float]) -> list[Point]:
    """Every cascade that the weak model's confidences can make, from none sent on to all; queries with equal ones go together."""
    queries = sorted(zip(map(_known, confidences), weak, strong, strict=True), key=lambda one: one[0])
    count, right = len(queries), sum(weak)
    points = [Point(queries[0][0], 0.0, right / count)]
    for sent, (confidence, cheap, dear) in enumerate(queries, 1):
        right += dear - cheap
        following = queries[sent][0] if sent < count else inf
        if following > confidence:
            points.append(Point(following, sent / count, right / count))
    return points


def apgr(points: Sequence[Point]) -> float:
    """The mean gap recovered over all shares of strong calls; 1/2 if the router knows nothing. Between points, chance decides."""
    return sum((one.calls - other.calls) * (_gap(one, points) + _gap(other, points)) / 2 for other, one in pairwise(points))


def calls_for(points: Sequence[Point], share: float) -> float:
    """CPT: the least share of strong calls that recovers this share of the gap. Raises `InputError` if none does."""
    if _gap(points[0], points) >= share:
        return 0.0
    for before, after in pairwise(points):
        low, high = _gap(before, points), _gap(after, points)
        if high >= share:
            return before.calls + (share - low) / (high - low) * (after.calls - before.calls)
    raise InputError(f"no threshold recovers {share:.0%} of the gap; the most is {max(_gap(one, points) for one in points):.0%}")


def calibrated(confidences: Confidences, calls: float) -> float:
    """The threshold below which the share of confidences is the nearest to `calls`; of two as near, the lower one."""
    known = sorted(map(_known, confidences))
    places = sorted({*known, inf})
    return min(places, key=lambda place: abs(bisect_left(known, place) / len(known) - calls))


@dataclass(frozen=True, slots=True)
class Stage:
    """What was recorded of a model: confidence, correctness and cost (in any unit) of each query, in one order for all models."""

    name: str
    confidences: Confidences
    right: Sequence[float]
    costs: Sequence[float]


@dataclass(frozen=True, slots=True)
class Cascade:
    """Models in order, the threshold of each but the last, and the mean accuracy and cost a query."""

    models: tuple[str, ...]
    thresholds: tuple[float, ...]
    accuracy: float
    cost: float


def cascaded(stages: Sequence[Stage], thresholds: Sequence[float]) -> Cascade:
    """What these stages do with these thresholds, one for each but the last."""
    outcomes = [_answered(stages, thresholds, query) for query in range(len(stages[0].right))]
    right, cost = (fmean(one) for one in zip(*outcomes, strict=True))
    return Cascade(tuple(stage.name for stage in stages), tuple(thresholds), right, cost)


def frontier(stages: Sequence[Stage], grid: int = 10) -> list[Cascade]:
    """The cascades that none beats at the same cost or less, cheapest first: the cost curve.

    All ordered lists of the stages, in the order given, with every combination of thresholds at `grid` equal shares of calls.
    """
    best, kept = -inf, list[Cascade]()
    for one in sorted(_cascades(stages, grid), key=lambda one: (one.cost, -one.accuracy, len(one.models))):
        if one.accuracy > best:
            best = one.accuracy
            kept.append(one)
    return kept


def affordable(plans: Sequence[Cascade], cost: float) -> Cascade:
    """The most accurate cascade of a frontier with at most this mean cost. Raises `InputError` if there is none."""
    fits = [one for one in plans if one.cost <= cost]
    if not fits:
        raise InputError(f"no cascade costs {cost:g} or less; the cheapest costs {min(one.cost for one in plans):g}")
    return fits[-1]


def _cascades(stages: Sequence[Stage], grid: int) -> Iterator[Cascade]:
    levels = {stage.name: sorted({calibrated(stage.confidences, step / grid) for step in range(grid + 1)}) for stage in stages}
    for size in range(1, len(stages) + 1):
        for some in combinations(stages, size):
            for thresholds in product(*(levels[stage.name] for stage in some[:-1])):
                yield cascaded(some, thresholds)


def _answered(stages: Sequence[Stage], thresholds: Sequence[float], query: int) -> tuple[float, float]:
    """Whether the first stage that is sure, or the last, is right, and the cost of all that were asked."""
    spent = 0.0
    for stage, threshold in zip(stages, (*thresholds, -inf), strict=True):
        spent += stage.costs[query]
        if _known(stage.confidences[query]) >= threshold:
            break
    return stage.right[query], spent


def _gap(point: Point, points: Sequence[Point]) -> float:
    return recovered(point.accuracy, points[0].accuracy, points[-1].accuracy)


def _known(confidence: float | None) -> float:
    return -inf if confidence is None else confidence
