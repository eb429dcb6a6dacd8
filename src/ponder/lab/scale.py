"""How accuracy grows with compute: draw once into the bank, evaluate every strategy at every N from it.

Strategies that choose among independent samples by a pure function are evaluated in expectation over all N-subsets of the bank:
exact where a closed form or an enumeration exists, else over seeded random subsets. Any other strategy, and one that may end early,
is run for real, problem by problem, at each N (its `Strategy.size`: samples, beams or simulations).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ponder import answers
from ponder import store as stores
from ponder.errors import InputError
from ponder.lab.bank import Bank, draw_bank
from ponder.lab.laws import fit
from ponder.lab.statistics import Floats, best_of_k, interval, majority_at_k, pass_at_k
from ponder.solve import solve
from ponder.store import Store
from ponder.strategies import Select, Strategy, parse
from ponder.strategies.direct import first
from ponder.strategies.parallel import best
from ponder.types import Model, Problem, Sample, Task, Usage, Verifier

VERSION = 1
_SUBSETS = 200  # random subsets a problem for a selection rule that has no closed form here


@dataclass(frozen=True, slots=True)
class Curve:
    """One strategy's accuracy at each of `ns`, by problem: (problems, ns), with tokens and seconds a problem."""

    strategy: str
    parameters: Mapping[str, Any]
    ns: Sequence[int]
    selected: Floats
    oracle: Floats
    mean: float
    tokens: Sequence[float]
    seconds: Sequence[float]


async def scale(
    task: Task,
    model: Model,
    strategies: Sequence[str],
    budgets: Sequence[int],
    *,
    problems: int | None = None,
    split: str | None = None,
    seed: int = 0,
    verifier: Verifier | None = None,
    store: Store | None = None,
    drawn: Callable[[Sample], None] = lambda _: None,
) -> dict[str, Any]:
    """Accuracy of `strategies` at every number of samples in `budgets`, as the JSON object that `ponder scale --json` prints.

    `verifier` selects for the strategies that need one; without it, the task's own where that reads no reference. With a `store`,
    an interrupted run resumes for nothing. Raises `InputError` for settings that cannot be measured.
    """
    ns = _sizes(budgets)
    judge = verifier or task.chooser
    chosen = _strategies(strategies, task, judge)
    split = split or task.splits[0]
    asked = _problems(task, split, problems)
    seen: list[Sample] = []

    def hear(sample: Sample) -> None:
        seen.append(sample)
        drawn(sample)

    with stores.keeping(store):
        bank = await draw_bank(asked, model, ns[-1], seed=seed, verifier=judge, drawn=hear)
        curves = [
            _expected(one, parameters, bank, ns)
            if one.select and not one.rule and not parameters.get("sampler")
            else await _measured(one, parameters, bank, ns, model, judge, seed, store)
            for one, parameters in chosen
        ]
    settings = {
        "split": split,
        "seed": seed,
        "temperature": task.temperature,
        "max_tokens": task.max_tokens,
        "verifier": judge.name if judge else None,
        "verifier_reads": judge.reads if judge else None,
        "samples": {"drawn": sum(not one.replayed for one in seen), "replayed": sum(one.replayed for one in seen)},
        "failed": sum(one.error is not None for one in seen),
    }
    return {
        "version": VERSION,
        "task": task.name,
        "model": model.name,
        "problems": len(asked),
        "settings": settings,
        "curves": [_shown(curve) for curve in curves],
        "fits": _fits(curves),
    }


def _sizes(budgets: Sequence[int]) -> list[int]:
    ns = sorted(set(budgets))
    if not ns or ns[0] < 1:
        raise InputError(f"cannot measure at {list(budgets)} samples: give numbers of samples from 1 up, such as 1,2,4,8,16")
    return ns


def _strategies(specs: Sequence[str], task: Task, verifier: Verifier | None) -> list[tuple[Strategy, dict[str, Any]]]:
    chosen = [parse(spec) for spec in specs]
    for one, _ in chosen:
        if "verifier" in one.needs and verifier is None:
            raise InputError(f"`{one.name}` needs a verifier on `{task.name}`; name one with --verifier")
    return chosen


def _problems(task: Task, split: str, limit: int | None) -> list[Problem]:
    if split not in task.splits:
        raise InputError(f"`{task.name}` has no split `{split}`; it has {', '.join(task.splits)}")
    asked = task.load(split, limit)
    if not asked:
        raise InputError(f"the split `{split}` of `{task.name}` gave no problems for a limit of {limit}; raise --problems")
    return asked


