"""Layers of proposers, each of which reads what the layer before it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ponder import trace
from ponder.errors import ModelError
from ponder.models.sample import together
from ponder.strategies import strategy
from ponder.strategies.consensus import plurality
from ponder.strategies.draw import draw
from ponder.strategies.others import others
from ponder.strategies.steps import check
from ponder.types import Answer, Candidate, Message, Model, Problem

_AGGREGATE = (
    "Several assistants have answered the last question; their responses follow. Some may be wrong or biased: weigh them against "
    "each other, do not copy any of them, and write one response of your own that is more accurate and more complete than each."
)


@strategy("mixture-of-agents", paper="Wang 2024")
async def mixture_of_agents(problem: Problem, model: Model, *, n: int = 6, layers: int = 3, also: str = "") -> Answer:
    """Layers of `n` proposers that read all that the layer before wrote, and the model, which sums up (MoA, Wang et al. 2024).

    The last of `layers` is the model alone: that makes n (layers - 1) + 1 calls. The proposers are the model and, by turns, those
    that `also` names, joined by `+`. The vote of the newest layer leads. Departs from the paper (6 models) where no other model is
    named: then all proposers are the same one. A layer whose draws all failed is left out; raises `ModelError` if it is the first.
    """
    check("last", layers=layers)
    made: list[Candidate] = []
    newest: list[Candidate] = []
    async with others(also) as several:
        models = [model, *several.values()]
        for layer in range(layers):
            last = layer == layers - 1
            newest = await _propose(_told(problem, newest), [model] if last else models, 1 if last else n, made) or newest
    return plurality(problem, newest, made)


async def _propose(problem: Problem, models: Sequence[Model], n: int, made: list[Candidate]) -> list[Candidate]:
    """The proposals of one layer in order, proposer i asking model i mod their number; what they have is added to `made`."""
    base, proposed = max((one.sample.index + 1 for one in made), default=0), list[Candidate]()

    async def ask(place: int, model: Model) -> ModelError | None:
        try:
            async for drawn in draw(problem, model, len(range(place, n, len(models)))):
                index = base + place + len(models) * drawn.sample.index
                proposed.append(replace(drawn, sample=replace(drawn.sample, index=index)))
                trace.lead(plurality(problem, proposed, [*made, *proposed]))
        except ModelError as error:
            return error
        return None

    failures = await together(ask(place, model) for place, model in enumerate(models[:n]))
    if not made and not proposed:
        raise next(failure for failure in failures if failure)
    proposed.sort(key=lambda one: one.sample.index)
    made.extend(proposed)
    return proposed


def _told(problem: Problem, proposals: Sequence[Candidate]) -> Problem:
    """The problem with the proposals in a system message before the question, or as it is where there are none."""
    if not proposals:
        return problem
    listed = [f"{number}. {one.sample.prefix}{one.sample.text}" for number, one in enumerate(proposals, 1)]
    *before, question = problem.messages
    return replace(problem, messages=(*before, Message("system", "\n\n".join([_AGGREGATE, *listed])), question))
