"""Several plain draws, each of them an answer: what `n` asks for where nothing is searched. One call where the model can."""

from __future__ import annotations

from contextlib import aclosing

from ponder.errors import ModelError
from ponder.models.sample import draws
from ponder.strategies import Strategy
from ponder.strategies.direct import first
from ponder.strategies.draw import answer, ask, final
from ponder.types import Answer, Candidate, Model, Problem


async def _several(problem: Problem, model: Model, *, n: int = 1) -> Answer:
    """`n` plain draws, each of them an answer."""
    drawn: list[Candidate] = []
    failures: list[str] = []
    async with aclosing(draws(model, ask(problem), range(n))) as samples:
        async for sample in samples:
            if sample.error is not None:
                failures.append(sample.error)
            drawn.append(Candidate(sample, final(problem, sample)))
    if failures:
        raise ModelError(f"{len(failures)} of {n} draws from `{model.name}` failed; the first because: {failures[0]}")
    return answer(min(drawn, key=lambda one: one.sample.index), drawn)


several = Strategy("direct", _several, "the baseline", select=first, certain=True)
"""`direct` for requests that want several answers."""
