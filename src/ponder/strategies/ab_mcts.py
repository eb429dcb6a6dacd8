"""AB-MCTS: whether to go wider, with a fresh solution, or deeper, with a better version of one, decided by Thompson sampling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

from ponder import answers, trace
from ponder.errors import InputError, ModelError
from ponder.mixed import predict
from ponder.strategies import strategy
from ponder.strategies.attempts import IMPROVE
from ponder.strategies.draw import answer, undecided
from ponder.strategies.others import others
from ponder.strategies.steps import Path, check, draw_steps, score_paths, solution
from ponder.thompson import Arms, Moments, Posterior, beta, gaussian
from ponder.tree import Tree, back_up, expand, lineage
from ponder.types import Answer, Candidate, Message, Model, Problem, Verifier


@dataclass(slots=True)
class Branches:
    """What a node knows of its children: `fresh` their own scores (GEN), `deeper` those of all nodes below them (CONT).

    `arms` holds for each child its own score and those below it.
    """

    fresh: Moments = field(default_factory=Moments)
    deeper: Moments = field(default_factory=Moments)
    arms: Arms = field(default_factory=Arms)


Descend = Callable[[Branches, Random], int | None]
"""Deeper, to which child of a node that has some; or None: wider, with a new one."""


def aggregated(posterior: Posterior) -> Descend:
    """AB-MCTS-A: GEN and CONT draw from their posteriors, and if CONT wins, so do the children."""

    def descend(here: Branches, rng: Random) -> int | None:
        if posterior(here.fresh, rng.random()) >= posterior(here.deeper, rng.random()):
            return None
        return here.arms.pick(posterior, rng)

    return descend


def mixed(here: Branches, rng: Random) -> int | None:
    """AB-MCTS-M: the highest draw of a mixed model, of which each child with what is below it is a group, and a new one another."""
    drawn = predict(here.arms.seen, rng)
    highest = drawn.index(max(drawn))
    return highest if highest < len(here.arms.seen) else None


class Adaptive:
    """A tree whose branching adapts to the scores; node 0 stands for the question."""

    def __init__(self, descend: Descend, rng: Random) -> None:
        self.tree = Tree()
        self._descend, self._rng = descend, rng
        self._branches = [Branches()]
        self._arm = [-1]

    def choose(self) -> int:
        """The node to give a child."""
        node = 0
        while self.tree.children[node]:
            arm = self._descend(self._branches[node], self._rng)
            if arm is None:
                break
            node = self.tree.children[node][arm]
        return node

    def add(self, parent: int, score: float) -> int:
        """A child of `parent` with this score, of which `parent` and all its ancestors learn, each once."""
        child = expand(self.tree, parent)
        back_up(self.tree, child, score)
        self._branches.append(Branches())
        self._arm.append(self._branches[parent].arms.add(score))
        self._branches[parent].fresh.add(score)
        for below, above in pairwise(lineage(self.tree, parent)):
            self._branches[above].arms.observe(self._arm[below], score)
            self._branches[above].deeper.add(score)
        return child


_POSTERIORS: dict[str, Callable[[], Posterior]] = {"gaussian": gaussian, "beta": beta, "mixed": gaussian}


@strategy("ab-mcts", paper="Inoue 2025", needs=("verifier",))
async def ab_mcts(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    n: int = 32,
    at_once: int = 4,
    posterior: str = "gaussian",
    also: str = "",
) -> Answer:
    """Wider or deeper by Thompson sampling: adaptive-branching MCTS (AB-MCTS-A and AB-MCTS-M, Inoue et al. 2025).

    Draws `n` solutions, each a fresh one or a revision of an earlier one, which the model is shown as its own answer; the highest
    score wins. The `posterior` is that of node aggregation, "gaussian" (normal-inverse-χ²) or "beta", or the "mixed" model. Models
    that stand in `also`, names joined by "+", draw too: which one is next is Thompson's choice by the scores that each has had
    anywhere in the tree (with "mixed", by the gaussian posterior).

    Departs: `at_once` nodes are chosen from the same posteriors and drawn together, so the shape does not depend on which is done
    first; a solution that fails, or that the verifier cannot judge, enters no posterior; the mixed model is integrated on a grid,
    not by a Markov chain, and no subtree is pruned.
    """
    if posterior not in _POSTERIORS:
        raise InputError(f"`posterior` is one of {', '.join(_POSTERIORS)}, and not {posterior!r}")
    check("last", at_once=at_once)
    async with others(also) as several:
        if model.name in several:
            raise InputError(f"`also` names `{model.name}`, which draws already; name other models, joined by +")
        team = Team({model.name: model} | several, _POSTERIORS[posterior](), Random(trace.current().seed))
        adaptive = Adaptive(mixed if posterior == "mixed" else aggregated(team.posterior), team.rng)
        return await _grow(problem, team, verifier, adaptive, n, at_once)


@dataclass(frozen=True, slots=True)
class Team:
    """The models by name, and the scores that each has had (`seen`)."""

    models: Mapping[str, Model]
    posterior: Posterior
    rng: Random
    seen: dict[str, Moments] = field(default_factory=dict)

    def pick(self) -> str:
        """The model whose expected score, drawn from its posterior, is the highest."""
        if len(self.models) == 1:
            return next(iter(self.models))
        return max(self.models, key=lambda name: self.posterior(self.seen.get(name, Moments()), self.rng.random()))


async def _grow(problem: Problem, team: Team, verifier: Verifier, adaptive: Adaptive, n: int, at_once: int) -> Answer:
    versions, found, leading, error = [Path()], list[Candidate](), None, None
    for begun in range(0, n, at_once):
        chosen = [(adaptive.choose(), team.pick()) for _ in range(min(at_once, n - begun))]
        calls = (_version(problem, team.models[name], versions[parent]) for parent, name in chosen)
        drawn = await asyncio.gather(*calls, return_exceptions=True)
        error = error or next((path.error for path in drawn if isinstance(path, Path) and path.error is not None), None)
        sound = [(*one, path) for one, path in zip(chosen, drawn, strict=True) if isinstance(path, Path) and path.error is None]
        for (parent, name, _), path in zip(sound, await score_paths(verifier, problem, [path for *_, path in sound]), strict=True):
            found.append(solution(problem, path, len(found)))
            trace.current().record("acted", path.event, model=name)
            if found[-1].value is not None:
                adaptive.add(parent, found[-1].value)
                team.seen.setdefault(name, Moments()).add(found[-1].value)
                versions.append(path)
        if best := answers.best(found):
            leading = trace.lead(answer(best, found))
        for failure in drawn:
            if isinstance(failure, BaseException):
                raise failure
    if not found:
        raise ModelError(f"all {n} draws from `{' + '.join(team.models)}` failed; the first because: {error}")
    return leading or undecided(found, verifier)


async def _version(problem: Problem, model: Model, parent: Path) -> Path:
    """A fresh solution, or a revision of the one that `parent` holds."""
    if parent.text:
        turns = Message("assistant", parent.text), Message("user", IMPROVE)
        problem = replace(problem, messages=(*problem.messages, *turns))
    [path] = await draw_steps(problem, model, [Path(event=parent.event)], whole=True)
    return path
