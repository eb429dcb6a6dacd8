"""The compute-optimal choice for each difficulty and budget (Snell et al. 2024): found on a training split, proved on another.

bank -> study -> estimator -> bins -> choices -> proof on problems that no choice has seen
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np

from ponder import store as stores
from ponder.errors import InputError
from ponder.lab.intervals import interval, paired_interval
from ponder.lab.replay import admitted
from ponder.lab.statistics import Floats, Ints
from ponder.lab.study import Study, grid, study
from ponder.policy import calibration, difficulty
from ponder.policy.difficulty import Estimator
from ponder.policy.policy import EFFORTS, VERSION, Bin, Choice, Policy
from ponder.store import Store
from ponder.types import Model, Problem, Sample, Task, Verifier

Shown = tuple[difficulty.Kind | None, int]
SHOWN: tuple[Shown, ...] = ((None, 0), ("text", 0), ("probe", 1), ("probe", 2), ("probe", 4))
"""What may tell the difficulty: nothing, the text, or so many samples."""
BINS = 4
SLACK, SPARE = 0.0005, 0.2
"""Less accuracy than this is not worth more tokens, and fewer tokens than this part are not worth less accuracy."""
REACHED = dict(zip(EFFORTS, (0.0, 0.5, 0.8, 0.95, 1.0), strict=True))
"""What part of the gain from the cheapest choices to the most accurate ones an effort must reach."""
PRICES = np.geomspace(1.0, 1e-4, 100)
"""What one sample's tokens may be worth, in accuracy: from all of it, so that none but the first is drawn, to next to nothing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """An estimator (None: all problems are one bin), the difficulties between its bins, and the entries chosen: (bins, budgets).

    `priced` (bins, prices) are those that no budget limits: at each of `PRICES`, the same in all bins, so that tokens are spent
    where they bring most; and last the most accurate.
    """

    estimator: Estimator | None
    edges: Sequence[float]
    chosen: Ints
    priced: Ints


@dataclass(frozen=True, slots=True)
class Result:
    """What a rule is worth and spends on each problem, in the mean over orders: (problems, budgets)."""

    right: Floats
    tokens: Floats


async def tune(
    task: Task,
    models: Sequence[Model],
    strategies: Sequence[str] = (),
    budgets: Sequence[int] = (),
    *,
    temperatures: Sequence[float] = (),
    problems: int = 200,
    samples: int = 64,
    split: str | None = None,
    held_out: str | None = None,
    verifier: Verifier | None = None,
    seed: int = 0,
    store: Store | None = None,
    drawn: Callable[[Sample], None] = lambda _: None,
) -> Policy:
    """The policy for `task` with the first of `models`; the others may be chosen where they are better.

    `strategies` are tried beside the default grid, `temperatures` beside the task's own, each with a bank of its own; `budgets` are
    computed tokens a problem. The split to choose on is by default
    `validation`, and that to prove on the task's first; of a task with one split, every other problem is for each. `verifier`
    selects; by default the task's own, where that reads no reference. With a `store`, an interrupted run resumes for nothing.
    Raises `InputError` for settings that cannot be measured.
    """
    judge = verifier or task.chooser
    chosen_on, proved_on = split or ("validation" if "validation" in task.splits else task.splits[0]), held_out or task.splits[0]
    asked = _problems(task, chosen_on, proved_on, problems)
    specs = [*grid(samples, judge is not None), *strategies]
    with stores.keeping(store):
        measured = partial(study, temperatures=temperatures, verifier=judge, seed=seed, drawn=drawn)
        seen = await measured(asked[0], models, specs, samples, (*budgets, inf) if budgets else ())
        rule, compared = _best(seen, seed)
        unseen = await measured(asked[1], models, specs, samples, seen.budgets)
    made = {
        "split": chosen_on,
        "problems": len(asked[0]),
        "samples": samples,
        "seed": seed,
        "temperature": task.temperature,
        "top_p": task.top_p,
        "temperatures": list(temperatures),
        "max_tokens": task.max_tokens,
        "tried": len(seen.entries),
    }
    evidence = {
        "made": made,
        "estimators": compared,
        "held_out": _proof(proved_on, rule, seen, unseen),
        "runners_up": _runners_up(rule, seen),
    }
    name = judge.name if judge else None
    return Policy(VERSION, task.name, models[0].name, name, rule.estimator, _bins(rule, seen), _tokens(rule, seen), evidence)


def _problems(task: Task, split: str, held_out: str, limit: int) -> tuple[list[Problem], list[Problem]]:
    """So many to choose on and so many to prove on; of one split, every other problem."""
    for one in (split, held_out):
        if one not in task.splits:
            raise InputError(f"`{task.name}` has no split `{one}`; it has {', '.join(task.splits)}")
    if split == held_out:
        both = task.load(split, 2 * limit)
        parts = both[::2], both[1::2]
    else:
        parts = task.load(split, limit), task.load(held_out, limit)
    if min(map(len, parts)) < 2:
        raise InputError(f"`{task.name}` gave {len(parts[0])} and {len(parts[1])} problems to choose and to prove on; give it more")
    return parts


def _best(seen: Study, seed: int) -> tuple[Rule, list[dict[str, Any]]]:
    """The rule whose estimator does best on the half of the problems that it was not made on, made again on all of them.

    Better is a higher worth: accuracy less what its tokens cost, in the mean over all prices; below `SLACK` of difference, the one
    that needs less to be shown.
    """
    order = np.random.default_rng(seed).permutation(len(seen.bank.problems))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    compared = list[dict[str, Any]]()
    for kind, probe in SHOWN:
        halved = [_sold(_rule(seen, one, (kind, probe), seed), seen, other) for one, other in (halves, halves[::-1])]
        right, tokens = (
            np.concatenate(parts).mean(axis=0) for parts in zip(*((one.right, one.tokens) for one in halved), strict=True)
        )
        worth = float((right[:-1] - PRICES * tokens[:-1] / _sample(seen)).mean())
        compared.append(
            {"kind": kind, "probe": probe, "worth": worth, "accuracy": float(right.mean()), "tokens": float(tokens.mean())}
        )
    top = max(one["worth"] for one in compared)
    best = next(shown for shown, one in zip(SHOWN, compared, strict=True) if one["worth"] >= top - SLACK)
    return _rule(seen, order, best, seed), compared


def _sample(seen: Study) -> float:
    """The tokens of one sample: of the cheapest entry, without a budget."""
    return float(seen.tokens[..., -1].mean(axis=(1, 2)).min())


def _rule(seen: Study, rows: Ints, shown: Shown, seed: int) -> Rule:
    """The rule made on the problems `rows`: in each bin and at each budget the cheapest entry of the best."""
    estimator, edges, (kind, probe) = None, list[float](), shown
    if kind is not None:
        problems, candidates = [seen.bank.problems[row] for row in rows], [seen.bank.candidates[row] for row in rows]
        estimator = difficulty.fit(kind, problems, candidates, seen.bank.correct[rows], probe, seed=seed)
        edges = difficulty.bins(_difficulties(estimator, seen, rows).ravel().tolist(), BINS)
    binned = _binned(estimator, edges, seen, rows)
    right, tokens = seen.right[:, rows], seen.tokens[:, rows]
    chosen = _chosen(right, tokens, binned, len(edges) + 1)
    priced = _priced(right[..., -1], tokens[..., -1] / _sample(seen), binned[..., -1], len(edges) + 1)
    return Rule(estimator, edges, chosen, np.column_stack([priced, chosen[:, -1]]))


def _chosen(right: Floats, tokens: Floats, binned: Ints, bins: int) -> Ints:
    """The entry for each bin and budget: (bins, budgets)."""
    budgets = range(right.shape[3])
    return np.array([[_cheapest(right[..., b], tokens[..., b], binned[..., b] == one) for b in budgets] for one in range(bins)])


def _cheapest(right: Floats, tokens: Floats, members: Floats) -> int:
    """Of the entries within `SLACK` of the best on these (problem, order) pairs the one that spends least; or, if one spends hardly
    more and is more accurate, that. Of equal ones the last, which may draw most: what these problems did not need, others may."""
    members = _members(members)
    accuracy, spent = (np.round(each[:, members].mean(axis=1), 9) for each in (right, tokens))
    least = spent[accuracy >= accuracy.max() - SLACK].min()
    afforded = np.where(spent <= (1 + SPARE) * least, accuracy, -1.0)
    return int(np.flatnonzero(afforded == afforded.max())[-1])


def _priced(right: Floats, samples: Floats, binned: Ints, bins: int) -> Ints:
    """The entry of each bin that is worth most at each price, of (entries, rows, orders): (bins, prices)."""
    chosen = []
    for one in range(bins):
        members = _members(binned == one)
        accuracy, spent = (each[:, members].mean(axis=1) for each in (right, samples))
        chosen.append(np.argmax(accuracy[:, None] - PRICES * spent[:, None], axis=0))
    return np.array(chosen)


def _members(members: Floats) -> Floats:
    """Those of a bin; of an empty one, all."""
    return members if members.any() else np.ones_like(members)


def _difficulties(estimator: Estimator, seen: Study, rows: Ints) -> Floats:
    """By problem and order, NaN where it cannot tell: (rows, orders)."""
    orders = seen.replay.places.shape[1]

    def told(row: int, order: int) -> float | None:
        probe = [seen.bank.candidates[row][at] for at in seen.replay.places[row, order, : estimator.probe]]
        return estimator(seen.bank.problems[row], probe)

    shown = [[told(row, order) for order in range(orders if estimator.probe else 1)] for row in rows]
    return np.array(np.broadcast_to(np.array(shown, float), (len(rows), orders)))


def _binned(rule: Estimator | None, edges: Sequence[float], seen: Study, rows: Ints) -> Ints:
    """The bin of each problem, in each order, at each budget; the hardest where the budget does not admit the probe."""
    shape = (len(rows), *seen.right.shape[2:])
    if rule is None:
        return np.zeros(shape, int)
    found = _difficulties(rule, seen, rows)
    bins = np.where(np.isnan(found), len(edges), np.searchsorted(edges, found, side="right"))
    shown = admitted(seen.replay, seen.budgets)[rows] >= rule.probe
    return np.where(shown, bins[:, :, None], len(edges))


def _applied(rule: Rule, seen: Study, rows: Ints) -> Result:
    """The rule on the problems `rows`, under each budget."""
    budgets = np.arange(len(seen.budgets))
    return _spent(rule, seen, rows, rule.chosen[_binned(rule.estimator, rule.edges, seen, rows), budgets], budgets)


def _sold(rule: Rule, seen: Study, rows: Ints) -> Result:
    """The rule on the problems `rows`, at each price: (problems, prices)."""
    binned = _binned(rule.estimator, rule.edges, seen, rows)[..., -1:]
    prices = np.arange(rule.priced.shape[1])
    return _spent(rule, seen, rows, rule.priced[binned, prices], np.full(len(prices), len(seen.budgets) - 1))


def _spent(rule: Rule, seen: Study, rows: Ints, chosen: Ints, budgets: Ints) -> Result:
    """What the entries `chosen` (rows, orders, k) are worth and take under the budgets of these places (k,).

    The probe's samples are the first of the strategy's, and are paid for if it draws fewer, or from another law.
    """
    place = chosen, rows[:, None, None], np.arange(chosen.shape[1])[:, None], budgets
    right, tokens = seen.right[place], seen.tokens[place]
    if rule.estimator and rule.estimator.probe:
        probe = np.minimum(admitted(seen.replay, seen.budgets)[rows][..., budgets], rule.estimator.probe)
        paid = np.where(probe > 0, np.take_along_axis(seen.replay.spent[rows], np.maximum(probe - 1, 0), axis=2), 0.0)
        foreign = np.array([entry.foreign for entry in seen.entries])[chosen]
        tokens = np.where(foreign, tokens + paid, np.maximum(tokens, paid))
    return Result(right.mean(axis=1), tokens.mean(axis=1))


def _bins(rule: Rule, seen: Study) -> tuple[Bin, ...]:
    everything = np.arange(len(seen.bank.problems))
    binned = _binned(rule.estimator, rule.edges, seen, everything)
    limits, efforts = pairwise((0.0, *rule.edges, 1.0)), rule.priced[:, list(_efforts(rule, seen).values())]
    return tuple(_bin(limit, rule.chosen[one], efforts[one], seen, binned == one) for one, limit in enumerate(limits))


def _bin(limit: tuple[float, float], chosen: Ints, efforts: Ints, seen: Study, members: Floats) -> Bin:
    last = len(seen.budgets) - 1
    choices = tuple(_choice(seen, int(chosen[b]), b, members[..., b]) for b in range(last))
    free = (_choice(seen, int(one), last, members[..., last]) for one in efforts)
    return Bin(limit, choices, dict(zip(EFFORTS, free, strict=True)))


def _choice(seen: Study, number: int, b: int, members: Floats) -> Choice:
    """Means over a bin's problems, each weighed by how many of its orders are in the bin."""
    members = _members(members)
    entry, weights = seen.entries[number], members.sum(axis=1)
    rows = np.flatnonzero(weights)
    right = (seen.right[number, :, :, b] * members).sum(axis=1)[rows] / weights[rows]
    tokens = (seen.tokens[number, :, :, b] * members).sum(axis=1)[rows] / weights[rows]
    low, high = interval(right[:, None])
    known = (float(low[0]), float(high[0])) if len(rows) > 1 else None
    budget = None if seen.budgets[b] == inf else int(seen.budgets[b])
    done = float(right.mean()), known, float(tokens.mean())
    return Choice(budget, entry.strategy.name, dict(entry.parameters), *done, entry.model, entry.temperature)


