"""Sequential revisions in parallel chains: how many solutions side by side, and how many after one another."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from ponder import answers, trace
from ponder.errors import BudgetExhausted, ModelError
from ponder.models.sample import together
from ponder.strategies import strategy
from ponder.strategies.attempts import IMPROVE, at_rest, attempt, attempted
from ponder.strategies.draw import answer, draw, marked, undecided
from ponder.strategies.steps import check
from ponder.types import Answer, Candidate, Model, Problem, Verifier

_CONTEXT = 4  # the attempts that the next one sees

Chain = list[Candidate]


@strategy("revise", paper="Snell 2024, §6")
async def revise(
    problem: Problem, model: Model, verifier: Verifier | None, *, chains: int = 4, length: int = 4, settled: int = 0
) -> Answer:
    """`chains` solutions side by side, each revised `length - 1` times in sight of its last four versions (Snell et al. 2024, §6).

    Draws `chains * length` solutions. With a verifier, the weighted vote of each chain chooses a version, and the weighted vote of
    these the answer; without, all vote alike. `length=1` is `weighted-vote` or `self-consistency`. With `settled`, a chain ends
    after so many equal answers in a row, and its last version votes for those that it was spared. Departs from the paper: any model
    is asked to revise, none is trained to; a chain whose first draw fails is not continued, a later failure is passed over.
    """
    check("last", chains=chains, length=length)
    canonical = functools.cache(problem.task.canonical)
    grown: list[Chain] = []
    leading: Answer | None = None
    async for first in draw(problem, model, chains, verifier):
        attempted(first, first.sample.index)
        grown.append([first])
        leading = _lead(grown, canonical, verifier) or leading
    grown.sort(key=lambda chain: chain[0].sample.index)
    for begun in range(chains, chains * length, chains):
        drawn = await together(_next(problem, model, chain, begun + chain[0].sample.index, verifier, settled) for chain in grown)
        for chain, version in zip(grown, drawn, strict=True):
            if isinstance(version, Candidate):
                if version is not chain[-1]:
                    attempted(version, chain[0].sample.index)
                chain.append(version)
        leading = _lead(grown, canonical, verifier) or leading
        for refusal in drawn:
            if isinstance(refusal, BudgetExhausted):
                raise refusal
    return marked(leading or undecided(_versions(grown), verifier))


async def _next(
    problem: Problem, model: Model, chain: Chain, number: int, verifier: Verifier | None, settled: int
) -> Candidate | ModelError | BudgetExhausted:
    """The chain's next version, which is its last one once it has settled; or why there is none: the other chains go on."""
    resting = len(chain) > 1 and chain[-1] is chain[-2]
    if resting or at_rest(problem, [one.answer for one in chain], settled, chain[-1].sample.event, chain[0].sample.index):
        return chain[-1]
    said = [text for version in chain[-_CONTEXT:] for text in (version.sample.text, IMPROVE)]
    try:
        return await attempt(problem, model, said, number, verifier, chain[-1].sample.event)
    except (ModelError, BudgetExhausted) as failure:
        return failure


def chosen(chains: Sequence[Chain], canonical: Callable[[str], str], verifier: Verifier | None) -> Candidate | None:
    """Best within a chain, then across chains, both by weighted vote; without a verifier, the majority of all versions."""
    if verifier is None:
        return answers.majority(_all(chains), canonical)
    return answers.weighted([best for chain in chains if (best := answers.weighted(chain, canonical))], canonical)


def _lead(chains: Sequence[Chain], canonical: Callable[[str], str], verifier: Verifier | None) -> Answer | None:
    best = chosen(chains, canonical, verifier)
    return trace.lead(answer(best, _versions(chains))) if best else None


def _all(chains: Sequence[Chain]) -> list[Candidate]:
    return [version for chain in chains for version in chain]


def _versions(chains: Sequence[Chain]) -> list[Candidate]:
    """All versions, those of a settled chain once."""
    return list({one.sample.index: one for one in _all(chains)}.values())
