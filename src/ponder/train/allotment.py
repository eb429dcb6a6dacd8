"""Thinking for as long as was asked: answers that use a given number of tokens, and how well a model's answers do.

The question asks for a length (`length.BUDGET`, as L1 does: Aggarwal & Welleck 2025). A search that is too long for it stops; one
that is done early looks at what it found again, until the tokens are used.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ponder.tasks import get
from ponder.train.grpo import Plan, draw
from ponder.train.length import BUDGET
from ponder.train.rewards import accuracy
from ponder.train.sft import Shown
from ponder.train.tries import verdict
from ponder.types import Message, Problem

STEP, MOST = 20, 360
"""Tokens that may be asked for: multiples of STEP up to MOST."""


def ask(question: str, tokens: int) -> str:
    """The question with the length that is asked for."""
    return f"{BUDGET.format(tokens)} {question}"


def filled(shown: Shown, tokens: int) -> Shown:
    """The search as one of about `tokens` tokens: its first tries, then its right one again and again. At least one try."""
    tries, used = list[str](), 0
    for text in (*shown.tries, *[shown.tries[-1]] * (tokens // len(shown.tries[-1]))):
        size = len(f"{text}\n{verdict(shown.question, text)}\n")
        if tries and used + size / 2 > tokens:
            break
        tries.append(text)
        used += size
    return Shown(ask(shown.question, tokens), tuple(tries), shown.temperature)


def allotted(shown: Sequence[Shown], seed: int) -> list[Shown]:
    """Each search with a length at random; those without verdicts are left out, for they cannot be longer or shorter."""
    rng = random.Random(seed)
    return [filled(one, STEP * rng.randint(2, MOST // STEP)) for one in shown if one.question.startswith("countdown")]


@dataclass(frozen=True, slots=True)
class Obedience:
    """Of a model on held-out problems: for each length asked for, the mean length and accuracy; `correlation` is Spearman's between
    the tokens asked for and used, over all answers."""

    asked: list[int]
    used: list[float]
    right: list[float]
    correlation: float


def table(found: Obedience) -> str:
    """What was asked and what came of it, as a Markdown table with the correlation below."""
    rows = zip(found.asked, found.used, found.right, strict=True)
    lines = [
        "| tokens asked | used | right |",
        "|---|---|---|",
        *(f"| {asked} | {used:.0f} | {right:.3f} |" for asked, used, right in rows),
    ]
    return "\n".join([*lines, "", f"Rank correlation of the tokens asked and used, over all answers: {found.correlation:.3f}"])


def obeyed(model: Any, task: str, problems: int, samples: int, asked: Sequence[int], seed: int = 7) -> Obedience:
    """Draw `samples` answers to each problem for each length asked for."""
    plan = Plan(limits={task: MOST + 100}, reward=accuracy)
    used, right, told = [], [], list[tuple[int, int]]()
    for tokens in asked:
        drawn = draw(model, [_asking(one, tokens) for one in get(task).load("test", problems)], plan, samples, seed)
        lengths = [len(answer) for answer in drawn.answers]
        told += [(tokens, length) for length in lengths]
        used.append(float(np.mean(lengths)))
        right.append(float(drawn.rewards.mean()))
    return Obedience(list(asked), used, right, _spearman(*np.array(told, float).T))


def _asking(problem: Problem, tokens: int) -> Problem:
    return replace(problem, messages=(*problem.messages[:-1], Message("user", ask(problem.question, tokens))))


def _spearman(first: Any, second: Any) -> float:
    """The correlation of ranks, equal values sharing theirs."""
    ranks = []
    for values in (first, second):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((count.cumsum() - (count - 1) / 2)[place])
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
