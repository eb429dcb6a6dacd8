"""Candidates that are compared in pairs: a knockout, and a league. A pair is judged together, and in both orders.

Candidates are plain draws, or the answers of the strategy `sampler` (see `strategies.parallel`).
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from dataclasses import replace
from random import Random
from statistics import fmean
from typing import Any, TypeVar

from ponder import answers, trace
from ponder.errors import VerifierError
from ponder.models.sample import together
from ponder.strategies import strategy
from ponder.strategies.consensus import entrants, plurality
from ponder.strategies.draw import answer, undecided
from ponder.strategies.steps import check
from ponder.types import Answer, Candidate, Model, Problem, Score, Verifier
from ponder.verifiers.evidence import evidence
from ponder.verifiers.judge import Judge
from ponder.verifiers.pairwise import compare
from ponder.verifiers.position import declare

T = TypeVar("T")


@strategy("knockout", paper="Chen 2024")
async def knockout(
    problem: Problem, model: Model, verifier: Verifier | None, *, n: int = 8, comparisons: int = 2, sampler: str = ""
) -> Answer:
    """Draw `n` candidates and play them off in pairs, the better one going on, until one is left (Chen et al. 2024, 2411.19477).

    A match is the majority of `comparisons` verdicts, half of them in the other order; who is left over goes on without one. That
    makes n + comparisons (n - 1) calls when the model judges itself, as it does without a verifier. If it finds the right answer
    with p_gen and prefers it to a wrong one with p_comp > 1/2, P(fail) <= (1 - p_gen)^n + ceil(log2 n) exp(-2 K (p_comp - 1/2)^2),
    K comparisons a match. Departs from the paper: the bracket is drawn by the run's seed; a draw, or a match that could not be
    judged, goes to who stands first in it. Until the last match the plurality of those left leads. Raises `VerifierError` if no
    match could be judged.
    """
    check("last", comparisons=comparisons)
    referee = verifier or _itself(problem, model)
    candidates = await entrants(problem, model, n, verifier, sampler)
    left = Random(f"{trace.current().seed}:{problem.id}").sample(candidates, len(candidates))
    judged = len(left) == 1
    while len(left) > 1:
        pairs = list(zip(left[::2], left[1::2], strict=False))
        values = await _played(_match(problem, referee, first, second, comparisons) for first, second in pairs)
        judged = judged or any(value is not None for value in values)
        winners = [pair[value is not None and value < 0.5] for pair, value in zip(pairs, values, strict=True)]
        left = left[len(pairs) * 2 :] + winners
        trace.lead(plurality(problem, left, candidates))
    if not judged:
        raise VerifierError(f"`{referee.name}` could compare none of {len(candidates)} candidates; take another judge, or a vote")
    return answer(left[0], candidates)


@strategy("league", paper="Chen 2024")
async def league(
    problem: Problem, model: Model, verifier: Verifier | None, *, n: int = 8, opponents: int = 4, sampler: str = ""
) -> Answer:
    """Draw `n` candidates, compare each with `opponents` random others, and take the one that wins most often (Chen et al. 2024).

    A candidate is shown first against half of its opponents and second against the others, so that a judge's liking for a place
    weighs on all alike; its score is the share of its own matches that it wins. That makes n + n * opponents calls when the model
    judges itself, as it does without a verifier. Ties go to the earliest. Departs from the paper: a match counts for the candidate
    whose opponent was drawn, and matches that could not be judged are left out. Raises `VerifierError` if none could.
    """
    check("last", opponents=opponents)
    referee = verifier or _itself(problem, model)
    candidates = await entrants(problem, model, n, verifier, sampler)
    rng = Random(f"{trace.current().seed}:{problem.id}")
    others = [[one for one in candidates if one is not candidate] for candidate in candidates]
    drawn = [rng.sample(some, min(opponents, len(some))) for some in others]
    scores = await _played(
        _season(problem, referee, candidate, rivals) for candidate, rivals in zip(candidates, drawn, strict=True)
    )
    ranked = [replace(candidate, score=score) for candidate, score in zip(candidates, scores, strict=True)]
    chosen = answers.best(ranked) or (ranked[0] if len(ranked) == 1 else None)
    return answer(chosen, ranked) if chosen else undecided(ranked, referee)


def _itself(problem: Problem, model: Model) -> Verifier:
    return Judge(model, max_tokens=problem.task.max_tokens)


async def _played(matches: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of a round. What all rounds so far show of the judge's liking for a place is in the trace, however it ends."""
    try:
        return await together(matches)
    finally:
        declare()


async def _season(problem: Problem, referee: Verifier, candidate: Candidate, rivals: list[Candidate]) -> Score:
    half = (len(rivals) + 1) // 2
    home = await together(_match(problem, referee, candidate, rival, 1) for rival in rivals[:half])
    away = await together(_match(problem, referee, rival, candidate, 1) for rival in rivals[half:])
    won = [value for value in home if value is not None] + [1 - value for value in away if value is not None]
    return Score(fmean(won)) if won else Score(None, error="no comparison of it could be read")


async def _match(problem: Problem, referee: Verifier, first: Candidate, second: Candidate, votes: int) -> float | None:
    value = await compare(referee, problem, first.sample, second.sample, votes)
    trace.current().record(
        "compared", first.sample.event, second=second.sample.event, votes=votes, value=value, evidence=evidence(referee)
    )
    return value
