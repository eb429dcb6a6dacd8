"""ProcessBench: find the earliest wrong step of a solution, or say that there is none (Zheng et al. 2024, arXiv 2412.06559).

Any verifier that gives a value a step (`Score.steps`) takes part: the first step below a threshold is the one that it calls wrong.
The threshold is tuned on one part (the paper's: GSM8K) and used on all. What a verifier cannot judge counts as not found.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ponder import trace
from ponder.errors import InputError
from ponder.lab.statistics import Floats
from ponder.tasks import files
from ponder.trace import Trace
from ponder.types import Message, Problem, Sample, Score, Task, Verifier

RIGHT = -1
"""The label, and the prediction, of a solution without a wrong step."""
SEPARATOR = "\n\n"
"""What stood between the steps of the solutions before they were cut; none holds it."""

Values = Sequence[float | None]
"""A value for each step of a solution, between 0 and 1; none at all, or None, where the verifier cannot tell."""


@dataclass(frozen=True, slots=True)
class Solution:
    """A solution of `problem` in steps; `label` is the number of the earliest wrong one, from 0, or -1."""

    id: str
    problem: str
    steps: tuple[str, ...]
    label: int


@dataclass(frozen=True, slots=True)
class Marks:
    """How often the verifier is right: of solutions with a wrong step, at naming it; of right ones, at finding none.

    A share is None where there is no such solution. `unknown` counts solutions that could not be judged; they are in the shares, as
    not found.
    """

    wrong: float | None
    right: float | None
    solutions: int
    unknown: int

    @property
    def f1(self) -> float | None:
        """Their harmonic mean; 0 where both are 0 (the published code divides by zero there); None where one is unknown."""
        if self.wrong is None or self.right is None:
            return None
        return 2 * self.wrong * self.right / (self.wrong + self.right) if self.wrong + self.right else 0.0


def read(path: Path) -> list[Solution]:
    """The solutions of a ProcessBench file (.json or .jsonl, plain or .gz). Raises InputError that names the line."""
    found = []
    for line, row in files.rows(path):
        try:
            one = Solution(str(row["id"]), str(row["problem"]), tuple(map(str, row["steps"])), int(row["label"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}:{line}: no solution ({error!r}): give id, problem, steps and label") from error
        if not RIGHT <= one.label < len(one.steps):
            raise InputError(f"{path}:{line}: the label {one.label} is no step of {len(one.steps)} and not {RIGHT}")
        found.append(one)
    return found


def earliest(values: Values, threshold: float) -> int | None:
    """The first step whose value is below the threshold, else -1; None where a value is unknown before any is."""
    known = _known(values)
    found = next((number for number, value in enumerate(known) if value < threshold), RIGHT)
    return None if found == RIGHT and (not known or len(known) < len(values)) else found


def _known(values: Values) -> list[float]:
    """The values before the first unknown one."""
    return [value for value in itertools.takewhile(lambda value: value is not None, values) if value is not None]


def marks(labels: Sequence[int], found: Sequence[int | None]) -> Marks:
    """What the predictions are worth. `labels` and `found`: the number of a step, or -1; None is a prediction of nothing."""
    hits = {
        kind: [label == guess for label, guess in zip(labels, found, strict=True) if (label == RIGHT) == kind]
        for kind in (False, True)
    }
    wrong, right = (sum(ones) / len(ones) if ones else None for ones in hits.values())
    return Marks(wrong, right, len(labels), sum(guess is None for guess in found))


def tuned(labels: Sequence[int], values: Sequence[Values]) -> float:
    """The threshold with the best F1 on these solutions; of several the lowest. 0 calls every step right.

    Only the least value so far can be the first below a threshold, so each solution changes its prediction at few places.
    """
    places = sorted({value for one in values for value in one if value is not None})
    between = [(low + high) / 2 for low, high in itertools.pairwise(places)]
    thresholds = np.array([0.0, *between, *([np.nextafter(places[-1], 2.0)] if places else [])])
    wrong, right = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    for label, one in zip(labels, values, strict=True):
        (right if label == RIGHT else wrong)[slice(*_hits(thresholds, label, one))] += 1
    wrongs, rights = wrong / max(1, sum(label != RIGHT for label in labels)), right / max(1, labels.count(RIGHT))
    total = wrongs + rights
    f1 = np.divide(2 * wrongs * rights, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[int(np.argmax(f1))])


def _hits(thresholds: Floats, label: int, values: Values) -> tuple[int, int]:
    """The range of thresholds at which the prediction is `label`: above its value, and not above any before it."""
    known = _known(values)
    if not known or (len(known) < len(values) if label == RIGHT else len(known) <= label):
        return 0, 0
    before = known if label == RIGHT else known[:label]
    start = 0 if label == RIGHT else int(np.searchsorted(thresholds, known[label], side="right"))
    return start, int(np.searchsorted(thresholds, min(before), side="right")) if before else len(thresholds)


def spread(solutions: Sequence[Solution], count: int | None) -> list[Solution]:
    """So many of them, evenly from all: a file holds the wrong ones first. All of them for None."""
    size = len(solutions) if count is None else min(count, len(solutions))
    return [solutions[place * len(solutions) // size] for place in range(size)]


async def judge(
    solutions: Sequence[Solution], verifier: Verifier, abreast: int = 8, judged: Callable[[], object] = lambda: None
) -> list[Score]:
    """The verifier's score of every solution, in order; `judged` hears of each. What it refuses is unknown, with the reason.

    Raises InputError where it gives values for other steps than the solution's.
    """
    room = asyncio.Semaphore(abreast)

    async def one(solution: Solution) -> Score:
        asked = Problem(solution.id, (Message("user", solution.problem),), TASK)
        async with room:
            try:
                with trace.tracing(Trace()):
                    [score] = await verifier(asked, [Sample(SEPARATOR.join(solution.steps))])
            except InputError as refused:
                score = Score(None, error=str(refused))
        judged()
        if score.steps and len(score.steps) != len(solution.steps):
            raise InputError(
                f"`{verifier.name}` gave {len(score.steps)} values for the {len(solution.steps)} steps of {solution.id}"
            )
        return score

    return list(await asyncio.gather(*map(one, solutions)))


async def processbench(
    parts: Mapping[str, Sequence[Solution]],
    verifier: Verifier,
    threshold: float | None = None,
    judged: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """What `ponder processbench` prints: the shares and F1 of every part, and their mean, at one threshold.

    Without a `threshold` it is tuned on the part `gsm8k`, else on the first; that part's own figures are then in sample.
    """
    scores = {name: await judge(solutions, verifier, judged=judged) for name, solutions in parts.items()}
    values = {name: [one.steps for one in some] for name, some in scores.items()}
    labels = {name: [one.label for one in solutions] for name, solutions in parts.items()}
    on = None if threshold is not None else "gsm8k" if "gsm8k" in parts else next(iter(parts))
    chosen = threshold if on is None else tuned(labels[on], values[on])
    assert chosen is not None
    found = {name: marks(labels[name], [earliest(one, chosen) for one in values[name]]) for name in parts}
    f1s = [one.f1 for one in found.values() if one.f1 is not None]
    return {
        "verifier": verifier.name,
        "threshold": chosen,
        "tuned_on": on,
        "parts": [
            {
                "part": name,
                "solutions": one.solutions,
                "unknown": one.unknown,
                "wrong": one.wrong,
                "right": one.right,
                "f1": one.f1,
            }
            for name, one in found.items()
        ],
        "f1": sum(f1s) / len(f1s) if f1s else None,
        "why_unknown": next((one.error for some in scores.values() for one in some if one.error), None),
    }


def _none(_problem: Problem, _text: str) -> None:
    """No answer is looked for."""


def _nothing(_split: str, _limit: int | None) -> list[Problem]:
    return []


TASK = Task(
    name="processbench",
    about="solutions whose earliest wrong step is to be found",
    load=_nothing,
    extract=_none,
    canonical=str,
    verifier=None,
    splits=(),
    step=SEPARATOR,
    source="https://github.com/QwenLM/ProcessBench",
    licence="Apache-2.0",
)
