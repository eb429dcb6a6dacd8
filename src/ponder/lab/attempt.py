"""A strategy run for real on problems: what each answer was worth and what it has cost, by role."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ponder.errors import BudgetExhausted, InputError, ModelError, VerifierError
from ponder.models.sample import together
from ponder.solve import solve
from ponder.trace import Event, usage
from ponder.types import Problem, Sample, Usage


@dataclass(frozen=True, slots=True)
class Attempt:
    """`right` is the grade of the answer in [0, 1], 0 where there is none; `bill` the usage by role, of a solve that failed too."""

    right: float
    bill: dict[str, Usage]

    @property
    def tokens(self) -> int:
        """Computed tokens, replayed ones too."""
        return sum(self.bill.values(), Usage()).computed


async def attempt(problem: Problem, **settings: Any) -> Attempt:
    """One `solve` with these settings, graded. Raises `InputError` where the task has nothing to grade with."""
    if problem.task.verifier is None:
        raise InputError(f"the task `{problem.task.name}` cannot grade its answers, so there is no accuracy to measure")
    heard: list[Event] = []
    try:
        answer = await solve(problem, listener=heard.append, **settings)
    except (BudgetExhausted, ModelError, VerifierError):
        return Attempt(0.0, usage(heard))
    [grade] = await problem.task.verifier(problem, [Sample(answer.text)])
    return Attempt(grade.value or 0.0, usage(heard))


async def attempts(problems: Sequence[Problem], abreast: int, **settings: Any) -> list[Attempt]:
    """One attempt at each problem, so many at once."""
    width = asyncio.Semaphore(abreast)

    async def one(problem: Problem) -> Attempt:
        async with width:
            return await attempt(problem, **settings)

    return await together(one(problem) for problem in problems)
