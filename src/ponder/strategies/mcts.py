"""Monte Carlo tree search over the steps of a solution: UCT and PUCT, with values from rollouts or from a verifier."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TypeVar

from ponder import answers, trace
from ponder.errors import InputError, ModelError, VerifierError
from ponder.strategies import strategy
from ponder.strategies.draw import answer, marked, undecided
from ponder.strategies.steps import Path, check, draw_steps, score_paths, solution
from ponder.tree import Rule, Tree, back_up, expand, hold, lineage, puct, redraw, release, room, select, uct
from ponder.types import Answer, Candidate, Model, Problem, Score, Verifier

T = TypeVar("T")

Judge = Callable[["Search", list[Path]], Awaitable[list[Path]]]
"""Paths -> as many judged paths, whose scores are the values: the paths themselves, or the rollouts from them."""


@dataclass(slots=True)
class Search:
    """A tree whose node i stands for `paths[i]`; `asked` counts by node the draws of children, made or under way.

    `finished` are the solutions found, each beside the node at which, or from which, it ended.
    """

    problem: Problem
    model: Model
    judge: Judge
    rule: Rule
    room: Callable[[int], int]
    tree: Tree = field(default_factory=Tree)
    paths: list[Path] = field(default_factory=lambda: [Path()])
    asked: list[int] = field(default_factory=lambda: [0])
    finished: list[tuple[int, Candidate]] = field(default_factory=list)
    error: str | None = None

    def grows(self, node: int) -> bool:
        return not self.paths[node].ended and self.asked[node] < self.room(self.tree.visits[node])

    async def round(self, simulations: int) -> int:
        """Make up to so many simulations at once, at least one, and return how many. A later one makes up for a draw that fails."""
        chosen = self._choose(simulations)
        growing = [node for node in chosen if not self.paths[node].ended]
        drawn = await draw_steps(self.problem, self.model, [self.paths[node] for node in growing]) if growing else []
        reached = [node for node in chosen if self.paths[node].ended]
        for parent, path in zip(growing, drawn, strict=True):
            if path.error is None:
                reached.append(self._adopt(parent, path))
            else:
                self.asked[parent] -= 1
                self.error = self.error or path.error
        values = await self._values(reached)
        for node in chosen:
            release(self.tree, node)
        for node, value in zip(reached, values, strict=True):
            if value is not None:
                back_up(self.tree, node, value)
        return len(chosen)

    def _choose(self, simulations: int) -> list[int]:
        """Where the next simulations go; fewer than asked for, where the way leads to a node whose children are all being drawn."""
        chosen: list[int] = []
        while len(chosen) < simulations:
            node = select(self.tree, self.rule, self.grows)
            if not self.paths[node].ended:
                if not self.grows(node):
                    break
                self.asked[node] += 1
            hold(self.tree, node)
            chosen.append(node)
        return chosen

    def _adopt(self, parent: int, path: Path) -> int:
        """The node of a path just drawn: a new one, or that of a sibling with the same text."""
        for child in self.tree.children[parent]:
            if (self.paths[child].text, self.paths[child].ended) == (path.text, path.ended):
                return redraw(self.tree, child)
        self.paths.append(path)
        self.asked.append(0)
        return expand(self.tree, parent)

    async def _values(self, nodes: Sequence[int]) -> list[float | None]:
        """The nodes' values: as known, or judged now. What ends in being judged is finished."""
        new = list(dict.fromkeys(node for node in nodes if self.paths[node].score is None))
        judged = dict(zip(new, await self.judge(self, [self.paths[node] for node in new]), strict=True)) if new else {}
        for node, path in judged.items():
            if path.text == self.paths[node].text:
                self.paths[node] = path
            self.finish(node, path)
        scores = [(judged.get(node) or self.paths[node]).score for node in nodes]
        return [None if score is None else score.value for score in scores]

    def finish(self, node: int, path: Path) -> None:
        """Keep a path that has ended, and let the failure of another be known."""
        if path.error is not None:
            self.error = self.error or path.error
        elif path.ended:
            self.finished.append((node, solution(self.problem, path, len(self.finished))))