def _efforts(rule: Rule, seen: Study) -> dict[str, int]:
    """The place among the prices of each effort: of the highest that reaches its part of the gain."""
    accuracy = _sold(rule, seen, np.arange(len(seen.bank.problems))).right.mean(axis=0)
    gained = accuracy - accuracy[0]
    least = {name: part * gained[-1] for name, part in REACHED.items()}
    return {name: int(np.argmax(gained >= need)) if need < gained[-1] else len(gained) - 1 for name, need in least.items()}


def _proof(split: str, rule: Rule, seen: Study, unseen: Study) -> dict[str, Any]:
    """How the rule does on problems that it has not seen, against fixed strategies (chosen where the rule was made): under each
    budget the best, at each effort the best that spends no more. Under budgets also its regret: what it loses to a rule made on
    these very problems."""
    everything = np.arange(len(unseen.bank.problems))
    ours, theirs = _applied(rule, unseen, everything), _applied(_exhaustive(rule, unseen), unseen, everything)
    regret = theirs.right.mean(axis=0) - ours.right.mean(axis=0)
    budgets = [
        {"budget": budget} | _compared(ours, b, unseen, _fixed(seen, b), b) | {"regret": float(regret[b])}
        for b, budget in enumerate(unseen.budgets[:-1])
    ]
    last, sold, known = len(seen.budgets) - 1, _sold(rule, unseen, everything), _tokens(rule, seen)
    efforts = [
        {"effort": effort} | _compared(sold, at, unseen, _fixed(seen, last, known[effort]), last)
        for effort, at in _efforts(rule, seen).items()
    ]
    return {
        "split": split,
        "problems": len(everything),
        "calibration": _calibrated(rule, unseen),
        "budgets": budgets,
        "efforts": efforts,
    }


