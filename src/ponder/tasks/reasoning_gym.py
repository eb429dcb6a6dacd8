"""Reasoning Gym: about a hundred families of generated problems with their own scorers (Stojanovski et al. 2025).

`reasoning-gym:NAME` is the family NAME of the package `reasoning-gym`. Problems are made on demand, 1,000 a split; a split is a
seed, far from the others, so a small family may hold a problem in two splits. The scorer runs in a process of its own, which is
killed when it is late; several scorers evaluate what the answer says as a formula, so let none grade a model that you do not trust.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ponder.answers import final_answer
from ponder.errors import InputError, MissingExtra
from ponder.types import Message, Problem, Reads, Sample, Score, Task
from ponder.verifiers.math import LONGEST_ANSWER, Worker

PREFIX = "reasoning-gym:"
SEEDS = {"test": 0, "validation": 10**9, "train": 2 * 10**9}
"""Problem i of a split is made from its seed + i, so that none is another split's."""
SIZE = 1_000
"""Problems of a split."""
DEFAULT_LIMIT = 200
SYSTEM = Message(
    "system", "Think step by step, and write the final answer alone between <answer> and </answer>, as the question asks for it."
)

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scorer:
    """The family's own scorer, of the answer that is extracted; part marks stay part marks."""

    worker: Worker = field(default_factory=lambda: Worker(10.0, Path(__file__).with_name("scorer.py")))
    name: str = "reasoning-gym"
    reads: Reads = "reference"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        return [await self._score(problem, sample) for sample in samples]

    async def _score(self, problem: Problem, sample: Sample) -> Score:
        if sample.error is not None:
            return Score(None, error=f"the draw failed: {sample.error}")
        answer = problem.task.extract(problem, sample.prefix + sample.text)
        if answer is None:
            return Score(0.0)
        if len(answer) > LONGEST_ANSWER:
            return Score(None, error=f"an answer of {len(answer)} characters is not scored; the limit is {LONGEST_ANSWER}")
        return await self.worker.compare(json.dumps(problem.data["entry"]), answer)


scorer = Scorer()


@cache
def family(name: str) -> Task:
    """The family `name` as a task. Raises MissingExtra without the package, InputError for an unknown family."""
    made = dataset(name, "test")

    def load(split: str, limit: int | None) -> list[Problem]:
        if split not in SEEDS:
            raise InputError(f"the task `{task.name}` has no split `{split}`; its splits are {', '.join(SEEDS)}")
        entries = dataset(name, split)
        return [_problem(task, name, split, index, entries[index]) for index in range(min(limit or DEFAULT_LIMIT, len(entries)))]

    task = Task(
        name=f"{PREFIX}{name}",
        about=f"{made.category}: {name.replace('_', ' ')}",
        load=load,
        extract=_extract,
        canonical=str.strip,
        verifier=scorer,
        splits=tuple(SEEDS),
        max_tokens=2048,
        source="https://github.com/open-thought/reasoning-gym",
        licence="Apache-2.0",
    )
    return task


def dataset(name: str, split: str) -> Any:
    """The package's own generator of the family, with the split's seed."""
    try:
        from reasoning_gym.factory import DATASETS, create_dataset
    except ImportError as error:
        raise MissingExtra("reasoning-gym", "tasks") from error
    if name not in DATASETS or name == "composite":
        raise InputError(
            f"there is no family `{name}` in Reasoning Gym; there are {', '.join(sorted(set(DATASETS) - {'composite'}))}"
        )
    return create_dataset(name, seed=SEEDS[split], size=SIZE)


def _problem(task: Task, name: str, split: str, index: int, entry: dict[str, Any]) -> Problem:
    return Problem(
        id=f"{task.name}/{split}/{index}",
        messages=(SYSTEM, Message("user", entry["question"])),
        task=task,
        reference=None if entry["answer"] is None else str(entry["answer"]),
        data={"entry": [name, SEEDS[split], SIZE, index]},
    )


def _extract(_problem: Problem, text: str) -> str | None:
    """What stands between the last answer tags, else what ends the text as an answer."""
    tagged = _ANSWER.findall(text)
    return tagged[-1].strip() if tagged else final_answer(text)