async def by_verifier(verifier: Verifier, aggregate: str, search: Search, paths: list[Path]) -> list[Path]:
    """The verifier's scores of the paths so far. Raises `VerifierError` if it can judge none of the first."""
    judged = await score_paths(verifier, search.problem, paths, aggregate)
    live = [path.score for path in judged if not path.ended and path.score is not None]
    if live and not search.tree.visits[0] and all(score.value is None for score in live):
        raise VerifierError(
            f"`{verifier.name}` cannot judge unfinished solutions: {live[0].error or 'it does not say'}; "
            f"take one that can, such as a process reward model, or value=rollout"
        )
    return judged


async def by_rollout(verifier: Verifier, aggregate: str, search: Search, paths: list[Path]) -> list[Path]:
    """The verifier's scores of the solutions that the model makes of the paths."""
    return await score_paths(verifier, search.problem, await rollouts(search, paths), aggregate)


async def by_agreement(search: Search, paths: list[Path]) -> list[Path]:
    """Rollouts, each scored by the share of all solutions so far that have its answer (0 without one): self-consistency."""
    ended = await rollouts(search, paths)
    earlier = [candidate.answer for _, candidate in search.finished]
    given = [None if path.error else search.problem.task.extract(search.problem, path.text) for path in ended]
    votes = Counter(search.problem.task.canonical(answer) for answer in earlier + given if answer is not None)
    voters = len(earlier) + sum(path.error is None for path in ended)
    return [
        path if path.error else _agreed(path, 0.0 if answer is None else votes[search.problem.task.canonical(answer)] / voters)
        for path, answer in zip(ended, given, strict=True)
    ]


def _agreed(path: Path, share: float) -> Path:
    trace.current().record("scored", path.event, verifier="agreement", value=share, steps=(), error=None)
    return replace(path, score=Score(share))


async def rollouts(search: Search, paths: list[Path]) -> list[Path]:
    """The paths, those that have not ended brought to their end by the model, all at once."""
    live = [path for path in paths if not path.ended]
    ends = iter(await draw_steps(search.problem, search.model, live, whole=True) if live else [])
    return [path if path.ended else next(ends) for path in paths]


Final = Callable[[Search, Callable[[str], str]], Candidate | None]


def most_visited(search: Search, canonical: Callable[[str], str]) -> Candidate | None:  # noqa: ARG001 - a `Final`
    """The solution at the end of the most visited way from the root that has one; of several there, the best."""

    def rank(found: tuple[int, Candidate]) -> tuple[list[int], float]:
        node, candidate = found
        way = [search.tree.visits[one] for one in lineage(search.tree, node)]
        return way[::-1], -1.0 if candidate.value is None else candidate.value

    return max(search.finished, key=rank)[1] if search.finished else None


def best(search: Search, canonical: Callable[[str], str]) -> Candidate | None:  # noqa: ARG001 - a `Final`
    """The solution with the highest score."""
    return answers.best(candidate for _, candidate in search.finished)


def vote(search: Search, canonical: Callable[[str], str]) -> Candidate | None:
    """The answer with the greatest sum of scores among all solutions found."""
    return answers.weighted((candidate for _, candidate in search.finished), canonical)


_RULES: dict[str, Callable[..., float]] = {"uct": uct, "puct": puct}
_VALUES = {"verifier": by_verifier, "rollout": by_rollout}
_FINALS: dict[str, Final] = {"visits": most_visited, "best": best, "vote": vote}


