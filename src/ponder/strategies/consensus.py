"""The answer that the others agree with: found by the model itself, where answers cannot be compared by their letters."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from ponder import answers, trace
from ponder.models.sample import sample, together
from ponder.strategies import strategy
from ponder.strategies.draw import answer, ask, choose, draw, over, plain
from ponder.strategies.sequential import adaptive_consistency
from ponder.strategies.steps import check
from ponder.types import Answer, Candidate, Message, Model, Problem, Verifier
from ponder.verifiers.judge import asked

_SELECT = (
    "Here are {count} responses to the problem. Say which conclusions they come to, and how many of them agree on each. "
    "Then select one response that has the conclusion most of them have, and end with a line `Response: K`, where K is its number."
)
_SELECTED = re.compile(r"\bresponse\b[*_`\s]*[:=#]?[*_`\s]*(\d{1,4})\b", re.IGNORECASE)


@strategy("universal-self-consistency", paper="Chen 2023")
async def universal_self_consistency(
    problem: Problem, model: Model, verifier: Verifier | None, *, n: int = 8, orders: int = 1, sampler: str = ""
) -> Answer:
    """Draw `n` samples, show them to the model, and return the one it finds most consistent with the others (Chen et al. 2023).

    It selects once, greedily, for each of `orders` random orders of the samples, since models favour a place, and what was selected
    votes; what names none of the samples does not, and if nothing does, the plurality stands (`voted` in the trace says which).
    That makes n + orders calls. A perfect selector gives self-consistency's answer. Departs from the paper in the orders. A
    verifier is for the `sampler`, where that needs one.
    """
    check("last", orders=orders)
    candidates = await entrants(problem, model, n, verifier, sampler)
    rng = Random(f"{trace.current().seed}:{problem.id}")
    shown = [rng.sample(candidates, len(candidates)) for _ in range(orders if len(candidates) > 1 else 0)]
    votes = await together(_select(problem, model, order) for order in shown)
    selected = [chosen for chosen in votes if chosen is not None]
    return plurality(problem, selected or candidates, candidates)


@strategy("agreement", paper="Aggarwal 2023; Chen 2023")
async def agreement(
    problem: Problem, model: Model, verifier: Verifier | None, *, n: int = 16, width: int = 4, shown: int = 5
) -> Answer:
    """What most samples agree on: by a vote where they end in answers, else as the model itself sees it, for any free question.

    The first two samples tell which: if either has a final answer, adaptive-consistency goes on from them (Aggarwal et al. 2023),
    else universal-self-consistency, of at most `shown` samples (Chen et al. 2023). Prose is not voted on to no end.
    """
    check("last", width=width, shown=shown)
    first = [one async for one in draw(problem, model, min(n, 2), verifier)]
    if n == 1 or any(one.answer is not None for one in first):
        return await adaptive_consistency(problem, model, verifier, n=n, width=width)
    return await universal_self_consistency(problem, model, verifier, n=min(n, shown))


async def entrants(problem: Problem, model: Model, n: int, verifier: Verifier | None = None, sampler: str = "") -> list[Candidate]:
    """`n` candidates in order, with what the verifier reads but not judged by it, or what the strategy `sampler` gives.

    Failed ones are left out; the plurality of the others leads. Raises `ModelError` when all failed.
    """
    source = over(sampler, verifier) or functools.partial(plain, verifier=verifier)
    return list(trace.lead(await choose(problem, model, n, answers.majority, sampler=source)).candidates)


def plurality(problem: Problem, voters: Sequence[Candidate], candidates: Sequence[Candidate]) -> Answer:
    """The most frequent answer among `voters`, or the first of them where none has an answer, beside all the `candidates`."""
    chosen = answers.majority(voters, functools.cache(problem.task.canonical))
    return answer(chosen or voters[0], candidates)


async def _select(problem: Problem, model: Model, shown: Sequence[Candidate]) -> Candidate | None:
    """The candidate that the model selects when they are shown in this order, if its reply names one."""
    responses = [f"# Response {number}\n\n{one.sample.prefix}{one.sample.text}" for number, one in enumerate(shown, 1)]
    prompt = "\n\n".join([f"# Problem\n\n{asked(problem)}", *responses, _SELECT.format(count=len(shown))])
    request = replace(ask(problem), messages=(Message("user", prompt),), temperature=0.0, stop=())
    [reply] = await sample(model, request, role="judge")
    named = [int(number) for number in _SELECTED.findall(reply.text)][-1:]
    chosen = shown[named[0] - 1] if reply.error is None and named and 1 <= named[0] <= len(shown) else None
    trace.current().record(
        "voted",
        reply.event,
        chosen=chosen and chosen.sample.event,
        evidence="judge" if chosen else "vote",
        error=None if chosen else reply.error or "it names none of them",
    )
    return chosen
