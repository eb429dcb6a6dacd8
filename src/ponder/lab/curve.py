"""One strategy's accuracy and cost at every size: in expectation over a bank, or run for real.

Strategies that choose among independent samples by a pure function are evaluated over all N-subsets of the bank: exactly where a
closed form or an enumeration exists, else over seeded random subsets. Any other strategy, and one that may end early, is run,
problem by problem, at each N (its `Strategy.size`: samples, beams or simulations).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ponder import answers
from ponder.errors import ModelError, VerifierError
from ponder.lab import forest
from ponder.lab.bank import Bank
from ponder.lab.spend import Costs, averaged, columns, parts, spent
from ponder.lab.statistics import Floats, best_of_k, majority_at_k, pass_at_k
from ponder.models.sample import together
from ponder.solve import solve
from ponder.store import Store
from ponder.strategies import Select, Strategy
from ponder.strategies.direct import first
from ponder.strategies.parallel import best
from ponder.trace import Event
from ponder.types import Candidate, Model, Problem, Sample, Verifier

_SUBSETS = 200  # random subsets a problem for a selection rule that has no closed form here


@dataclass(frozen=True, slots=True)
class Curve:
    """One strategy with one model at each of `ns`: `selected`, `oracle` and each of `costs` are (problems, ns).

    `mean` is the accuracy of one sample of the model. At the largest size, `spend` is computed tokens a problem by who they went
    to, `seconds` are the latencies of whole solves (none for a strategy that was not run, or whose draws were replayed), and
    `examples` are searches to look at.
    """

    strategy: str
    parameters: Mapping[str, Any]
    model: str
    ns: Sequence[int]
    selected: Floats
    oracle: Floats
    mean: float
    costs: Costs
    spend: Mapping[str, float]
    examples: Sequence[Mapping[str, Any]] = ()
    seconds: Sequence[float] = ()


def swept(strategy: Strategy, ns: Sequence[int]) -> list[int]:
    """The sizes to measure at; a strategy without one draws a single sample."""
    return list(ns) if strategy.size else [1]


def expected(strategy: Strategy, parameters: Mapping[str, Any], model: Model, bank: Bank, ns: Sequence[int]) -> Curve:
    """A strategy that selects among independent samples, in expectation over the bank."""
    assert strategy.select is not None
    ns, judged = swept(strategy, ns), "verifier" in strategy.needs
    right = selected(strategy.select, bank, ns)
    passed = pass_at_k(np.full(len(bank.problems), bank.correct.shape[1]), np.round((bank.correct >= 0.5).sum(axis=1)), ns)
    both = {axis: bank.costs[axis] + bank.judged[axis] for axis in bank.costs if axis in bank.judged} if judged else bank.costs
    costs = {axis: each[:, None] * np.asarray(ns) for axis, each in both.items()}
    spend = averaged(bank.parts, ns[-1] / bank.correct.shape[1])
    if not judged:
        spend |= {"verifier": 0.0, "judge": 0.0, "other": 0.0}
    mean, examples = float(bank.correct.mean()), _examples(strategy.select, bank, ns[-1])
    return Curve(strategy.name, parameters, model.name, ns, right, passed, mean, costs, spend, examples)


def selected(select: Select, bank: Bank, ns: Sequence[int]) -> Floats:
    """Expected correctness of the selected sample of an N-subset: (problems, ns)."""
    if select is first:
        return np.repeat(bank.correct.mean(axis=1, keepdims=True), len(ns), axis=1)
    if select is best:
        return best_of_k(bank.scores, bank.correct, ns)
    if select in (answers.majority, answers.weighted):
        return majority_at_k(bank.classes, bank.correct, ns, bank.scores if select is answers.weighted else None)[0]
    return np.array([[by_subsets(select, bank, row, n) for n in ns] for row in range(len(bank.problems))])


def by_subsets(select: Select, bank: Bank, row: int, n: int) -> float:
    """Any other selection rule: the rule itself, on random subsets in random order, since ties go to the earliest."""
    generator = np.random.default_rng(row)
    canonical = functools.cache(bank.problems[row].task.canonical)
    won = []
    for _ in range(_SUBSETS):
        subset = generator.choice(bank.correct.shape[1], n, replace=False)
        drawn = [bank.candidates[row][index] for index in subset]
        renumbered = [replace(one, sample=replace(one.sample, index=place)) for place, one in enumerate(drawn)]
        chosen = select(renumbered, canonical)
        won.append(0.0 if chosen is None else bank.correct[row, subset[chosen.sample.index]])
    return float(np.mean(won))


def _examples(select: Select, bank: Bank, n: int) -> list[dict[str, Any]]:
    """What the rule does with the first `n` samples of two telling problems."""
    places = []
    for problem, drawn in zip(bank.problems, bank.candidates, strict=True):
        chosen: Candidate | None = select(drawn[:n], functools.cache(problem.task.canonical))
        places.append(-1 if chosen is None else [one.sample.index for one in drawn].index(chosen.sample.index))
    right = [0.0 if place < 0 else row[place] for place, row in zip(places, bank.correct, strict=True)]
    return [
        forest.flat(bank.problems[row], bank.candidates[row][:n], bank.correct[row, :n].tolist(), places[row])
        for row in forest.telling(right, bank.correct.mean(axis=1))
    ]


async def measured(
    strategy: Strategy,
    parameters: Mapping[str, Any],
    model: Model,
    bank: Bank,
    ns: Sequence[int],
    *,
    verifier: Verifier | None,
    seed: int,
    store: Store | None,
) -> Curve:
    """A strategy that has to be run: each problem, at each size where it has one."""
    ns = swept(strategy, ns)
    width = asyncio.Semaphore(model.concurrency)

    async def run(problem: Problem, n: int) -> _Run:
        settings = dict(parameters) | ({strategy.size: n} if strategy.size else {})
        heard: list[Event] = []
        given: dict[str, Any] = {"model": model, "strategy": strategy, "verifier": verifier, "seed": seed, "store": store}
        async with width:
            try:
                answer = await solve(problem, listener=heard.append, **given, **settings)
            except (ModelError, VerifierError):  # the trace says why; no answer is a wrong one
                return _Run(heard)
        assert problem.task.verifier is not None
        grades = await problem.task.verifier(problem, [Sample(answer.text), *(one.sample for one in answer.candidates)])
        seconds = None if "replayed" in answer.usage else answer.cost.seconds
        return _Run(heard, grades[0].value or 0.0, max(grade.value or 0.0 for grade in grades), seconds)

    done = await together(run(problem, n) for problem in bank.problems for n in ns)
    runs = [done[at : at + len(ns)] for at in range(0, len(done), len(ns))]
    right, any_right = (np.array([[getattr(one, name) for one in row] for row in runs]) for name in ("right", "any_right"))
    by_size = [columns([spent(row[at].events) for row in runs]) for at in range(len(ns))]
    costs = {axis: np.stack([one[axis] for one in by_size], axis=1) for axis in by_size[0] if all(axis in one for one in by_size)}
    last = [row[-1] for row in runs]
    rows = forest.telling(right[:, -1], bank.correct.mean(axis=1))
    return Curve(
        strategy.name, parameters, model.name, ns, right, any_right, float(bank.correct.mean()), costs,
        averaged([parts(one.events) for one in last]),
        [forest.grown(last[row].events, bank.problems[row].reference, last[row].right >= 0.5) for row in rows],
        [one.seconds for one in last if one.seconds is not None],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    """One solve: its events, the grade of its answer and of the best of its candidates, and its latency (None: not measured)."""

    events: Sequence[Event]
    right: float = 0.0
    any_right: float = 0.0
    seconds: float | None = None
