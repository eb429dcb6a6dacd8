"""Labels for steps without people: `python -m ponder.train.rollouts FILE` writes what `train.prm` learns from.

A step is worth the share of solutions through it that end right (Math-Shepherd's soft labels, Wang et al. 2024): for each problem
a few solutions are drawn, then, from every step of each, a few more endings. Nothing that was drawn is wasted: an ending is a
solution too, and its own steps are labelled with what came of it.
"""

import argparse
import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import msgspec

from ponder import trace
from ponder.models.catalog import opened
from ponder.models.sample import sample
from ponder.separator import split
from ponder.strategies.draw import ask
from ponder.tasks import get
from ponder.trace import Trace
from ponder.types import Model, Problem

log = logging.getLogger(__name__)

MIX = {"countdown-4": 0.5, "countdown-5": 0.25, "countdown-3": 0.15, "arithmetic": 0.1}
"""The tasks and their shares of the problems, all of the training split."""


class Chain(msgspec.Struct, frozen=True):
    """A solution's steps, and the share of the solutions through each of them that end right."""

    steps: tuple[str, ...]
    values: tuple[float, ...]


class Labelled(msgspec.Struct, frozen=True):
    """A problem's question, as the model reads it, and its distinct solutions."""

    question: str
    chains: tuple[Chain, ...]


def problems(count: int, seed: int) -> list[Problem]:
    """`count` training problems, mixed."""
    drawn = [problem for name, share in MIX.items() for problem in get(name).load("train", round(count * share))]
    random.Random(seed).shuffle(drawn)
    return drawn


def cut(problem: Problem, text: str) -> tuple[str, ...]:
    """The steps of a solution, without separators and blanks."""
    return tuple(step.strip() for step in split(text, problem.task.step))


async def label(problem: Problem, model: Model, solutions: int, rollouts: int, seed: int) -> Labelled:
    """Draw `solutions`, and `rollouts` endings from each distinct step of theirs but the last; grade and count them all."""
    with trace.tracing(Trace(seed)):
        texts = [one.text for one in await sample(model, ask(problem), solutions)]
        begun = {chain[:size] for text in texts for chain in [cut(problem, text)] for size in range(1, len(chain))}
        texts += await _endings(problem, model, begun, rollouts)
    return Labelled(problem.question, tuple(labelled([(cut(problem, text), _right(problem, text)) for text in texts])))


async def _endings(problem: Problem, model: Model, begun: Iterable[tuple[str, ...]], rollouts: int) -> list[str]:
    separator = problem.task.step
    assert isinstance(separator, str)  # these tasks' steps are lines
    prefixes = ["".join(step + separator for step in steps) for steps in sorted(begun)]
    drawn = await asyncio.gather(*(sample(model, ask(problem, prefix), rollouts) for prefix in prefixes))
    return [one.prefix + one.text for samples in drawn for one in samples]


def _right(problem: Problem, text: str) -> bool:
    grade = problem.task.verifier.grade(problem, text)  # type: ignore[union-attr]  # these tasks' verifiers are `Check`s
    return bool(grade.value == 1.0)


def labelled(solutions: Iterable[tuple[tuple[str, ...], bool]]) -> Iterator[Chain]:
    """Each distinct solution with the value of each of its steps: the share of right ones among all that begin with them."""
    passed, right = dict[tuple[str, ...], int](), dict[tuple[str, ...], int]()
    whole = dict[tuple[str, ...], None]()
    for steps, correct in solutions:
        whole[steps] = None
        for size in range(1, len(steps) + 1):
            passed[steps[:size]] = passed.get(steps[:size], 0) + 1
            right[steps[:size]] = right.get(steps[:size], 0) + correct
    for steps in filter(None, whole):
        begun = [steps[:size] for size in range(1, len(steps) + 1)]
        yield Chain(steps, tuple(round(right[prefix] / passed[prefix], 4) for prefix in begun))


async def labels(
    asked: Iterable[Problem], model: Model, *, solutions: int, rollouts: int, seed: int, abreast: int
) -> AsyncIterator[Labelled]:
    """Each problem labelled, in the order of the problems, `abreast` of them at work at once."""
    running: list[asyncio.Task[Labelled]] = []
    for problem in asked:
        running.append(asyncio.create_task(label(problem, model, solutions, rollouts, seed)))
        if len(running) == abreast:
            yield await running.pop(0)
    for task in running:
        yield await task


async def write(path: Path, count: int, solutions: int, rollouts: int, seed: int) -> None:
    """One line a problem, appended: killed, the same command goes on behind the last whole line."""
    done = path.read_bytes().count(b"\n") if path.exists() else 0
    asked, began = problems(count, seed)[done:], time.monotonic()
    async with opened("builtin:mini") as model:
        with path.open("ab") as file:
            number = 0
            async for one in labels(asked, model, solutions=solutions, rollouts=rollouts, seed=seed, abreast=32):
                file.write(msgspec.json.encode(one) + b"\n")
                number += 1
                if number % 200 == 0:
                    left = (time.monotonic() - began) / number * (len(asked) - number) / 60
                    log.info("%d problems of %d  %.1f minutes left", done + number, done + len(asked), left)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m ponder.train.rollouts", description=__doc__)
    parser.add_argument("file", type=Path, help="the .jsonl to write, or to go on with")
    parser.add_argument("--problems", type=int, default=5000)
    parser.add_argument("--solutions", type=int, default=4, help="drawn from the question")
    parser.add_argument("--rollouts", type=int, default=2, help="drawn from each step of each of them")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    asyncio.run(write(options.file, options.problems, options.solutions, options.rollouts, options.seed))


if __name__ == "__main__":
    main()
