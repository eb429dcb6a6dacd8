"""How many samples each of many problems gets of a fixed total. Pure functions; `ponder.batch` spends by them for real.

A gain is what one more sample of a problem is expected to add. Rows of gains may be endless: one for the first sample, one for the
second and so on, read only as far as samples are given out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heapreplace
from itertools import chain, count, islice
from math import ceil, inf, log2

from ponder.errors import InputError


def marginal(gains: Sequence[Iterable[float]], total: int) -> list[int]:
    """The number of samples of each problem: of `total`, each in turn to the greatest gain (Damani et al. 2024, 2410.04707).

    The best there is where no row of gains rises; for others see `concave`. A problem whose next gain is not above 0 gets no more,
    even if some of `total` is left. Equal gains go to the earlier problem, until its gain falls.
    """
    counts, rows = [0] * len(gains), [iter(row) for row in gains]
    heap = [(-gain, place) for place, row in enumerate(rows) if (gain := next(row, 0.0)) > 0]
    heapify(heap)
    for _ in range(total):
        if not heap:
            break
        place = heap[0][1]
        counts[place] += 1
        gain = next(rows[place], 0.0)
        heapreplace(heap, (-gain, place)) if gain > 0 else heappop(heap)
    return counts


def solves(rate: float, failures: int = 0, strength: float = inf) -> Iterator[float]:
    """The gain of each further sample in the probability that one is right, after so many that were not.

    Of one that is right with probability λ = `rate`, the j-th gains λ(1-λ)^(j-1). A finite `strength` says that λ is an estimate
    worth so many samples: the mean of a Beta(λ s, (1-λ) s) law, which every failure lowers to λ s / (s + failures).
    """
    missed = 1.0
    for drawn in count(failures):
        hit = rate / (1 + drawn / strength)
        yield missed * hit
        missed *= 1 - hit


def concave(gains: Sequence[float]) -> list[float]:
    """The gains of the least concave curve above the running sums of `gains`: what `marginal` needs where a row rises.

    A vote of two gains nothing over one, and a vote of three does. Samples given out by these gains are optimal wherever a flat
    part of every row is finished; between, they fall short by less than one flat part is worth.
    """
    from scipy.optimize import isotonic_regression

    hull: list[float] = isotonic_regression(gains, increasing=False).x.tolist()
    return hull


def preallocate(rates: Sequence[float], total: int, least: int = 1) -> list[int]:
    """Samples fixed before any is drawn, by each problem's predicted P(one sample is right): `least` for all, then by their gains.

    Both the easy and the hopeless get few (Damani et al. 2024; DSC, Wang et al. 2024, gives the easy ones 1 sample).
    """
    return marginal([_first(solves(rate), least) for rate in rates], total)


def _first(gains: Iterator[float], least: int) -> Iterator[float]:
    """The gains with the first `least` raised above all others, which are at most 1."""
    return chain([1 + gain for gain in islice(gains, least)], gains)


def uniform(problems: int, total: int) -> list[int]:
    """The same for all; what is left over goes to the first ones."""
    return [total // problems + (place < total % problems) for place in range(problems)]


def eliminate(rewards: Sequence[Sequence[float]], total: int, threshold: float = 1.0, most: int | None = None) -> list[int]:
    """Samples by rounds over the problems that are still active: one leaves once a reward reaches `threshold` (Zuo & Zhu 2025).

    `rewards` (problems, n) holds what each sample would score. An unsolvable problem never leaves, and takes what the solved ones
    save: `most` bounds it. With rewards that are right or wrong and threshold 1, no total solves fewer than `uniform` does.
    """
    counts = [0] * len(rewards)
    active = list(range(len(rewards)))
    while total > 0 and active:
        drawn = active[:total]
        total -= len(drawn)
        for place in drawn:
            counts[place] += 1
        active = [
            place
            for place in active
            if rewards[place][counts[place] - 1] < threshold and counts[place] < min(len(rewards[place]), most or inf)
        ]
    return counts


def halving(arms: int, total: int, pull: Callable[[int, int], float]) -> int:
    """The best of `arms` by successive halving (Karnin, Koren & Somekh 2013): `pull(arm, times)` is the mean of new noisy scores.

    In each of ⌈log2 N⌉ rounds `total` / ⌈log2 N⌉ pulls are shared evenly, and the better half stays. For scores in [0, 1] it errs
    with probability at most 3 log2 N exp(-T / (8 H2 log2 N)), H2 = max i / Δi², Δi the gap of the i-th best arm to the best. Raises
    `InputError` where not every arm can be pulled once.
    """
    alive, rounds = list(range(arms)), ceil(log2(arms))
    if total < arms * rounds:
        raise InputError(f"halving {arms} arms needs {arms * rounds} pulls or more, not {total}")
    for _ in range(rounds):
        means = {arm: pull(arm, total // (len(alive) * rounds)) for arm in alive}
        alive = sorted(alive, key=lambda arm: -means[arm])[: ceil(len(alive) / 2)]
    return alive[0]
