"""Rewards as plain functions with TRL's signature: `reward(prompts=..., completions=..., **columns) -> list of numbers or None`.

Completions are texts, or conversations whose last message counts. Columns are the data set's, one value a completion; `problem` is
the one that says what was asked (see `asked`). None means that the reward has nothing to say about this completion: it is skipped.
The reward of being right is the task's own grader, the one that search and the lab use.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.errors import InputError
from ponder.models.thoughts import CLOSE, OPEN
from ponder.tasks import get
from ponder.types import Message, Problem
from ponder.verifiers.check import Check

Amounts = list[float | None]
Reward = Callable[..., Amounts]

_FORMAT = re.compile(rf"\s*{OPEN}(.*?){CLOSE}\s*<answer>(.*?)</answer>\s*", re.DOTALL)


def text_of(completion: Any) -> str:
    """A completion's text: itself, or the last message of a conversation."""
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


def column(problem: Problem) -> str:
    """A problem as one value of a column: JSON that `asked` reads."""
    turns = [[message.role, message.content] for message in problem.messages]
    told = {
        "task": problem.task.name,
        "id": problem.id,
        "messages": turns,
        "reference": problem.reference,
        "data": dict(problem.data),
    }
    return json.dumps(told)


def asked(value: Problem | str) -> Problem:
    """The problem that a column's value stands for. Raises InputError for a value that `column` did not write."""
    if isinstance(value, Problem):
        return value
    try:
        told = json.loads(value)
        messages = tuple(Message(role, content) for role, content in told["messages"])
        return Problem(told["id"], messages, get(told["task"]), told["reference"], data=told["data"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the column `problem` holds {str(value)[:60]!r}, which ponder.train.rewards.column did not write"
        ) from error


def accuracy(*, completions: Sequence[Any], problem: Sequence[Problem | str], **_: Any) -> Amounts:
    """The grade by the problem's own task, in [0, 1]; None where it cannot tell. Raises InputError for a task without a pure
    check."""
    return [_grade(asked(one), text_of(completion)) for one, completion in zip(problem, completions, strict=True)]


def _grade(problem: Problem, text: str) -> float | None:
    verifier = problem.task.verifier
    if not isinstance(verifier, Check):
        raise InputError(f"the task `{problem.task.name}` has no check that a reward could call; choose another task")
    return verifier.grade(problem, text).value


def form(*, completions: Sequence[Any], **_: Any) -> Amounts:
    """1 for `<think>...</think> <answer>...</answer>`, each once and nothing around them, else 0 (R1-Zero's format)."""
    return [float(_formed(text_of(completion))) for completion in completions]


def _formed(text: str) -> bool:
    return _FORMAT.fullmatch(text) is not None and all(text.count(tag) == 1 for tag in (OPEN, CLOSE, "<answer>", "</answer>"))


def charset(ranges: str = "\t\n\r -~") -> Reward:
    """The share of characters within a regular expression's character ranges: 1 - (R1's language consistency, where a script tells
    the language). The default is ASCII. None for an empty text."""
    inside = re.compile(f"[{ranges}]")

    def reward(*, completions: Sequence[Any], **_: Any) -> Amounts:
        texts = [text_of(completion) for completion in completions]
        return [len(inside.findall(text)) / len(text) if text else None for text in texts]

    return reward


def repetition(size: int = 4, penalty: float = -1.0) -> Reward:
    """`penalty` times the share of n-grams of `size` words that were written before: 0 where nothing repeats, near `penalty` in a
    loop (Demystifying Long CoT, Yeo et al. 2025)."""

    def reward(*, completions: Sequence[Any], **_: Any) -> Amounts:
        return [penalty * repeated(text_of(completion), size) for completion in completions]

    return reward


def repeated(text: str, size: int) -> float:
    """The share of the text's n-grams of `size` words that stood in it before."""
    words = text.split()
    grams = Counter(zip(*(words[place:] for place in range(size)), strict=False))
    total = sum(grams.values())
    return 1 - len(grams) / total if total else 0.0


def summed(values: Mapping[str, Sequence[float | None]], weights: Mapping[str, float]) -> NDArray[np.float64]:
    """The rewards' weighted sum for each completion. One that says None is left out of it; where all do, it is NaN, and the
    completion must not be learnt from."""
    stacked = np.stack([weights[name] * np.array(amounts, float) for name, amounts in values.items()])
    return np.where(np.isnan(stacked).all(0), np.nan, np.nansum(stacked, 0))


def composed(
    parts: Mapping[str, tuple[Reward, float]],
) -> Callable[..., tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]]:
    """One reward of several, each with a weight: gives the weighted sums (`summed`), and each part's own values (NaN for None)."""

    def reward(**columns: Any) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
        said = {name: part(**columns) for name, (part, _) in parts.items()}
        totals = summed(said, {name: weight for name, (_, weight) in parts.items()})
        return totals, {name: np.array(amounts, float) for name, amounts in said.items()}

    return reward
