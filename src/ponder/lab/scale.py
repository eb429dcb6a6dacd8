"""How accuracy grows with compute: draw once into the bank, evaluate every strategy at every N from it (`lab.curve`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ponder import store as stores
from ponder.errors import InputError
from ponder.lab import laws
from ponder.lab.bank import Bank, draw_bank
from ponder.lab.comparison import ranked
from ponder.lab.curve import Curve, expected, measured
from ponder.lab.intervals import interval
from ponder.lab.pareto import frontier
from ponder.lab.spend import AXES, PARTS
from ponder.lab.statistics import Floats
from ponder.lab.strata import strata
from ponder.store import Store
from ponder.strategies import Strategy, parse
from ponder.types import Model, Problem, Sample, Task, Verifier

VERSION = 1


async def scale(
    task: Task,
    model: Model,
    strategies: Sequence[str],
    budgets: Sequence[int],
    *,
    also: Sequence[Model] = (),
    problems: int | None = None,
    split: str | None = None,
    seed: int = 0,
    verifier: Verifier | None = None,
    store: Store | None = None,
    drawn: Callable[[Sample], None] = lambda _: None,
) -> dict[str, Any]:
    """Accuracy of `strategies` at every number of samples in `budgets`, as the JSON object that `ponder scale --json` prints.

    `also`: other models, on the same problems. `verifier` selects for the strategies that need one; without it, the task's own
    where that reads no reference. With a `store`, an interrupted run resumes for nothing. Raises `InputError` for settings that
    cannot be measured.
    """
    ns = _sizes(budgets)
    judge = verifier or task.chooser
    chosen = _strategies(strategies, task, judge)
    split = split or task.splits[0]
    asked = _problems(task, split, problems)
    seen, banks, curves, names = list[Sample](), list[Bank](), list[Curve](), _names([model, *also])

    def hear(sample: Sample) -> None:
        seen.append(sample)
        drawn(sample)

    with stores.keeping(store):
        for name, one in zip(names, (model, *also), strict=True):
            bank = await draw_bank(asked, one, ns[-1], seed=seed, verifier=judge, drawn=hear)
            banks.append(bank)
            for strategy, given in chosen:
                if strategy.select and not strategy.rule and not given.get("sampler"):
                    curve = expected(strategy, given, one, bank, ns)
                else:
                    curve = await measured(strategy, given, one, bank, ns, verifier=judge, seed=seed, store=store)
                curves.append(replace(curve, model=name))
    return {
        "version": VERSION,
        "task": task.name,
        "model": ", ".join(names),
        "problems": len(asked),
        "settings": {"split": split, "seed": seed} | _settings(task, judge, seen),
        "curves": [_shown(curve, several=len(names) > 1) for curve in curves],
        "fits": _fits(curves),
        "ranking": _ranking(curves),
        "frontier": _frontier(curves),
        "difficulty": strata(banks[0], [curve.selected[:, -1] for curve in curves], seed),
        "grid": [_grid(name, bank) for name, bank in zip(names, banks, strict=True)],
        "latency": _latencies(names, banks, curves),
    }


def _names(models: Sequence[Model]) -> list[str]:
    """The models' names, numbered where several have the same."""
    names = [one.name for one in models]
    return [f"{name} #{names[:at].count(name) + 1}" if names.count(name) > 1 else name for at, name in enumerate(names)]


