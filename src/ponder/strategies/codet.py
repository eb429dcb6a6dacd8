"""CodeT: programs and generated tests that vouch for each other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from dataclasses import replace
from math import sqrt
from typing import Any

from ponder import answers, budget, trace
from ponder.errors import BudgetExhausted
from ponder.models.sample import draws, together
from ponder.strategies import strategy
from ponder.strategies.draw import answer, ask, draw, marked, scored, undecided
from ponder.strategies.steps import check
from ponder.tasks.programs import assertions, pairs
from ponder.types import Answer, Candidate, Message, Model, Problem, Request, Score
from ponder.verifiers.sandbox import Asserts, Case, Limits, Prints, tried

QUICK = Limits(cpu=1, wall=2.0)

_FUNCTION = (
    "Write ten different tests of the function that is asked for, and not the function itself. Each is one line, "
    "`assert CALL == VALUE`, with a value that follows from the description. Answer with one ```python block."
)
_SCRIPT = (
    "Write five different tests of the program that is asked for, and not the program itself. Give each as\n\n"
    "Input:\n```\n…\n```\nOutput:\n```\n…\n```\n\nwith small inputs, and outputs that follow from the description."
)


@strategy("codet", paper="Chen 2022 (CodeT)")
async def codet(problem: Problem, model: Model, *, n: int = 16, tests: int = 16, each: int = 5) -> Answer:
    """Draw `n` programs and `tests` lists of tests, and answer the program that most of both agree on (Chen et al. 2022).

    A program scores sqrt|S| |T|: T are the generated tests that it passes, of each list the first `each`; S are the programs that
    pass exactly these. Equal programs and equal tests count as often as they were drawn. Candidates carry the score divided by its
    maximum; ties go to the earliest program, and where none passes a test, the earliest stands. Scripts are tested by what they
    print. Neither the hidden tests nor the examples are used. The tokens of tests stand under the role `verifier`.

    Published: 100 programs, 100 lists, temperature .8, .1 s a test. Departs: a test has 1 s of processor time, since that is what a
    sandbox can measure; a program keeps its memory from test to test; the earliest of equals, where the paper takes one at random.
    Raises `VerifierError` where there is no sandbox.
    """
    check("last", tests=tests, each=each)
    drawn: list[Coroutine[Any, Any, list[Any]]] = [_programs(problem, model, n), written_tests(problem, model, tests, each)]
    candidates, cases = await together(drawn)
    scored = _scored(candidates, await _trials(candidates, cases))
    chosen = answers.best(scored)
    return marked(answer(chosen, scored) if chosen else undecided(scored, None))


def _scored(candidates: Sequence[Candidate], rows: Sequence[Sequence[bool]]) -> list[Candidate]:
    most = sqrt(len(rows)) * len(rows[0])
    unknown = Score(None, error="none of the lists holds a test that can be read")
    scores = [
        Score(value / most, tuple(map(float, row))) if row else unknown for value, row in zip(agreement(rows), rows, strict=True)
    ]
    for candidate, score in zip(candidates, scores, strict=True):
        scored(candidate.sample.event, "codet", "vote", score)
    return [replace(candidate, score=score) for candidate, score in zip(candidates, scores, strict=True)]


def agreement(passed: Sequence[Sequence[bool]]) -> list[float]:
    """The score of each program, from which tests it passes, (programs, tests): sqrt|S| |T| of its cluster; 0 if it passes none."""
    clusters = Counter(map(tuple, passed))
    return [sqrt(clusters[tuple(row)]) * sum(row) for row in passed]


async def _programs(problem: Problem, model: Model, n: int) -> list[Candidate]:
    """The programs that the budget buys; raises `BudgetExhausted` if it buys none."""
    found: list[Candidate] = []
    try:
        async with aclosing(draw(problem, model, n)) as candidates:
            async for candidate in candidates:
                found.append(candidate)
                trace.lead(answer(min(found, key=lambda one: one.sample.index), found))
    except BudgetExhausted:
        if not found:
            raise
    return sorted(found, key=lambda one: one.sample.index)


async def written_tests(problem: Problem, model: Model, count: int, each: int) -> list[Case]:
    """The first `each` tests of every one of `count` lists that the model writes and the budget buys; they go into the trace."""
    read: dict[int, list[Case]] = {}
    try:
        async with aclosing(draws(model, _asked(problem), range(count), role="verifier")) as samples:
            async for sample in samples:
                read[sample.index] = _read(problem, sample.text)[:each]
    except BudgetExhausted:
        pass
    cases = [case for index in sorted(read) for case in read[index]]
    trace.current().record("tests", cases=[case.code if isinstance(case, Asserts) else case.given for case in cases])
    return cases


def _asked(problem: Problem) -> Request:
    how = _SCRIPT if _prints(problem) else _FUNCTION
    return replace(ask(problem), messages=(Message("user", f"{problem.question}\n\n{how}"),), stop=())


def _prints(problem: Problem) -> bool:
    """Whether the problem asks for a script: its examples say so."""
    return any(isinstance(case, Prints) for case in problem.data.get("examples", ()))


def _read(problem: Problem, text: str) -> list[Case]:
    if _prints(problem):
        return [Prints(given, expected) for given, expected in pairs(text)]
    hides = tuple({name for case in problem.data.get("examples", ()) for name in case.hides})
    return [Asserts(code, hides) for code in assertions(text, hides)]


async def _trials(candidates: Sequence[Candidate], cases: Sequence[Case]) -> list[list[bool]]:
    meter = budget.current()
    try:
        async with asyncio.timeout_at(None if meter.deadline == float("inf") else meter.deadline):
            return await passes([candidate.answer for candidate in candidates], cases)
    except TimeoutError:
        raise meter.out_of_time() from None


async def passes(programs: Sequence[str | None], cases: Sequence[Case]) -> list[list[bool]]:
    """Which cases each program passes, (programs, cases): each distinct program is tried against each distinct case once."""
    tests, distinct = list(dict.fromkeys(cases)), [one for one in dict.fromkeys(programs) if one is not None]
    verdicts = await together(tried(program, tests, QUICK, together=True) for program in distinct if tests)
    passed = {
        (program, case)
        for program, found in zip(distinct, verdicts, strict=bool(tests))
        for case, verdict in zip(tests, found, strict=True)
        if verdict.kind == "passed"
    }
    return [[(program, case) in passed for case in cases] for program in programs]
