"""What a small model can do on held-out problems: one sample, any of eight, the vote of all, each with its interval, and tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.answers import numbered
from ponder.lab.intervals import interval, paired_interval
from ponder.lab.statistics import majority_at_k, pass_at_k
from ponder.tasks import get
from ponder.train.grpo import Plan, Rollouts, draw
from ponder.train.rewards import accuracy
from ponder.types import Candidate, Sample

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over problems with its 95 % interval; `rows` holds each problem's own value, for comparison with another model."""

    value: float
    low: float
    high: float
    rows: list[float] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Of one task: `one` sample, `any` of 8, the majority of all `samples`; `tokens` an answer, and a right one (None: none was
    right)."""

    task: str
    problems: int
    samples: int
    one: Figure
    any: Figure
    majority: Figure
    tokens: float
    tokens_right: float | None


def figure(rows: Floats) -> Figure:
    """The mean of `rows` (problems,) and its interval over problems."""
    low, high = interval(rows[:, None])
    return Figure(float(rows.mean()), float(low[0]), float(high[0]), rows.tolist())


def gain(after: Figure, before: Figure) -> Figure:
    """The difference on the same problems, with a paired interval."""
    new, old = np.array(after.rows), np.array(before.rows)
    low, high = paired_interval(new[:, None], old[:, None])
    rows = new - old
    return Figure(float(rows.mean()), float(low[0]), float(high[0]), rows.tolist())


def evaluate(
    model: Any, task: str, problems: int = 200, samples: int = 64, split: str = "test", seed: int = 7, limit: int | None = None
) -> Evaluation:
    """Draw `samples` answers to each of the first `problems` of the split, at the task's temperature, and count.

    `limit` allows longer answers than the task does. `samples` must be at least 8.
    """
    asked = get(task).load(split, problems)
    plan = Plan(reward=accuracy, limits={} if limit is None else {task: limit})
    drawn = draw(model, asked, plan, samples, seed)
    right, lengths = drawn.rewards, np.array([len(answer) for answer in drawn.answers])
    votes, _ = majority_at_k(_classes(drawn), right, [samples])
    counts = right.sum(1).astype(int)
    return Evaluation(
        task,
        len(asked),
        samples,
        figure(right.mean(1)),
        figure(pass_at_k(np.full(len(asked), samples), counts, [8])[:, 0]),
        figure(votes[:, 0]),
        float(lengths.mean()),
        float(lengths.sum() / right.sum()) if right.any() else None,
    )


def _classes(drawn: Rollouts) -> NDArray[np.int64]:
    samples, classes = drawn.rewards.shape[1], []
    for number, problem in enumerate(drawn.problems):
        texts = drawn.texts[number * samples : (number + 1) * samples]
        row = [Candidate(Sample(text, index), problem.task.extract(problem, text)) for index, text in enumerate(texts)]
        classes.append(numbered(row, problem.task.canonical))
    return np.array(classes)


def table(named: Mapping[str, Sequence[Evaluation]]) -> str:
    """Models and tasks as rows of a Markdown table."""
    lines = ["| model | task | one | any of 8 | majority | tokens | tokens / right |", "|---|---|---|---|---|---|---|"]
    for name, found in named.items():
        for one in found:
            right = "none right" if one.tokens_right is None else f"{one.tokens_right:.0f}"
            cells = (name, one.task, one.one, one.any, f"{one.majority} of {one.samples}", f"{one.tokens:.0f}", right)
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