def _settings(task: Task, judge: Verifier | None, seen: Sequence[Sample]) -> dict[str, Any]:
    return {
        "temperature": task.temperature,
        "top_p": task.top_p,
        "max_tokens": task.max_tokens,
        "verifier": judge.name if judge else None,
        "verifier_reads": judge.reads if judge else None,
        "samples": {"drawn": sum(not one.replayed for one in seen), "replayed": sum(one.replayed for one in seen)},
        "failed": sum(one.error is not None for one in seen),
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


def _shown(curve: Curve, several: bool) -> dict[str, Any]:
    low, high = interval(curve.selected)
    means: dict[str, Sequence[float | None]] = {
        axis: _means(curve.costs[axis]) if axis in curve.costs else [None] * len(curve.ns) for axis in AXES
    }
    selected, oracle = _means(curve.selected), _means(curve.oracle)
    points: list[dict[str, Any]] = [
        {"n": n, **{axis: mean[at] for axis, mean in means.items()}}
        | {
            "selected": selected[at],
            "oracle": oracle[at],
            "mean": curve.mean,
            "interval": None if np.isnan(low[at]) else [float(low[at]), float(high[at])],
        }
        for at, n in enumerate(curve.ns)
    ]
    shown = {"strategy": curve.strategy, "parameters": dict(curve.parameters), "points": points}
    spend = {part: curve.spend[part] for part in PARTS}
    return shown | ({"model": curve.model} if several else {}) | {"spend": spend, "examples": list(curve.examples)}


def _means(rows: Floats) -> list[float]:
    """Over problems, to 12 digits: what is equal stays equal, in whatever order it was summed."""
    return [float(f"{value:.12g}") for value in rows.mean(axis=0)]


def _frontier(curves: Sequence[Curve]) -> dict[str, Any]:
    """By axis of cost, for the axes that somebody knows; `curve` numbers the curves from 0."""
    measured = [(curve.ns, curve.selected, curve.costs) for curve in curves]
    found = {axis: frontier(measured, axis) for axis in AXES}
    return {axis: one for axis, one in found.items() if one}


def _grid(model: str, bank: Bank) -> dict[str, Any]:
    """Every sample of every problem: 1 right, 0 wrong, - no answer; the oracle's difficulty is 1 - the share that is right."""
    rows = []
    for problem, drawn, correct in zip(bank.problems, bank.candidates, bank.correct, strict=True):
        marks = ("1" if grade >= 0.5 else "-" if one.answer is None else "0" for one, grade in zip(drawn, correct, strict=True))
        rows.append({"problem": problem.id, "outcomes": "".join(marks)})
    return {"model": model, "rows": rows}


def _latencies(names: Sequence[str], banks: Sequence[Bank], curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """How long single draws took, and whole solves at the largest size: 101 quantiles each, in seconds."""
    found = [("one draw", name, [one.seconds for one in bank.samples]) for name, bank in zip(names, banks, strict=True)]
    found += [(curve.strategy, curve.model, list(curve.seconds)) for curve in curves]
    return [
        {"what": what, "model": name, "count": len(seconds), "quantiles": np.quantile(seconds, np.linspace(0, 1, 101)).tolist()}
        for what, name, seconds in found
        if seconds
    ]


def _ranking(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """The curves from best to worst at the most samples that they have, by number, with p-values corrected for their being many."""
    places = ranked([str(number) for number in range(len(curves))], [curve.selected[:, -1] for curve in curves])
    rows = [asdict(place) for place in places]
    numbers = [int(row.pop("name")) for row in rows]
    return [{"curve": number, "n": curves[number].ns[-1]} | row for number, row in zip(numbers, rows, strict=True)]


def _fits(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Laws for the oracle of each model's longest curve and for what each strategy selected, or the reason why there is none."""
    models, rows = list(dict.fromkeys(curve.model for curve in curves)), list[dict[str, Any]]()
    for model in models:
        own = [(number, curve) for number, curve in enumerate(curves) if curve.model == model]
        longest, named = (
            max((curve for _, curve in own), key=lambda curve: len(curve.ns)),
            {"model": model} if len(models) > 1 else {},
        )
        rows += [row | named for row in laws.table("any", "oracle", longest.ns, longest.oracle, laws.COVERAGE)]
        for number, curve in own:
            if len(curve.ns) > 1:
                made = laws.table(curve.strategy, "selected", curve.ns, curve.selected, laws.SELECTED)
                rows += [row | named | {"curve": number} for row in made]
    return rows
