"""What a strategy would have drawn, chosen and paid: replayed from a bank in many random orders, under any budget, for no tokens.

For strategies that choose among independent samples (`Strategy.select`), and may stop early by a `Strategy.rule`. An order of a
problem's samples is one way that a run could have gone, one sample at a time.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ponder import answers
from ponder.errors import InputError
from ponder.lab.bank import Bank
from ponder.lab.statistics import Floats, Ints, labelled, running_vote
from ponder.strategies import Select, Strategy
from ponder.strategies.direct import first
from ponder.strategies.parallel import best
from ponder.strategies.stopping import stops

ORDERS = 32


@dataclass(frozen=True, eq=False)
class Replay:
    """A bank in random orders: arrays (problems, orders, n), in the order drawn.

    `places` are the samples' places in the bank, `correct`, `classes` and `scores` as there, `quality` is the mean grade of the
    sample's class, and `spent` the computed tokens of all samples so far. `worst` (problems,) is the most that a draw can cost: a
    budget admits a draw that it has room for at that price.
    """

    places: Ints
    correct: Floats
    quality: Floats
    classes: Ints
    scores: Floats
    spent: Floats
    worst: Floats
    judging: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A strategy under each budget: what its answer is worth, and its computed tokens: (problems, orders, budgets)."""

    right: Floats
    tokens: Floats


def shuffled(bank: Bank, worst: Sequence[float], orders: int = ORDERS, seed: int = 0) -> Replay:
    """The bank in so many random orders of each problem's samples; `worst` is the most that a draw of each problem can cost.

    A bank is drawn side by side: one sample computes the prompt, the others find it cached. Here whichever is first pays for it.
    """
    problems, n = bank.correct.shape
    places = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (problems, orders, 1)), axis=2)
    classes, quality = labelled(bank.classes, bank.correct)
    usages = [[one.sample.usage for one in row] for row in bank.candidates]
    tokens = np.array([[one.computed for one in row] for row in usages], float)
    prompts = np.array([[one.prompt - one.cached for one in row] for row in usages], float)
    again = prompts.min(axis=1, keepdims=True)

    def ordered(values: Any) -> Any:
        return np.take_along_axis(values[:, None, :], places, axis=2)

    spent = ordered(tokens - prompts + again)
    spent[:, :, 0] += prompts.max(axis=1, keepdims=True) - again
    return Replay(
        places,
        ordered(bank.correct),
        ordered(quality),
        ordered(classes),
        ordered(bank.scores),
        np.cumsum(spent, axis=2),
        np.asarray(worst, float),
        bank.judging,
    )


@functools.lru_cache(maxsize=8)  # strategies of one family choose alike
def worth(replay: Replay, select: Select) -> Floats:
    """What the choice of `select` among the samples so far is worth, after each: (problems, orders, n).

    Ties are averaged over for votes, as in `majority_at_k`; an equal score goes to the earlier. Raises `InputError` for a rule of
    choice that cannot be replayed.
    """
    if select is first:
        return np.repeat(replay.correct[:, :, :1], replay.correct.shape[2], axis=2)
    if select is best:
        scores = np.where(np.isnan(replay.scores), -np.inf, replay.scores)
        leads = scores > np.concatenate([np.full((*scores.shape[:2], 1), -np.inf), np.maximum.accumulate(scores, 2)[:, :, :-1]], 2)
        leads[:, :, 0] = True
        place = np.maximum.accumulate(np.where(leads, np.arange(scores.shape[2]), 0), axis=2)
        return np.take_along_axis(replay.correct, place, axis=2)
    if select in (answers.majority, answers.weighted):
        votes = np.ones(replay.scores.shape) if select is answers.majority else np.nan_to_num(replay.scores)
        voting = np.where(np.isnan(replay.scores), -1, replay.classes) if select is answers.weighted else replay.classes
        return np.stack([running_vote(*row) for row in zip(voting, replay.quality, votes, strict=True)])
    raise InputError(f"the rule of choice {select!r} cannot be replayed from a bank; run its strategy instead")


def drawn(replay: Replay, strategy: Strategy, parameters: Mapping[str, Any]) -> Ints:
    """How many samples the strategy draws when no budget stops it: (problems, orders)."""
    problems, orders, n = replay.classes.shape
    size = parameters.get("n", strategy.parameters["n"].default) if "n" in strategy.parameters else 1
    if size > n:
        raise InputError(f"`{strategy.name}` wants {size} samples of a bank of {n}; draw more, or give it a smaller n")
    if strategy.rule is None:
        return np.full((problems, orders), size)
    others = tuple(sorted((name, value) for name, value in parameters.items() if name != "n"))
    return np.minimum(size, _stops(replay, strategy, others))


@functools.lru_cache(maxsize=32)  # the same rule serves every n
def _stops(replay: Replay, strategy: Strategy, parameters: tuple[tuple[str, Any], ...]) -> Ints:
    """Where the strategy's rule ends each order: (problems, orders)."""
    problems, orders, n = replay.classes.shape
    rows = zip(replay.classes.reshape(-1, n), replay.scores.reshape(-1, n), strict=True)
    return np.array([stops(strategy, dict(parameters) | {"n": n}, *row) for row in rows]).reshape(problems, orders)


def admitted(replay: Replay, budgets: Sequence[float], judging: float = 0.0) -> Ints:
    """How many samples each budget admits, if each also takes `judging` tokens of a verifier: (problems, orders, budgets)."""
    before = np.concatenate([np.zeros((*replay.spent.shape[:2], 1)), replay.spent[:, :, :-1]], axis=2)
    needed = before + judging * np.arange(before.shape[2]) + replay.worst[:, None, None]
    return np.stack([(needed <= budget).sum(axis=2) for budget in budgets], axis=2)


def replayed(replay: Replay, strategy: Strategy, parameters: Mapping[str, Any], budgets: Sequence[float]) -> Outcome:
    """The strategy under each budget of computed tokens a problem. Where a budget admits not even one sample there is no answer."""
    assert strategy.select is not None
    judging = replay.judging if "verifier" in strategy.needs else 0.0
    taken = np.minimum(drawn(replay, strategy, parameters)[:, :, None], admitted(replay, budgets, judging))
    last = np.maximum(taken - 1, 0)
    right, spent = (np.take_along_axis(each, last, axis=2) for each in (worth(replay, strategy.select), replay.spent))
    return Outcome(np.where(taken > 0, right, 0.0), np.where(taken > 0, spent + judging * taken, 0.0))