def _compared(ours: Result, column: int, unseen: Study, number: int, b: int) -> dict[str, Any]:
    """A column of our result beside the fixed entry of this number under budget `b`, with the paired interval of the difference."""
    right, tokens = (each[number, :, :, b].mean(axis=1) for each in (unseen.right, unseen.tokens))
    mine = ours.right[:, column : column + 1]
    (low,), (high,) = interval(mine)
    (less,), (more,) = paired_interval(mine, right[:, None])
    return {
        "accuracy": float(mine.mean()),
        "interval": [float(low), float(high)],
        "tokens": float(ours.tokens[:, column].mean()),
        "fixed": unseen.entries[number].shown() | {"accuracy": float(right.mean()), "tokens": float(tokens.mean())},
        "difference": [float(less), float(more)],
    }


def _tokens(rule: Rule, seen: Study) -> dict[str, float]:
    """What a problem takes at each effort, in the mean."""
    tokens = _sold(rule, seen, np.arange(len(seen.bank.problems))).tokens.mean(axis=0)
    return {name: float(tokens[at]) for name, at in _efforts(rule, seen).items()}


def _exhaustive(rule: Rule, unseen: Study) -> Rule:
    """The same bins, with the choices that these problems themselves would make."""
    binned = _binned(rule.estimator, rule.edges, unseen, np.arange(len(unseen.bank.problems)))
    return replace(rule, chosen=_chosen(unseen.right, unseen.tokens, binned, len(rule.edges) + 1))


