"""One sample: as the task asks, or with the model told to think aloud first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ponder.strategies import strategy
from ponder.strategies.draw import choose
from ponder.types import Answer, Candidate, Message, Model, Problem


def first(candidates: Iterable[Candidate], canonical: Callable[[str], str]) -> Candidate | None:  # noqa: ARG001 - a `Select`
    """The earliest candidate."""
    return min(candidates, key=lambda candidate: candidate.sample.index, default=None)


@strategy("direct", paper="the baseline", select=first, certain=True)
async def direct(problem: Problem, model: Model) -> Answer:
    """One sample, asked as the task asks: the baseline that all else is measured against."""
    return await choose(problem, model, 1, first)


@strategy("chain-of-thought", paper="Wei 2022, Kojima 2022", certain=True)
async def chain_of_thought(problem: Problem, model: Model, *, shots: int = 0) -> Answer:
    """One sample that reasons before it answers (Wei et al. 2022; zero-shot: Kojima et al. 2022).

    With `shots`, that many of the task's worked exemplars come first as earlier turns; without, the instruction to think step by
    step. Departs from Kojima in putting the instruction into a system message, and in drawing reasoning and answer in one call.
    """
    exemplars = problem.task.exemplars[:shots]
    turns = [Message(role, text) for pair in exemplars for role, text in zip(("user", "assistant"), pair, strict=True)]
    instruction = [] if turns else [Message("system", "Let's think step by step, and give the final answer last.")]
    told = replace(problem, messages=(*problem.messages[:-1], *instruction, *turns, problem.messages[-1]))
    return await choose(told, model, 1, first)
