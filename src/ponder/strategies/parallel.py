"""Independent samples, and a rule that chooses among them.

A sample is a plain draw, or, with `sampler`, the answer of another strategy: `best-of-n(n=4,sampler=think(waits=1))`. With
`leaves:` before its name, all the candidates of each run are samples: `self-consistency(n=1,sampler=leaves:dvts)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from ponder import answers
from ponder.strategies import strategy
from ponder.strategies.draw import choose, over
from ponder.types import Answer, Candidate, Model, Problem, Verifier


def best(candidates: Iterable[Candidate], canonical: Callable[[str], str]) -> Candidate | None:  # noqa: ARG001 - a `Select`
    """The candidate with the highest score; ties go to the earliest."""
    return answers.best(candidates)


@strategy("best-of-n", paper="Cobbe 2021", needs=("verifier",), select=best)
async def best_of_n(problem: Problem, model: Model, verifier: Verifier, *, n: int = 16, sampler: str = "") -> Answer:
    """Draw `n` samples and return the one that the verifier scores highest (Cobbe et al. 2021)."""
    return await choose(problem, model, n, best, verifier, over(sampler, verifier))


@strategy("self-consistency", paper="Wang 2022", select=answers.majority)
async def self_consistency(problem: Problem, model: Model, verifier: Verifier | None, *, n: int = 16, sampler: str = "") -> Answer:
    """Draw `n` samples and return the most frequent final answer (Wang et al. 2022).

    Answers that mean the same count together; samples without an answer do not vote; ties go to the answer that was drawn first.
    A verifier is for the `sampler`, where that needs one.
    """
    return await choose(problem, model, n, answers.majority, sampler=over(sampler, verifier))


@strategy("weighted-vote", paper="Li 2023; best-of-N weighted in Snell 2024", needs=("verifier",), select=answers.weighted)
async def weighted_vote(problem: Problem, model: Model, verifier: Verifier, *, n: int = 16, sampler: str = "") -> Answer:
    """Draw `n` samples, add up the scores of those that agree, and return the heaviest answer ("best-of-N weighted")."""
    return await choose(problem, model, n, answers.weighted, verifier, over(sampler, verifier))


@strategy("borda-vote", paper="Kang 2025", needs=("verifier",))
async def borda_vote(problem: Problem, model: Model, verifier: Verifier, *, n: int = 16, power: float = 0.5) -> Answer:
    """Draw `n` samples that vote by the rank of their scores, (n - r + 1)**power (Kang et al. 2025); power 0 is self-consistency.

    Departs from the paper: any verifier's scores, of which self-certainty is one.
    """
    return await choose(problem, model, n, partial(answers.borda, power=power), verifier)