def _fixed(seen: Study, b: int, most: float = inf) -> int:
    """The fixed strategy of the highest accuracy under a budget, of those that take at most so many tokens in the mean (the
    cheapest, if none does); of several, the one that spends least."""
    fixed = [number for number, entry in enumerate(seen.entries) if entry.fixed]
    right, tokens = ({one: round(float(each[one, ..., b].mean()), 9) for one in fixed} for each in (seen.right, seen.tokens))
    afforded = [one for one in fixed if tokens[one] <= most] or [min(fixed, key=tokens.__getitem__)]
    return max(afforded, key=lambda one: (right[one], -tokens[one]))


def _calibrated(rule: Rule, unseen: Study) -> dict[str, float] | None:
    """How near the estimated difficulties are to the measured ones: Brier score and expected calibration error."""
    if rule.estimator is None:
        return None
    told = _difficulties(rule.estimator, unseen, np.arange(len(unseen.bank.problems)))
    pairs = [
        (d, 1 - mean)
        for row, mean in zip(told.tolist(), unseen.bank.correct.mean(axis=1).tolist(), strict=True)
        for d in row
        if not np.isnan(d)
    ]
    predicted, happened = zip(*pairs, strict=True)
    return {"brier": calibration.brier(predicted, happened), "error": calibration.expected_calibration_error(predicted, happened)}


def _runners_up(rule: Rule, seen: Study) -> list[dict[str, Any]]:
    """For each choice the three most accurate entries of its bin, so that one can see what it was preferred to."""
    binned = _binned(rule.estimator, rule.edges, seen, np.arange(len(seen.bank.problems)))
    rows = []
    for one in range(len(rule.edges) + 1):
        for b, budget in enumerate(seen.budgets[:-1]):
            members = binned[..., b] == one
            if members.any():
                accuracy, tokens = (each[..., b][:, members].mean(axis=1) for each in (seen.right, seen.tokens))
                best = [
                    seen.entries[at].shown() | {"accuracy": float(accuracy[at]), "tokens": float(tokens[at])}
                    for at in np.argsort(-accuracy, kind="stable")[:3]
                ]
                rows.append({"bin": one, "budget": budget, "best": best})
    return rows
