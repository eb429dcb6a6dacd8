"""Labels for steps without people: `ponder train labels FILE` writes what `ponder train prm` learns from.

For each problem a few solutions are drawn, then, from every step of each, a few more endings. A step is worth the share of
solutions through it that end right, or 1 if any does (Math-Shepherd's soft and hard labels, Wang et al. 2024). Nothing that was
drawn is wasted: an ending is a solution too, and its own steps are labelled with what came of it. Where a task can search
exhaustively what a step still leaves possible, the labels may be exact: then no endings are needed.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ponder import trace
from ponder.models.sample import sample
from ponder.separator import split
from ponder.strategies.draw import ask
from ponder.tasks import get
from ponder.trace import Trace
from ponder.types import Model, Problem

MIX = {"countdown-4": 0.5, "countdown-5": 0.25, "countdown-3": 0.15, "arithmetic": 0.1}
"""The tasks and their shares of the problems, all of the training split."""


Worth = Callable[[int, int], float]
"""The value of a step of which so many solutions are right, among so many that go through it."""

SHARES: Mapping[str, Worth] = {
    "soft": lambda right, through: round(right / through, 4),
    "hard": lambda right, _: float(right > 0),
}
LABELS = (*SHARES, "exact")


class Chain(msgspec.Struct, frozen=True):
    """A solution's steps, and the value of each: None where it is not known."""

    steps: tuple[str, ...]
    values: tuple[float | None, ...]


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


async def label(problem: Problem, model: Model, solutions: int, rollouts: int, seed: int, labels: str = "soft") -> Labelled:
    """Draw `solutions`, and `rollouts` endings from each distinct step of theirs but the last; grade and count them all.

    `labels` is one of `LABELS`; where the task cannot tell exactly, they are soft.
    """
    with trace.tracing(Trace(seed)):
        texts = [one.text for one in await sample(model, ask(problem), solutions)]
        begun = {chain[:size] for text in texts for chain in [cut(problem, text)] for size in range(1, len(chain))}
        texts += await _endings(problem, model, begun, rollouts)
    chains = labelled([(cut(problem, text), right(problem, text)) for text in texts], SHARES.get(labels, SHARES["soft"]))
    return Labelled(problem.question, tuple(exact(problem, chain) if labels == "exact" else chain for chain in chains))


async def _endings(problem: Problem, model: Model, begun: Iterable[tuple[str, ...]], rollouts: int) -> list[str]:
    separator = problem.task.step
    assert isinstance(separator, str)  # these tasks' steps are lines
    prefixes = ["".join(step + separator for step in steps) for steps in sorted(begun)]
    drawn = await asyncio.gather(*(sample(model, ask(problem, prefix), rollouts) for prefix in prefixes))
    return [one.prefix + one.text for samples in drawn for one in samples]


def right(problem: Problem, text: str) -> bool:
    """Whether the task's own check passes a solution."""
    grade = problem.task.verifier.grade(problem, text)  # type: ignore[union-attr]  # these tasks' verifiers are `Check`s
    return bool(grade.value == 1.0)


def exact(problem: Problem, chain: Chain) -> Chain:
    """The chain with what its task says of each step: can a right end still be reached? As it is, if the task has no search."""
    value = problem.task.thoughts.value if problem.task.thoughts else None
    if value is None:
        return chain
    begun = ("".join(f"{step}\n" for step in chain.steps[:size]) for size in range(1, len(chain.steps) + 1))
    return Chain(
        chain.steps, tuple(value(problem, text) or 0.0 for text in begun)
    )  # None: a line is no step, so nothing is reached


def labelled(solutions: Iterable[tuple[tuple[str, ...], bool]], worth: Worth = SHARES["soft"]) -> Iterator[Chain]:
    """Each distinct solution with the value of each of its steps, by how many of all that begin with them are right."""
    passed, good = dict[tuple[str, ...], int](), dict[tuple[str, ...], int]()
    whole = dict[tuple[str, ...], None]()
    for steps, correct in solutions:
        whole[steps] = None
        for size in range(1, len(steps) + 1):
            passed[steps[:size]] = passed.get(steps[:size], 0) + 1
            good[steps[:size]] = good.get(steps[:size], 0) + correct
    for steps in filter(None, whole):
        begun = [steps[:size] for size in range(1, len(steps) + 1)]
        yield Chain(steps, tuple(worth(good[prefix], passed[prefix]) for prefix in begun))


async def labels(
    asked: Iterable[Problem], one: Callable[[Problem], Awaitable[Labelled]], abreast: int = 32
) -> AsyncIterator[Labelled]:
    """Each problem labelled by `one`, in the order of the problems, `abreast` of them at work at once."""
    running: list[asyncio.Future[Labelled]] = []
    for problem in asked:
        running.append(asyncio.ensure_future(one(problem)))
        if len(running) == abreast:
            yield await running.pop(0)
    for task in running:
        yield await task


async def write(
    path: Path, asked: Sequence[Problem], one: Callable[[Problem], Awaitable[Labelled]], told: Callable[[], object] = lambda: None
) -> int:
    """A line for each problem, appended as it is labelled; how many are new. Killed, it goes on behind the last whole line."""
    left = asked[whole(path) :]
    with path.open("ab") as file:
        async for found in labels(left, one):
            file.write(msgspec.json.encode(found) + b"\n")
            file.flush()
            told()
    return len(left)


def whole(path: Path) -> int:
    """How many whole lines the file has; half a line behind them, which a kill has left, is cut off."""
    if not path.exists():
        return 0
    text = path.read_bytes()
    end = text.rfind(b"\n") + 1
    with path.open("rb+") as file:
        file.truncate(end)
    return text.count(b"\n")
