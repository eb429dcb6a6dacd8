"""Independent samples, drawn only until a rule has seen enough (see `strategies.stopping`).

At most `width` draws are in flight, in the order of their indices, and the rule looks at each as it finishes; when it stops, what
is in flight is cancelled and charged for what it has produced. `width` is the dial from tokens to time: 1 draws nothing in vain,
and the engine's concurrency ends soonest. A sample is a plain draw, or the answer of the strategy `sampler`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from functools import partial

from ponder import answers, trace
from ponder.strategies import Select, strategy
from ponder.strategies.draw import choose, over, plain
from ponder.strategies.steps import check
from ponder.strategies.stopping import Rule, confident
from ponder.types import Answer, Candidate, Model, Problem, Verifier


@strategy("adaptive-consistency", paper="Aggarwal 2023", select=answers.majority, rule=confident)
async def adaptive_consistency(
    problem: Problem,
    model: Model,
    verifier: Verifier | None,
    *,
    n: int = 40,
    confidence: float = 0.95,
    rule: str = "beta",
    width: int = 1,
    sampler: str = "",
) -> Answer:
    """Vote, and stop when the leader is `confidence` sure to win it, or after `n` samples (Adaptive-Consistency, Aggarwal 2023).

    `rule` is "beta" (the first answer against the second) or "dirichlet" (against the next four). Departs from the paper: samples
    without an answer do not vote. A verifier is for the `sampler`, where that needs one.
    """
    enough = partial(confident, confidence=confidence, rule=rule)
    return await _until(problem, model, n, answers.majority, enough, width, sampler=sampler, inner=verifier)


async def _until(
    problem: Problem,
    model: Model,
    n: int,
    select: Select,
    rule: Rule,
    width: int,
    judge: Verifier | None = None,
    sampler: str = "",
    inner: Verifier | None = None,
) -> Answer:
    """`choose`, until `rule` stops it: `judge` scores the candidates, and `inner` is for the `sampler`."""
    import numpy as np

    check("last", width=width)
    canonical = functools.cache(problem.task.canonical)

    def enough(candidates: Sequence[Candidate]) -> bool:
        numbers = answers.numbered(candidates, canonical)
        scores = [np.nan if one.value is None else one.value for one in candidates]
        ended = bool(rule(np.array(numbers), np.array(scores))[-1])
        if ended:
            trace.current().record("stopped", candidates[-1].sample.event, drawn=len(candidates))
        return ended

    source = over(sampler, inner, width) or partial(plain, verifier=judge, abreast=width)
    return await choose(problem, model, n, select, judge, source, enough)
