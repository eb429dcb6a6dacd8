"""Many samples of many problems, drawn once into the store and graded: what every curve is computed from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ponder import trace
from ponder.answers import numbered
from ponder.errors import InputError, ModelError
from ponder.lab.spend import Costs, columns, parts, spent
from ponder.lab.statistics import Floats, Ints
from ponder.models.sample import draws, together
from ponder.strategies.draw import ask
from ponder.trace import Event, Trace
from ponder.types import Candidate, Model, Problem, Request, Sample, Score, Verifier


@dataclass(frozen=True, slots=True)
class Bank:
    """`n` candidates of each problem in the order of their indices. Failed draws stay in, as wrong and without an answer.

    Matrices are (problems, n): `correct` is the grade in [0, 1], `classes` numbers equal answers (-1: none), `scores` is the
    selecting verifier's (NaN: not scored). `judging` is what the verifier's own model computed a sample, in tokens. By axis and
    problem, `costs` is what a sample has cost on average, and `judged` what it has cost to judge it; `parts` are the tokens of a
    problem's whole row by who they went to.
    """

    problems: list[Problem]
    candidates: list[list[Candidate]]
    correct: Floats
    classes: Ints
    scores: Floats
    judging: float = 0.0
    costs: Costs = field(default_factory=dict)
    judged: Costs = field(default_factory=dict)
    parts: Sequence[dict[str, float]] = ()

    @property
    def samples(self) -> list[Sample]:
        return [candidate.sample for row in self.candidates for candidate in row]

    @property
    def tokens(self) -> float:
        """Computed tokens a sample, on average."""
        return float(np.mean([sample.usage.computed for sample in self.samples]))

    @property
    def seconds(self) -> float:
        """Seconds of the model's busy time a sample, on average: what a sample costs in a full engine."""
        return float(np.mean([sample.share for sample in self.samples]))


async def draw_bank(
    problems: Sequence[Problem],
    model: Model,
    n: int,
    *,
    seed: int = 0,
    verifier: Verifier | None = None,
    drawn: Callable[[Sample], None] = lambda _: None,
) -> Bank:
    """Draw and grade `n` samples of each problem, many problems at once so that the engine stays full; `drawn` hears of each.

    What the ambient store holds is replayed. `verifier` gives the scores that selection uses. Raises `InputError` where a task has
    nothing to grade with, `ModelError` when every draw failed.
    """
    width = asyncio.Semaphore(2 + 4 * model.concurrency // n)

    traces = [Trace(seed) for _ in problems]

    async def row(problem: Problem, record: Trace) -> tuple[list[Sample], list[Score], list[Score]]:
        async with width:
            with trace.tracing(record):
                samples = await _drawn(model, ask(problem, verifier=verifier), n, drawn)
                grades = await _graded(problem, samples)
                if verifier is problem.task.verifier:
                    return samples, grades, grades
                return samples, grades, await verifier(problem, samples) if verifier else []

    rows = await together(row(*pair) for pair in zip(problems, traces, strict=True))
    return replace(_bank(problems, model, n, rows), **_bill(traces, n))


def _bill(traces: Sequence[Trace], n: int) -> dict[str, Any]:
    """What drawing and judging have cost, now or when the store kept them, by problem."""
    ours, others = ([_cost(record, n, policy) for record in traces] for policy in (True, False))
    judging = sum(cost["tokens"] or 0 for cost in others) / len(traces)
    return {"judging": judging, "costs": columns(ours), "judged": columns(others), "parts": [parts(one.events) for one in traces]}


def _cost(record: Trace, n: int, policy: bool) -> dict[str, float | None]:
    """A sample's cost by axis: of its draw by the policy, or of what others have drawn to judge it."""
    events = [one for one in record.events if one.kind == "drawn" and (_origin(one) == "policy") == policy]
    return {axis: None if amount is None else amount / n for axis, amount in spent(events).items()}


def _origin(event: Event) -> str:
    return str(event.data.get("origin", event.data["role"]))


async def _drawn(model: Model, request: Request, n: int, drawn: Callable[[Sample], None]) -> list[Sample]:
    samples: list[Sample] = []
    async with aclosing(draws(model, request, range(n))) as stream:
        async for sample in stream:
            samples.append(sample)
            drawn(sample)
    return sorted(samples, key=lambda sample: sample.index)


async def _graded(problem: Problem, samples: list[Sample]) -> list[Score]:
    if problem.task.verifier is None:
        raise InputError(f"the task `{problem.task.name}` cannot grade its answers, so there is no accuracy to measure")
    return await problem.task.verifier(problem, samples)


def _bank(problems: Sequence[Problem], model: Model, n: int, rows: list[tuple[list[Sample], list[Score], list[Score]]]) -> Bank:
    candidates = [_candidates(problem, samples, scores) for problem, (samples, _, scores) in zip(problems, rows, strict=True)]
    if all(candidate.sample.error for row in candidates for candidate in row):
        raise ModelError(f"all draws from `{model.name}` failed; the first because: {candidates[0][0].sample.error}")
    correct = np.array([[grade.value or 0.0 for grade in grades] for _, grades, _ in rows]).reshape(len(problems), n)
    scores = np.array([[np.nan if one.value is None else one.value for one in row] for row in candidates])
    return Bank(
        list(problems),
        candidates,
        correct,
        np.array([numbered(row, p.task.canonical) for row, p in zip(candidates, problems, strict=True)]),
        scores,
    )


def _candidates(problem: Problem, samples: list[Sample], scores: list[Score]) -> list[Candidate]:
    answers = [None if one.error else problem.task.extract(problem, one.prefix + one.text) for one in samples]
    judged: Sequence[Score | None] = scores or [None] * len(samples)
    return [Candidate(sample, answer, score) for sample, answer, score in zip(samples, answers, judged, strict=True)]
