"""Several plain draws, each of them an answer: what `n` asks for where nothing is searched. One call where the model can."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

from ponder import trace
from ponder.errors import ModelError
from ponder.models.sample import draws
from ponder.strategies import Strategy
from ponder.strategies.direct import first
from ponder.strategies.draw import answer, ask, final
from ponder.types import Answer, Candidate, Model, Problem, Sample

LIVELY = 8  # calls for one answer of an upstream that has begun it each time, and works


async def _several(problem: Problem, model: Model, *, n: int = 1) -> Answer:
    """`n` plain draws, each of them an answer. One that breaks off is drawn again, unless someone has heard of it."""
    drawn: dict[int, Candidate] = {}
    places = {index: index for index in range(n)}  # of each draw, that of its answer
    for turn in range(1, LIVELY + 1):
        failures: list[Sample] = []
        async with aclosing(draws(model, ask(problem), places)) as samples:
            async for sample in samples:
                place = places[sample.index]
                drawn[place] = Candidate(replace(sample, index=place), final(problem, sample))
                if sample.error is not None:
                    failures.append(sample)
        if trace.aloud() or not any(one.usage.completion for one in failures):
            break
        places = {turn * n + places[one.index]: places[one.index] for one in failures}
    if failures:
        raise ModelError(f"{len(failures)} of {n} draws from `{model.name}` failed; the first because: {failures[0].error}")
    return answer(drawn[0], list(drawn.values()))


several = Strategy("direct", _several, "the baseline", select=first, certain=True)
"""`direct` for requests that want several answers."""
