"""PlanSearch: ideas are drawn and combined, and each plan that comes of them is written out as a program."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations
from random import Random

from ponder import answers, trace
from ponder.errors import BudgetExhausted, ModelError
from ponder.models.sample import together
from ponder.strategies import strategy
from ponder.strategies.attempts import reply
from ponder.strategies.draw import answer, ask, judge, marked, refused, undecided
from ponder.strategies.steps import check
from ponder.types import Answer, Candidate, Message, Model, Problem, Request, Sample, Verifier
from ponder.verifiers.code import shown

Observations = tuple[str, ...]

_LIST = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+(.*\S)", re.MULTILINE)
_KNOWN = "What is known to be useful:\n{}\n\n"
_OBSERVE = (
    "Do not solve it yet. Write a list of {count} different, not obvious and useful observations about this problem, "
    "each on a line that begins with `- `, and nothing else."
)
_PLAN = "Write no program yet. Describe in words a plan that solves this problem{following}, and every step of it."
_ANOTHER = "This plan is wrong. Say what is wrong with it, and describe another plan that solves the problem in a different way."
_CODE = "Follow this plan:\n\n{plan}"


@strategy("plan-search", paper="Wang 2024 (PlanSearch)")
async def plan_search(
    problem: Problem, model: Model, verifier: Verifier | None, *, observations: int = 5, plans: int = 8
) -> Answer:
    """Draw observations, combine them, draw observations on these, and write out `2 * plans` different plans (Wang et al. 2024).

    Every set of at most two of the first `observations` gets observations of its own, of which again every set of at most two makes
    one leaf with it. For `plans` leaves, drawn at random, the model writes a plan, and another one on being told that the first
    is wrong; each is followed by a program. The verifier chooses the best program; without one, the examples that the problem
    shows choose, and where it shows none, the programs vote. Ties go to the earliest.

    Published: 10 observations, all leaves, temperature .9. Departs: only as many first sets grow as there are `plans`; no step of
    pseudocode; observations are read from one draw, where the published code has the model list, filter and format them.
    """
    check("last", observations=observations, plans=plans)
    dice = Random(repr((trace.current().seed, problem.id)))
    root = await _observe(problem, model, _Node(), observations)
    grown = _some(dice, [_Node(chosen, root.event) for chosen in subsets(root.found)], plans)
    nodes = await together(_observe(problem, model, node, observations) for node in grown)
    leaves = {frozenset(path): _Node(path, node.event) for node in nodes for path in _paths(node)}
    written = _Written(problem, verifier or shown(problem))
    await together(
        _write(problem, model, leaf, 2 * number, written) for number, leaf in enumerate(_some(dice, list(leaves.values()), plans))
    )
    return written.answer()


def subsets(observations: Sequence[str]) -> list[Observations]:
    """Every set of at most two: 1 + 10 + 45 = 56 of 10."""
    return [chosen for size in range(3) for chosen in combinations(observations, size)]


@dataclass(frozen=True, slots=True)
class _Node:
    """The observations `held`, and those `found` when the model saw them, in the draw `event`."""

    held: Observations = ()
    event: int | None = None
    found: Observations = ()


def _paths(node: _Node) -> list[Observations]:
    return [tuple(dict.fromkeys((*node.held, *more))) for more in subsets(node.found)]


def _some(dice: Random, nodes: Sequence[_Node], count: int) -> list[_Node]:
    return dice.sample(nodes, min(count, len(nodes)))


async def _observe(problem: Problem, model: Model, node: _Node, count: int) -> _Node:
    """The node with at most `count` different observations; a failed draw finds none."""
    asked = _asked(problem, _known(node) + _OBSERVE.format(count=count))
    try:
        drawn = await reply(model, asked, parent=node.event)
    except ModelError:
        return node
    listed = _LIST.findall(drawn.text) or [line.strip() for line in drawn.text.splitlines() if line.strip()]
    found = tuple(dict.fromkeys(listed))[:count]
    trace.current().record("observed", drawn.event, held=node.held, found=found)
    return replace(node, event=drawn.event, found=found)


async def _write(problem: Problem, model: Model, leaf: _Node, number: int, written: _Written) -> None:
    """Two plans of the leaf, and the program that follows each, as candidates `number` and `number + 1`."""
    asked = _asked(problem, _known(leaf) + _PLAN.format(following=" and uses what is known" if leaf.held else ""))

    async def another(plan: Sample) -> None:
        turns = (*asked.messages, Message("assistant", plan.text), Message("user", _ANOTHER))
        with written.losing():
            second = await reply(model, replace(asked, messages=turns), parent=plan.event)
            await _follow(problem, model, second, number + 1, written)

    with written.losing():
        plan = await reply(model, asked, parent=leaf.event)
        await together((_follow(problem, model, plan, number, written), another(plan)))


async def _follow(problem: Problem, model: Model, plan: Sample, number: int, written: _Written) -> None:
    *before, last = problem.messages
    told = Message(last.role, f"{last.content}\n\n{_CODE.format(plan=plan.text)}")
    with written.losing():
        drawn = await reply(model, replace(ask(problem), messages=(*before, told)), parent=plan.event)
        await written.add(Candidate(replace(drawn, index=number), problem.task.extract(problem, drawn.text)))


def _asked(problem: Problem, how: str) -> Request:
    return replace(ask(problem), messages=(Message("user", f"{problem.question}\n\n{how}"),), stop=())


def _known(node: _Node) -> str:
    return _KNOWN.format("\n".join(f"- {one}" for one in node.held)) if node.held else ""


@dataclass
class _Written:
    """The programs so far; the choice among them is the anytime answer."""

    problem: Problem
    verifier: Verifier | None
    failure: ModelError | BudgetExhausted | None = None
    candidates: list[Candidate] = field(default_factory=list)

    @contextmanager
    def losing(self) -> Iterator[None]:
        """A draw that fails, or that the budget refuses, loses the programs that would have come of it, and no others."""
        try:
            yield
        except (ModelError, BudgetExhausted) as failure:
            self.failure = self.failure or failure

    async def add(self, candidate: Candidate) -> None:
        self.candidates.append(await judge(self.problem, candidate, self.verifier) if self.verifier else candidate)
        if chosen := self.chosen():
            trace.lead(answer(chosen, self.candidates))

    def chosen(self) -> Candidate | None:
        if self.verifier is not None:
            return answers.best(self.candidates)
        return answers.majority(self.candidates, functools.cache(self.problem.task.canonical))

    def answer(self) -> Answer:
        """Raises what kept every program from being written."""
        if not self.candidates:
            raise refused() or self.failure or ModelError("no plan was written")
        chosen = self.chosen()
        return marked(answer(chosen, self.candidates) if chosen else undecided(self.candidates, self.verifier))