async def run(search: Search, simulations: int, at_once: int, final: Final, verifier: Verifier | None = None) -> Answer:
    """So many simulations, then the choice of `final`, which after each round is the anytime answer.

    If no path has ended by then, the most visited one is brought to its end. Raises `ModelError` if there is no solution at all,
    `VerifierError` if none could be judged.
    """
    check("last", simulations=simulations, at_once=at_once)
    canonical = cache(search.problem.task.canonical)
    while simulations > 0:
        simulations -= await search.round(min(at_once, simulations))
        _lead(search, final(search, canonical))
        await asyncio.sleep(0)  # a round that met only ended paths has awaited nothing
    if not search.finished:
        leaf = select(search.tree, lambda tree, child: tree.visits[child], lambda _: False)
        [path] = await search.judge(search, await rollouts(search, [search.paths[leaf]]))
        search.finish(leaf, path)
    if not search.finished:
        raise ModelError(f"no path came to its end; the first that failed did so because: {search.error}")
    return marked(_lead(search, final(search, canonical)) or undecided([found for _, found in search.finished], verifier))


def _lead(search: Search, chosen: Candidate | None) -> Answer | None:
    return trace.lead(answer(chosen, [candidate for _, candidate in search.finished])) if chosen else None


def _named(what: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise InputError(f"`{what}` is one of {', '.join(known)}, and not {name!r}")
    return known[name]


@strategy("mcts", paper="Kocsis 2006; PUCT: Silver 2017", needs=("verifier", "continues"))
async def mcts(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    simulations: int = 64,
    at_once: int = 8,
    rule: str = "uct",
    c: float = 1.0,
    width: int = 4,
    widening: float = 0.0,
    value: str = "verifier",
    aggregate: str = "last",
    final: str = "best",
) -> Answer:
    """Monte Carlo tree search over steps (UCT: Kocsis & Szepesvári 2006; PUCT: Silver et al. 2017).

    Each simulation goes down by `rule` (`uct` or `puct`, exploration `c`) to a node that has fewer than `width` children, or
    width × N^`widening` (Coulom 2007), draws one more step there, and backs up its value: the verifier's score of the prefix
    (`value` "verifier", for process reward models), or of one rollout from it ("rollout"). `at_once` simulations run together,
    kept apart by virtual losses. `final` chooses among the solutions found: at the end of the most visited way ("visits"), the
    "best", or by a score-weighted "vote".

    Departs: a child is drawn and judged at a time, where others draw all; a step drawn again strengthens its sibling's prior
    instead of standing twice; an ended path is never drawn from again, its value is backed up as often as it is visited.
    """
    check(aggregate, width=width)
    weigh = partial(_named("rule", rule, _RULES), c=c)
    judge = partial(_named("value", value, _VALUES), verifier, aggregate)
    search = Search(problem, model, judge, weigh, partial(room, width=width, widening=widening))
    return await run(search, simulations, at_once, _named("final", final, _FINALS), verifier)


@strategy("alphamath", paper="Chen 2024 (AlphaMath)", needs=("verifier", "continues"))
async def alphamath(problem: Problem, model: Model, verifier: Verifier, *, simulations: int = 200, c: float = 0.625) -> Answer:
    """MCTS by PUCT with a verifier's value of each prefix, 5 children a node (AlphaMath Almost Zero, Chen et al. 2024).

    The verifier stands for the value head. 40 iterations of 5 children are 200 simulations of one. c is half of the paper's 1.25,
    because values lie in [0, 1] and not in [-1, 1]. Departs: the prior of a step is its share of the draws, not exp of its mean
    log-probability; the five children of a node are not all drawn before the first is gone on from.
    """
    search = Search(problem, model, partial(by_verifier, verifier, "last"), partial(puct, c=c), partial(room, width=5))
    return await run(search, simulations, 5, best, verifier)


@strategy("rstar", paper="Qi 2024 (rStar)", needs=("continues",))
async def rstar(problem: Problem, model: Model, *, simulations: int = 32, c: float = 2.0) -> Answer:
    """MCTS by UCT whose rewards are the agreement of rollouts, without any verifier (the generator of rStar, Qi et al. 2024).

    A solution's reward is the share of all solutions so far that give its answer. Departs: of the paper's five actions there are
    two, the next step and the rest of the solution, and a node has 5 steps drawn; the second model that would choose among the
    solutions is left out, they vote.
    """
    search = Search(problem, model, by_agreement, partial(uct, c=c), partial(room, width=5))
    return await run(search, simulations, 8, vote)
