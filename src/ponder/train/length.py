"""Rewards that price length, each as published. All are functions of lengths in tokens and of verdicts; arrays are (prompts,
samples) or, where a prompt's samples do not matter to one another, of any shape.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ponder.errors import InputError
from ponder.train.rewards import Amounts, Reward

Floats = NDArray[np.float64]


def kimi(lengths: ArrayLike, right: ArrayLike) -> Floats:
    """.5 - (length - shortest) / (longest - shortest) of the group; a wrong answer gets that where it is below 0, else 0; all get 0
    where all are equally long (Kimi k1.5, §2.3.3)."""
    sizes, good = np.atleast_2d(np.asarray(lengths, float)), np.atleast_2d(np.asarray(right, bool))
    shortest, span = sizes.min(1, keepdims=True), np.ptp(sizes, axis=1, keepdims=True)
    merit = np.where(span > 0, 0.5 - (sizes - shortest) / np.where(span > 0, span, 1.0), 0.0)
    return np.where(good, merit, np.minimum(merit, 0.0))


def lcpo_exact(lengths: ArrayLike, right: ArrayLike, asked: ArrayLike, alpha: float = 0.0003) -> Floats:
    """1[right] - alpha |asked - length|: answers as long as was asked for (L1, Aggarwal & Welleck 2025)."""
    gap = np.abs(np.asarray(asked, float) - np.asarray(lengths, float))
    merit: Floats = np.asarray(right, float) - alpha * gap
    return merit


def lcpo_max(lengths: ArrayLike, right: ArrayLike, asked: ArrayLike, alpha: float = 0.0003, delta: float = 0.5) -> Floats:
    """1[right] clip(alpha (asked - length) + delta, 0, 1): at most as long as was asked for (L1, Aggarwal & Welleck 2025)."""
    room = alpha * (np.asarray(asked, float) - np.asarray(lengths, float)) + delta
    merit: Floats = np.asarray(right, float) * np.clip(room, 0.0, 1.0)
    return merit


def o1_pruner(
    lengths: ArrayLike,
    right: ArrayLike,
    mean_length: ArrayLike,
    accuracy: ArrayLike,
    alpha: float = 5.0,
    low: float = -2.0,
    high: float = 4.0,
) -> Floats:
    """clip(mean_length / length - 1 + alpha (right - accuracy), low, high), then standardised over all of them (Luo et al. 2025).

    `mean_length` and `accuracy` are the reference model's on the same prompt. Where all are equal, the result is 0.
    """
    sizes = np.asarray(lengths, float)
    merit = np.asarray(mean_length, float) / sizes - 1 + alpha * (np.asarray(right, float) - np.asarray(accuracy, float))
    clipped = np.clip(merit, low, high)
    spread = clipped.std()
    return (clipped - clipped.mean()) / spread if spread > 0 else np.zeros(clipped.shape)


def overlong(lengths: ArrayLike, longest: int = 20_480, cache: int = 4_096) -> Floats:
    """0 up to longest - cache, then falling to -1 at `longest`, and -1 behind (DAPO's soft punishment, Yu et al. 2025).

    The line ends at -1 where the hard limit begins: 16,384 gives 0, 18,432 -.5 and 20,480 -1.
    """
    if not 0 < cache <= longest:
        raise InputError(f"the cache of {cache} tokens must lie in 1..{longest}, the longest answer")
    return np.clip((longest - cache - np.asarray(lengths, float)) / cache, -1.0, 0.0)


BUDGET = "Think for {} tokens."
"""How a prompt asks for a length (L1)."""

_BUDGET = re.compile(r"\b[Tt]hink for (?:at most )?([0-9]+) tokens\b")


def budget_of(question: str) -> int | None:
    """The length that a question asks for, or None."""
    found = _BUDGET.search(question)
    return int(found[1]) if found else None


def overlong_reward(longest: int, cache: int) -> Reward:
    """`overlong` with TRL's signature."""

    def reward(*, completion_ids: Sequence[Sequence[int]], **_: Any) -> Amounts:
        return [float(one) for one in overlong([len(ids) for ids in completion_ids], longest, cache)]

    return reward


def shorter(correct: Reward, samples: int) -> Reward:
    """Kimi's length reward with TRL's signature: `correct` judges, and neighbours of `samples` are a prompt's group."""

    def reward(*, completion_ids: Sequence[Sequence[int]], **columns: Any) -> Amounts:
        verdicts = correct(completion_ids=completion_ids, **columns)
        lengths = np.array([len(ids) for ids in completion_ids], float).reshape(-1, samples)
        right = np.array([verdict == 1.0 for verdict in verdicts]).reshape(-1, samples)
        return [float(one) for one in kimi(lengths, right).ravel()]

    return reward


def as_asked(correct: Reward, exact: bool = True, alpha: float = 0.0003) -> Reward:
    """LCPO with TRL's signature: the length asked for stands in the problem's question; None where it asks for none."""
    from ponder.train.rewards import asked

    def reward(*, completion_ids: Sequence[Sequence[int]], problem: Sequence[Any], **columns: Any) -> Amounts:
        verdicts = correct(completion_ids=completion_ids, problem=problem, **columns)
        budgets = [budget_of(asked(one).question) for one in problem]
        law = lcpo_exact if exact else lcpo_max
        return [
            None if budget is None or verdict is None else float(law(len(ids), verdict == 1.0, budget, alpha))
            for ids, verdict, budget in zip(completion_ids, verdicts, budgets, strict=True)
        ]

    return reward
