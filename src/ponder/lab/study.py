"""Every strategy that may be chosen, on every problem of a split, at every budget.

Strategies that choose among independent samples are replayed from a bank (`lab.replay`), so that a whole grid of them costs no
tokens; all others are run, and race (`lab.race`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import inf
from typing import Any

import numpy as np

from ponder.budget import Budget
from ponder.errors import InputError
from ponder.lab.attempt import attempt
from ponder.lab.bank import Bank, draw_bank
from ponder.lab.race import race
from ponder.lab.replay import Outcome, Replay, replayed, shuffled
from ponder.lab.statistics import Floats
from ponder.models.sample import most
from ponder.store import current
from ponder.strategies import Strategy, parse
from ponder.strategies.draw import ask
from ponder.types import Model, Problem, Sample, Verifier

NS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
CONFIDENCES = (0.75, 0.8, 0.9, 0.95, 0.99, 0.999)
WINDOWS = (2, 3, 4, 5, 8)


@dataclass(frozen=True, slots=True)
class Entry:
    """A strategy with its parameters, and how it did by problem, order and budget.

    `model` is None for the first model, `temperature` for the task's own.
    """

    strategy: Strategy
    parameters: Mapping[str, Any]
    model: str | None
    temperature: float | None
    outcome: Outcome

    @property
    def fixed(self) -> bool:
        """Whether it draws what it is told to, whatever it sees."""
        return self.strategy.select is not None and self.strategy.rule is None

    @property
    def foreign(self) -> bool:
        """Whether it draws from another law than the probe, whose samples are then none of its own."""
        return self.model is not None or self.temperature is not None

    def shown(self) -> dict[str, Any]:
        named = {"strategy": self.strategy.name, "parameters": dict(self.parameters)}
        return named | {name: of for name in ("model", "temperature") if (of := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Study:
    """All entries on the problems of one split; `right` and `tokens` are (entries, problems, orders, budgets).

    The last budget is infinite. `bank` and `replay` are the first model's at the task's temperature, whose samples are the probe.
    """

    bank: Bank
    replay: Replay
    entries: tuple[Entry, ...]
    budgets: tuple[float, ...]
    right: Floats
    tokens: Floats


def grid(n: int, scored: bool) -> list[str]:
    """The strategies that are tried by default, of at most `n` samples: fixed numbers of them, and early stops.

    Where all do the same, as under a budget for one sample, the last is taken: hence the order.
    """
    sizes = [size for size in NS if 1 < size <= n]
    specs = [f"early-stopping-consistency(n={n // size * size},window={size})" for size in WINDOWS if 2 * size <= n]
    specs += [f"self-consistency(n={size})" for size in sizes]
    specs += [f"adaptive-consistency(n={size},confidence={sure})" for sure in CONFIDENCES for size in sizes if size > 2]
    if scored:
        specs += [f"{name}(n={size})" for name in ("best-of-n", "weighted-vote", "first-wins") for size in sizes]
    return [*specs, "direct"]


def ladder(bank: Bank, worst: float) -> tuple[int, ...]:
    """Budgets that admit 1, 2, 4, … samples of nearly every problem of this bank, rounded up to two digits."""
    n = bank.correct.shape[1]
    each = np.quantile([np.mean([one.sample.usage.computed for one in row]) for row in bank.candidates], 0.95)
    wanted = [worst + (size - 1) * each for size in NS if size <= n and size & (size - 1) == 0]
    return tuple(sorted({_rounded(each) for each in wanted}))


def _rounded(value: float) -> int:
    unit = 10 ** max(0, len(str(int(value))) - 2)
    return int(-(-value // unit) * unit)


async def study(
    problems: Sequence[Problem],
    models: Sequence[Model],
    specs: Sequence[str],
    samples: int,
    budgets: Sequence[float],
    *,
    temperatures: Sequence[float] = (),
    verifier: Verifier | None,
    seed: int,
    drawn: Callable[[Sample], None],
) -> Study:
    """Draw a bank of each model at each temperature, and replay, or run, all strategies from it.

    The task's own temperature is always among them, and after all `budgets` comes none; without any, those of the first bank's
    `ladder`. Strategies that are run, and fall behind in the race, are left out. Raises `InputError` for settings that cannot be
    measured.
    """
    entries, banks = list[Entry](), list[tuple[Bank, Replay]]()
    known = [parse(spec) for spec in specs]
    for (number, model), heat in product(enumerate(models), (None, *temperatures)):
        asked = [_at(problem, heat) for problem in problems]
        bank = await draw_bank(asked, model, samples, seed=seed, verifier=verifier, drawn=drawn)
        worst = [most(model, ask(problem)).tokens for problem in asked]
        budgets = budgets or (*ladder(bank, max(worst)), inf)
        replay = shuffled(bank, worst, seed=seed)
        banks.append((bank, replay))
        name = model.name if number else None
        entries += [
            Entry(one, given, name, heat, replayed(replay, one, given, budgets))
            for one, given in known
            if one.select and not given.get("sampler")
        ]
        others = [(one, given) for one, given in known if not one.select or given.get("sampler")]
        ran = await _run(others, asked, model, budgets, verifier, seed)
        entries += [Entry(one, given, name, heat, outcome) for one, given, outcome in ran]
    if not entries:
        raise InputError("there is no strategy to choose from; name some with --strategies")
    orders = banks[0][1].classes.shape[1]
    right, tokens = (
        np.stack([_spread(part, orders) for part in parts])
        for parts in zip(*((e.outcome.right, e.outcome.tokens) for e in entries), strict=True)
    )
    return Study(*banks[0], tuple(entries), tuple(budgets), right, tokens)


def _at(problem: Problem, temperature: float | None) -> Problem:
    return problem if temperature is None else replace(problem, task=replace(problem.task, temperature=temperature))


def _spread(values: Floats, orders: int) -> Floats:
    """What was run once counts for every order."""
    return np.broadcast_to(values, (values.shape[0], orders, values.shape[2]))


async def _run(
    strategies: Sequence[tuple[Strategy, Mapping[str, Any]]],
    problems: Sequence[Problem],
    model: Model,
    budgets: Sequence[float],
    verifier: Verifier | None,
    seed: int,
) -> list[tuple[Strategy, Mapping[str, Any], Outcome]]:
    """Strategies that cannot be replayed: the finalists of a race by their accuracy over all budgets."""
    width = asyncio.Semaphore(model.concurrency)

    async def once(number: int, place: int) -> Floats:
        """(budgets, 2): what the answer is worth, and its computed tokens."""
        (one, given), settings = strategies[number], {"model": model, "verifier": verifier, "seed": seed, "store": current()}
        rows = []
        for budget in budgets:
            async with width:
                limits = Budget(tokens=None if budget == inf else int(budget))
                made = await attempt(problems[place], strategy=one, budget=limits, **settings, **given)
            rows.append((made.right, float(made.tokens)))
        return np.array(rows)

    finalists = await race(len(strategies), len(problems), once)
    return [(*strategies[number], Outcome(*np.moveaxis(rows[:, None], -1, 0))) for number, rows in finalists.items()]
