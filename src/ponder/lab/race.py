"""Successive halving: contenders that fall behind on the first problems are not run on the rest (Karnin et al. 2013)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from math import ceil
from typing import Any

import numpy as np

from ponder.lab.statistics import Floats
from ponder.models.sample import together

RUNGS = 4

Run = Callable[[int, int], Coroutine[Any, Any, Floats]]
"""What contender i got on problem j: an array of the same shape each time, whose last axis begins with what is ranked by."""


async def race(contenders: int, problems: int, run: Run, rungs: int = RUNGS) -> dict[int, Floats]:
    """The results of the finalists on all problems, (problems, …) each, by contender.

    A rung adds as many problems as all before it, and half of the contenders, by the mean of the results' entries [..., 0], go on
    to the next; so each rung costs about the same. Ties go to the earlier contender.
    """
    alive, results = list(range(contenders)), {one: list[Floats]() for one in range(contenders)}
    for rung in range(rungs):
        until = ceil(problems / 2 ** (rungs - 1 - rung))
        begun = len(results[alive[0]]) if alive else 0
        ran = await together(run(one, problem) for one in alive for problem in range(begun, until))
        for place, one in enumerate(alive):
            results[one] += ran[place * (until - begun) : (place + 1) * (until - begun)]
        if rung < rungs - 1:
            alive = sorted(sorted(alive, key=lambda one: -_mean(results[one]))[: ceil(len(alive) / 2)])
    return {one: np.array(results[one]) for one in alive}


def _mean(results: Sequence[Floats]) -> float:
    return float(np.mean([one[..., 0] for one in results]))