def _swept(strategy: Strategy, ns: Sequence[int]) -> list[int]:
    """The sizes to measure at; a strategy without one draws a single sample."""
    return list(ns) if strategy.size else [1]


def _expected(strategy: Strategy, parameters: Mapping[str, Any], bank: Bank, ns: Sequence[int]) -> Curve:
    """A parallel strategy, in expectation over the bank; one without `n` draws a single sample."""
    assert strategy.select is not None
    ns = _swept(strategy, ns)
    selected = _selected(strategy.select, bank, ns)
    passed = pass_at_k(np.full(len(bank.problems), bank.correct.shape[1]), np.round((bank.correct >= 0.5).sum(axis=1)), ns)
    each = bank.tokens + (bank.judging if "verifier" in strategy.needs else 0)
    tokens, seconds = [n * each for n in ns], [n * bank.seconds for n in ns]
    return Curve(strategy.name, parameters, ns, selected, passed, float(bank.correct.mean()), tokens, seconds)


def _selected(select: Select, bank: Bank, ns: Sequence[int]) -> Floats:
    """Expected correctness of the selected sample of an N-subset: (problems, ns)."""
    if select is first:
        return np.repeat(bank.correct.mean(axis=1, keepdims=True), len(ns), axis=1)
    if select is best:
        return best_of_k(bank.scores, bank.correct, ns)
    if select in (answers.majority, answers.weighted):
        return majority_at_k(bank.classes, bank.correct, ns, bank.scores if select is answers.weighted else None)[0]
    return np.array([[_simulated(select, bank, row, n) for n in ns] for row in range(len(bank.problems))])


def _simulated(select: Select, bank: Bank, row: int, n: int) -> float:
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


async def _measured(
    strategy: Strategy,
    parameters: Mapping[str, Any],
    bank: Bank,
    ns: Sequence[int],
    model: Model,
    verifier: Verifier | None,
    seed: int,
    store: Store | None,
) -> Curve:
    """A strategy that has to be run: each problem, at each size where it has one."""
    ns = _swept(strategy, ns)
    width = asyncio.Semaphore(model.concurrency)

    async def run(problem: Problem, n: int) -> tuple[float, float, float, float]:
        settings = dict(parameters) | ({strategy.size: n} if strategy.size else {})
        async with width:
            answer = await solve(problem, model=model, strategy=strategy, verifier=verifier, seed=seed, store=store, **settings)
        assert problem.task.verifier is not None
        grades = await problem.task.verifier(problem, [Sample(answer.text), *(one.sample for one in answer.candidates)])
        spent = sum(answer.usage.values(), Usage()).computed
        shares = sum(event.data["share"] for event in answer.trace.events if event.kind == "drawn")
        return grades[0].value or 0.0, max(grade.value or 0.0 for grade in grades), spent, shares

    async with asyncio.TaskGroup() as group:
        runs = [[group.create_task(run(problem, n)) for n in ns] for problem in bank.problems]
    values = np.array([[run.result() for run in row] for row in runs])
    tokens, seconds = values[:, :, 2].mean(axis=0).tolist(), values[:, :, 3].mean(axis=0).tolist()
    return Curve(strategy.name, parameters, ns, values[:, :, 0], values[:, :, 1], float(bank.correct.mean()), tokens, seconds)


def _shown(curve: Curve) -> dict[str, Any]:
    low, high = interval(curve.selected)
    points = [
        {
            "n": n,
            "tokens": curve.tokens[at],
            "seconds": curve.seconds[at],
            "selected": float(curve.selected[:, at].mean()),
            "oracle": float(curve.oracle[:, at].mean()),
            "mean": curve.mean,
            "interval": None if np.isnan(low[at]) else [float(low[at]), float(high[at])],
        }
        for at, n in enumerate(curve.ns)
    ]
    return {"strategy": curve.strategy, "parameters": dict(curve.parameters), "points": points}


def _fits(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Both laws for the oracle of the longest curve and for what each strategy selected, or the reason why there is none."""
    longest = max(curves, key=lambda curve: len(curve.ns))
    wanted = [("any", "oracle", longest.ns, longest.oracle)]
    wanted += [(curve.strategy, "selected", curve.ns, curve.selected) for curve in curves if len(curve.ns) > 1]
    laws = ("exponentiated-power", "log-linear")
    return [
        {"strategy": name, "quantity": quantity, **asdict(fit(ns, rows, law))}
        for name, quantity, ns, rows in wanted
        for law in laws
    ]
