"""Bind a problem, a model, a strategy, a verifier, a budget and a trace, and get the best answer that the budget buys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ponder import budget as budgets
from ponder import store as stores
from ponder import tasks, trace, verifiers
from ponder.budget import Budget
from ponder.errors import BudgetExhausted, InputError
from ponder.models.catalog import opened
from ponder.store import Store
from ponder.strategies import Strategy, parse
from ponder.trace import Event, Trace
from ponder.types import Answer, Model, Problem, Reads, Sample, Score, Verifier
from ponder.verifiers import pairwise
from ponder.verifiers.evidence import Evidence, evidence

DEFAULT = "auto"


async def solve(
    question: str | Problem,
    *,
    model: str | Model | None = None,
    strategy: str | Strategy | None = None,
    verifier: str | Verifier | None = None,
    budget: str | Budget | None = None,
    seed: int = 0,
    temperature: float | None = None,
    max_tokens: int | None = None,
    step: str | None = None,
    store: Store | None = None,
    listener: Callable[[Event], None] | None = None,
    record: Trace | None = None,
    **parameters: Any,
) -> Answer:
    """Answer `question` with the best that `budget` buys.

    A question in words is recognised as one of the tasks, or taken as free text. Without a `model`, the task's built-in one
    answers; without a `strategy`, `auto` chooses; `parameters` are the strategy's own, such as `n=64`. What happens is written to
    `record`, by default a new trace of `seed` and `listener`. At the budget's limit the best answer so far is returned with
    `stopped="budget"`; `BudgetExhausted` is raised only when there is none. Other errors: `InputError` for a wrong name or value,
    `ModelError` when every draw failed.
    """
    problem = tasks.problem(question) if isinstance(question, str) else question
    task = tasks.sampled(problem.task, temperature, max_tokens, step)
    problem = problem if task is problem.task else replace(problem, task=task)
    chosen, settings = _strategy(strategy or DEFAULT)
    limits = Budget.parse(budget) if isinstance(budget, str) else budget or Budget()
    record = record or Trace(seed, listener)
    async with verifiers.opened(verifier, problem.task) as judge, opened(model or problem.task.model) as engine:
        record.record(
            "started", problem=problem.id, question=problem.question, model=engine.name, strategy=chosen.name,
            parameters=settings | parameters, verifier=judge.name if judge else None, budget=msgspec.to_builtins(limits),
        )  # fmt: skip
        began = time.monotonic()
        with budgets.spending(limits), trace.tracing(record), stores.keeping(store), trace.speaking(chosen.certain):
            answer = await _anytime(
                chosen(_seen(problem, "nothing"), engine, _bind(judge, problem), **settings | parameters), record
            )
    oracle = judge is not None and judge.reads != "nothing" and any(one.kind in ("scored", "compared") for one in record.events)
    record.record("answered", answer=answer.answer, text=answer.text, stopped=answer.stopped, oracle=oracle)
    return replace(
        answer,
        strategy=chosen.name,
        model=engine.name,
        usage=trace.usage(record.events),
        cost=trace.cost(record.events, time.monotonic() - began),
        oracle=oracle,
        trace=record,
    )


def solve_sync(question: str | Problem, **settings: Any) -> Answer:
    """`solve` for code that is not async; takes the same arguments. Raises `InputError` inside a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(solve(question, **settings))
    raise InputError("solve_sync() cannot run inside an event loop; write `await ponder.solve(...)` there")


async def stream(question: str | Problem, **settings: Any) -> AsyncIterator[Event]:
    """The events of a `solve` as they happen; the last, `answered`, holds the answer. Closing the stream cancels the solve."""
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    solving = asyncio.ensure_future(solve(question, listener=events.put_nowait, **settings))
    solving.add_done_callback(lambda _: events.put_nowait(None))
    try:
        while (event := await events.get()) is not None:
            yield event
        await solving
    finally:
        solving.cancel()
        await asyncio.gather(solving, return_exceptions=True)


def _strategy(strategy: str | Strategy) -> tuple[Strategy, dict[str, Any]]:
    return parse(strategy) if isinstance(strategy, str) else (strategy, {})


def _seen(problem: Problem, reads: Reads) -> Problem:
    """The problem as far as `reads` allows: a strategy, which reads nothing, sees neither the reference nor hidden tests."""
    if problem.reference is None and "tests" not in problem.data:
        return problem
    shown = problem.data if reads != "nothing" else {name: value for name, value in problem.data.items() if name != "tests"}
    return replace(problem, reference=problem.reference if reads == "reference" else None, data=shown)


@dataclass(frozen=True, slots=True)
class _Bound:
    """A verifier that judges samples of one problem, whose reference the strategy does not see."""

    verifier: Verifier
    seen: Problem
    name: str
    reads: Reads
    logprobs: bool
    evidence: Evidence

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:  # noqa: ARG002 - it is bound to its own
        return await self.verifier(self.seen, samples)

    async def compare(self, problem: Problem, first: Sample, second: Sample, votes: int = 1) -> float | None:  # noqa: ARG002
        return await pairwise.compare(self.verifier, self.seen, first, second, votes)


def _bind(verifier: Verifier | None, problem: Problem) -> Verifier | None:
    """The verifier with the problem that it may see."""
    if verifier is None:
        return None
    seen = _seen(problem, verifier.reads)
    return _Bound(verifier, seen, verifier.name, verifier.reads, getattr(verifier, "logprobs", False), evidence(verifier))


async def _anytime(answering: Any, record: Trace) -> Answer:
    """The strategy's answer, or at the budget's limit the one that led."""
    try:
        answer: Answer = await answering
    except BudgetExhausted:
        if record.leading is None:
            raise
        return replace(record.leading, stopped="budget")
    return answer
