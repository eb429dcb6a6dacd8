"""Labels by a search for first errors: `ponder train labels FILE --by omega` (OmegaPRM, Luo et al. 2024, arXiv 2406.06592).

In a wrong solution the first wrong step is found by halves: k endings from its middle say on which side it lies. So S steps cost
k ceil(log2 S) endings where trying each costs k S. What endings from a right beginning are wrong are solutions to search next; a
tree keeps the values of all beginnings that were tried, and which is searched next is chosen as in a tree search.

As published, a value of 0 in k endings counts as wrong: a beginning that k endings seldom save is taken for an error, and an error
that the model mends is not seen.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import sqrt

from ponder import trace
from ponder.models.sample import sample
from ponder.strategies.draw import ask
from ponder.trace import Trace
from ponder.train.rollouts import Chain, Labelled, cut, right
from ponder.types import Model, Problem

Steps = tuple[str, ...]
Solution = tuple[Steps, bool]
"""All steps of a solution, and whether it is right."""

Draw = Callable[[Steps], Awaitable[Sequence[Solution]]]
"""Solutions that begin with these steps: always as many, k."""


@dataclass(frozen=True, slots=True)
class Plan:
    """At most `searches` in a tree, and none begun after `rollouts` endings. Of the wrong solutions (s, r) the next is that of the
    highest Q + U: Q = alpha^(1 - value of s) beta^(words of r / `longest`), U = c sqrt(all visits) / (1 + visits of s)."""

    searches: int = 20
    rollouts: int = 100
    alpha: float = 0.5
    beta: float = 0.9
    longest: int = 500
    c: float = 0.125


@dataclass(slots=True)
class Tree:
    """The value of every beginning that was tried, the solutions drawn, how often each beginning was searched from, and the wrong
    solutions that wait, each with the beginning that it was drawn from."""

    values: dict[Steps, float] = field(default_factory=dict)
    solutions: dict[Steps, bool] = field(default_factory=dict)
    visits: dict[Steps, int] = field(default_factory=dict)
    wrong: dict[tuple[Steps, Steps], None] = field(default_factory=dict)
    drawn: int = 0

    async def value(self, begun: Steps, draw: Draw) -> float:
        """The share of right endings, drawn at the first call; wrong ones of a beginning with right ones wait to be searched."""
        if begun not in self.values:
            found = await draw(begun)
            self.drawn += len(found)
            self.solutions |= dict(found)
            self.values[begun] = sum(correct for _, correct in found) / len(found)
            if self.values[begun] > 0:
                self.wrong |= {(begun, steps): None for steps, correct in found if not correct and len(steps) > len(begun)}
        return self.values[begun]

    def chosen(self, plan: Plan) -> tuple[Steps, Steps]:
        """The waiting solution of the highest Q + U, the earliest of equals; it waits no more."""
        spread = plan.c * sqrt(sum(self.visits.values()))

        def score(pair: tuple[Steps, Steps]) -> float:
            begun, steps = pair
            words = sum(len(step.split()) for step in steps[len(begun) :])
            quality = plan.alpha ** (1 - self.values[begun]) * plan.beta ** (words / plan.longest)
            return float(quality + spread / (1 + self.visits.get(begun, 0)))

        best = max(self.wrong, key=score)
        del self.wrong[best]
        return best


async def first_wrong(begun: Steps, steps: Steps, value: Callable[[Steps], Awaitable[float]]) -> int:
    """The number, from 0, of the first step behind `begun` from whose end no ending is right. `steps` is a wrong solution.

    Asks for the values of ceil(log2 of the steps behind `begun`) beginnings.
    """
    sound, broken = len(begun), len(steps)
    while broken - sound > 1:
        middle = (sound + broken) // 2
        if await value(steps[:middle]) > 0:
            sound = middle
        else:
            broken = middle
    return broken - 1


async def search(draw: Draw, plan: Plan) -> Tree:
    """The tree of one problem: the question's own value first, then one first error after the other."""
    tree = Tree()
    await tree.value((), draw)
    for _ in range(plan.searches):
        if not tree.wrong or tree.drawn >= plan.rollouts:
            break
        begun, steps = tree.chosen(plan)
        tree.visits[begun] = tree.visits.get(begun, 0) + 1
        broken = await first_wrong(begun, steps, partial(tree.value, draw=draw))
        tree.values.setdefault(steps[: broken + 1], 0.0)  # the whole solution, if no ending was asked for
    return tree


def chains(tree: Tree) -> list[Chain]:
    """Every distinct solution with the value of each of its steps: of the last, whether it is right; None where none was tried."""
    found = []
    for steps, correct in tree.solutions.items():
        values = [tree.values.get(steps[:size]) for size in range(1, len(steps))]
        if steps:
            found.append(Chain(steps, (*values, float(correct))))
    return found


async def label(problem: Problem, model: Model, k: int, plan: Plan, seed: int) -> Labelled:
    """A problem's tree of solutions by `model`, `k` endings from each beginning that is tried."""
    separator = problem.task.step
    assert isinstance(separator, str)  # these tasks' steps are lines

    async def draw(begun: Steps) -> list[Solution]:
        prefix = "".join(step + separator for step in begun)
        texts = [one.prefix + one.text for one in await sample(model, ask(problem, prefix), k)]
        return [(cut(problem, text), right(problem, text)) for text in texts]

    with trace.tracing(Trace(seed)):
        return Labelled(problem.question, tuple(chains(await search(draw, plan))))
