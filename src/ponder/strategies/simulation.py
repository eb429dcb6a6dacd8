"""The parts of a Monte Carlo tree search over the steps of a solution: the search itself, its values, and its final choices."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import inf

from ponder import answers, trace
from ponder.errors import ModelError, VerifierError
from ponder.models.sample import together
from ponder.strategies.attempts import asking, remark
from ponder.strategies.draw import answer, marked, scored, undecided
from ponder.strategies.steps import Path, check, draw_steps, score_paths, solution
from ponder.tree import Rule, Tree, back_up, back_up_best, expand, hold, lineage, redraw, release, select
from ponder.types import Answer, Candidate, Model, Problem, Request, Score, Verifier
from ponder.verifiers.evidence import Evidence

Judge = Callable[["Search", list[Path]], Awaitable[list[Path]]]
"""Paths -> as many judged paths, whose scores are the values: the paths themselves, or the rollouts from them."""


_LESSONS = 3  # the latest, that are told
_BEWARE = "Earlier attempts went wrong. What was learnt from them:"
_REFLECT = (
    "This solution is wrong. Say in one or two sentences what went wrong and what to do instead. Do not solve the problem again."
)


@dataclass(slots=True)
class Search:
    """A tree whose node i stands for `paths[i]`; `asked` counts by node the draws of children, made or under way.

    `finished` are the solutions found, each beside the node at which, or from which, it ended. The last of `depth` steps goes to
    the end; with `ends` each round also writes the best of its new paths to its end, as one more child. A solution of value
    `enough` ends the search. With `likely` a step's prior is how likely the model finds it, where it says so. `lessons`, of
    failures, are told with the problem.
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
    back_up: Callable[[Search, int, float], None] = lambda search, node, value: back_up(search.tree, node, value)
    depth: float = inf
    enough: float = inf
    likely: bool = False
    ends: bool = False
    lessons: list[str] = field(default_factory=list)

    @property
    def solved(self) -> bool:
        return any(candidate.value is not None and candidate.value >= self.enough for _, candidate in self.finished)

    @property
    def told(self) -> Problem:
        """The problem, with the latest lessons below its question."""
        if not self.lessons:
            return self.problem
        *before, last = self.problem.messages
        notes = "\n".join(f"- {lesson}" for lesson in self.lessons[-_LESSONS:])
        return replace(self.problem, messages=(*before, replace(last, content=f"{last.content}\n\n{_BEWARE}\n{notes}")))

    def grows(self, node: int) -> bool:
        return not self.paths[node].ended and self.asked[node] < self.room(self.tree.visits[node])

    async def round(self, simulations: int) -> int:
        """Make up to so many simulations at once, at least one, and return how many. A later one makes up for a draw that fails."""
        chosen = self._choose(simulations)
        growing = [node for node in chosen if not self.paths[node].ended]
        drawn = await self._grow([self.paths[node] for node in growing])
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
                self.back_up(self, node, value)
        going = [node for node in dict.fromkeys(reached) if self.grows(node) and _known(self.paths[node])]
        if self.ends and going:
            await self._end(max(going, key=lambda node: self.paths[node].value))
        return len(chosen)

    async def _end(self, node: int) -> None:
        [path] = await draw_steps(self.told, self.model, [self.paths[node]], whole=True, logprobs=self.likely)
        if path.error is None:
            self.asked[node] += 1
            child = self._adopt(node, path)
            [value] = await self._values([child])
            if value is not None:
                self.back_up(self, child, value)

    async def _grow(self, paths: list[Path]) -> list[Path]:
        """One more step of each path; of those that have but one left, the rest."""
        last = [len(path.steps) + 1 >= self.depth for path in paths]
        ways = [[path for path, one in zip(paths, last, strict=True) if one == whole] for whole in (False, True)]
        drawn = [
            iter(await draw_steps(self.told, self.model, way, whole=whole, logprobs=self.likely) if way else [])
            for whole, way in zip((False, True), ways, strict=True)
        ]
        return [next(drawn[one]) for one in last]

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
        return expand(self.tree, parent, path.likelihood)

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
        path
        if path.error
        else _scored(path, "agreement", "vote", 0.0 if answer is None else votes[search.problem.task.canonical(answer)] / voters)
        for path, answer in zip(ended, given, strict=True)
    ]


def _scored(path: Path, by: str, said: Evidence, value: float) -> Path:
    score = Score(value)
    scored(path.event, by, said, score)
    return replace(path, score=score)


async def by_itself(judge: Verifier, verifier: Verifier, aggregate: str, search: Search, paths: list[Path]) -> list[Path]:
    """The verifier's scores of the solutions, and of the paths so far the model's own opinion (`judge`)."""
    ended = iter(await score_paths(verifier, search.problem, [path for path in paths if path.ended], aggregate))
    going = iter(await by_verifier(judge, aggregate, search, [path for path in paths if not path.ended]))
    return [next(ended if path.ended else going) for path in paths]


async def by_confidence(judge: Verifier, search: Search, paths: list[Path]) -> list[Path]:
    """(usefulness x confidence)^1/2: the model's own opinion, and how likely it found the step (RAP's reward, both weights 1/2).

    Where the model gives no log-probabilities, its opinion alone.
    """
    judged = await by_verifier(judge, "last", search, paths)
    return [_weighed(path) for path in judged]


def _known(path: Path) -> bool:
    return path.score is not None and path.score.value is not None


def _weighed(path: Path) -> Path:
    if not _known(path) or path.likelihood is None:
        return path
    return _scored(path, "confidence", "model", (path.value * path.likelihood) ** 0.5)


def with_lessons(judge: Judge) -> Judge:
    """The values of `judge`; from each solution that is worth less than 1 a lesson is drawn for all later draws (LATS)."""

    async def learn(search: Search, paths: list[Path]) -> list[Path]:
        judged = await judge(search, paths)
        failed = [path for path in judged if path.ended and _known(path) and path.value < 1]
        found = [solution(search.problem, path, index) for index, path in enumerate(failed)]
        asked = [asking(search.problem, path.text, _REFLECT) for path in failed]
        said = await together(_lesson(search, *both) for both in zip(asked, found, strict=True))
        search.lessons += [one for one in dict.fromkeys(said) if one]
        return judged

    return learn


async def _lesson(search: Search, request: Request, failed: Candidate) -> str:
    try:
        return (await remark(search.model, request, failed)).strip()
    except ModelError:
        return ""  # the failed draw is in the trace; the search goes on without its lesson


def best_future(search: Search, node: int, value: float) -> None:  # noqa: ARG001 - the node's reward is its path's score
    """Backs up the best mean reward of a way on (RAP), which needs the scores of paths as rewards and no rollouts."""

    def reward(one: int) -> float | None:
        score = search.paths[one].score
        return None if score is None else score.value

    back_up_best(search.tree, node, reward)


async def rollouts(search: Search, paths: list[Path]) -> list[Path]:
    """The paths, those that have not ended brought to their end by the model, all at once."""
    live = [path for path in paths if not path.ended]
    ends = iter(await draw_steps(search.told, search.model, live, whole=True) if live else [])
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


async def run(search: Search, simulations: int, at_once: int, final: Final, verifier: Verifier | None = None) -> Answer:
    """So many simulations, then the choice of `final`, which after each round is the anytime answer.

    If no path has ended by then, the most visited one is brought to its end. Raises `ModelError` if there is no solution at all,
    `VerifierError` if none could be judged.
    """
    check("last", simulations=simulations, at_once=at_once)
    canonical = cache(search.problem.task.canonical)
    while simulations > 0 and not search.solved:
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
