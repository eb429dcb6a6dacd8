"""Independent samples, drawn only until a rule has seen enough (see `strategies.stopping`).

At most `width` draws are in flight, in the order of their indices, and the rule looks at each as it finishes; when it stops, what
is in flight is cancelled and charged for what it has produced. `width` is the dial from tokens to time: 1 draws nothing in vain,
and the engine's concurrency ends soonest. With a `ramp` the first draw goes alone, and one more may be in flight for each so many
that have finished: what is drawn in vain stays a small part of all. A sample is a plain draw, or the answer of the strategy
`sampler`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import partial

from ponder import answers, trace
from ponder.errors import InputError
from ponder.strategies import Select, stopping, strategy
from ponder.strategies.draw import choose, over, plain
from ponder.strategies.parallel import best
from ponder.strategies.steps import check
from ponder.strategies.stopping import Rule
from ponder.types import Answer, Candidate, Model, Problem, Verifier


@strategy("adaptive-consistency", paper="Aggarwal 2023", select=answers.majority, rule=stopping.confident)
async def adaptive_consistency(
    problem: Problem,
    model: Model,
    verifier: Verifier | None,
    *,
    n: int = 40,
    confidence: float = 0.95,
    rule: str = "beta",
    width: int = 1,
    ramp: int = 0,
    sampler: str = "",
) -> Answer:
    """Vote, and stop when the leader is `confidence` sure to win it, or after `n` samples (Adaptive-Consistency, Aggarwal 2023).

    `rule` is "beta" (the first answer against the second) or "dirichlet" (against the next four). Departs from the paper: samples
    without an answer do not vote. A verifier is for the `sampler`, where that needs one.
    """
    enough = partial(stopping.confident, confidence=confidence, rule=rule)
    abreast = _ramped(width, ramp)
    return await _until(enough, abreast, problem, model, n, answers.majority, sampler=sampler, inner=verifier)


@strategy("early-stopping-consistency", paper="Li 2024 (ESC)", select=answers.majority, rule=stopping.window)
async def early_stopping_consistency(
    problem: Problem, model: Model, verifier: Verifier | None, *, n: int = 40, window: int = 5, sampler: str = ""
) -> Answer:
    """Vote, and stop at the end of a window of samples that agree, or after `n` samples (ESC, Li et al. 2024).

    The draws of a window are in flight together. Departs from the authors' code, which answers by the last window alone: all
    samples vote. A verifier is for the `sampler`, where that needs one.
    """
    check("last", window=window)
    enough = partial(stopping.window, window=window)

    def width(finished: int) -> int:
        return window - finished % window

    return await _until(enough, width, problem, model, n, answers.majority, sampler=sampler, inner=verifier)


@strategy("first-wins", paper="Stroebl 2024 (resampling)", needs=("verifier",), select=best, rule=stopping.wins)
async def first_wins(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    n: int = 64,
    k: int = 1,
    threshold: float = 1.0,
    width: int = 1,
    ramp: int = 0,
    sampler: str = "",
) -> Answer:
    """Draw until `k` samples are scored `threshold` or more, or `n` are drawn, and return the best (Stroebl et al. 2024).

    With k = 1 and a verifier that accepts with probability p, that is (1 - (1-p)^n) / p samples in the mean. Of what an imperfect
    one accepts p tpr / (p tpr + (1-p) fpr) are right, where p of the samples are, however many are drawn.
    """
    check("last", k=k)
    enough = partial(stopping.wins, k=k, threshold=threshold)
    return await _until(enough, _ramped(width, ramp), problem, model, n, best, verifier, sampler, verifier)


@strategy("pandora", paper="Weitzman 1979; Kalayci 2025", needs=("verifier",), select=best, rule=stopping.reservation)
async def pandora(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    n: int = 64,
    cost: float = 0.02,
    law: str = "any",
    confidence: float = 0.9,
    width: int = 1,
    ramp: int = 0,
    sampler: str = "",
) -> Answer:
    """Draw until another sample cannot be expected to raise the best score by its `cost`, or `n` are drawn; return the best.

    Optimal stopping (Weitzman 1979; for generations Kalayci et al. 2025): the best score has reached its reservation value. `law`
    is what is known of scores: "uniform", "normal" (mean and deviation of those so far) or "any" (a bound that holds with
    `confidence` for every law). Departs from the paper, whose bound is for exponential tails, which scores in [0, 1] do not have.
    """
    enough = partial(stopping.reservation, cost=cost, law=law, confidence=confidence)
    return await _until(enough, _ramped(width, ramp), problem, model, n, best, verifier, sampler, verifier)


def _ramped(width: int, ramp: int) -> Callable[[int], int]:
    """How many draws may be in flight when so many have finished."""
    check("last", width=width)
    if ramp < 0:
        raise InputError(f"`ramp` counts draws that have finished: 0 for none, or more, and not {ramp}")
    return lambda finished: min(width, 1 + finished // ramp) if ramp else width


async def _until(
    rule: Rule,
    width: Callable[[int], int],
    problem: Problem,
    model: Model,
    n: int,
    select: Select,
    judge: Verifier | None = None,
    sampler: str = "",
    inner: Verifier | None = None,
) -> Answer:
    """`choose`, until `rule` stops it, with `width(finished)` draws in flight. `inner` is the verifier of the `sampler`."""
    import numpy as np

    canonical = functools.cache(problem.task.canonical)
    finished = 0

    def enough(candidates: Sequence[Candidate]) -> bool:
        nonlocal finished
        finished = len(candidates)
        numbers = answers.numbered(candidates, canonical)
        scores = [np.nan if one.value is None else one.value for one in candidates]
        ended = bool(rule(np.array(numbers), np.array(scores))[-1])
        if ended:
            trace.current().record("stopped", candidates[-1].sample.event, drawn=finished)
        return ended

    source = over(sampler, inner, lambda: width(finished)) or partial(plain, verifier=judge, abreast=lambda: width(finished))
    return await choose(problem, model, n, select, judge, source, enough)
