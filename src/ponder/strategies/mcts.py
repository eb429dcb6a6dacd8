"""Monte Carlo tree search over the steps of a solution: UCT and PUCT, and the published choices of parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import sqrt
from typing import TypeVar

from ponder.errors import InputError
from ponder.strategies import strategy
from ponder.strategies.simulation import (
    Final,
    Search,
    best,
    best_future,
    by_agreement,
    by_confidence,
    by_itself,
    by_rollout,
    by_verifier,
    most_visited,
    run,
    vote,
    with_lessons,
)
from ponder.strategies.steps import check
from ponder.tree import puct, room, uct
from ponder.types import Answer, Model, Problem, Verifier
from ponder.verifiers.judge import Judge

T = TypeVar("T")

_HELPS = (
    "The solution may be unfinished: judge its last step. It must be right, follow from what stands before it, and bring the "
    "answer nearer. A wrong step gets 0, a right one that leads nowhere at most 3."
)
_HOPEFUL = (
    "The solution may be unfinished: judge how likely it is to lead to the right answer as it stands. One that holds a mistake "
    "gets no more than 1."
)

_RULES: dict[str, Callable[..., float]] = {"uct": uct, "puct": puct}
_VALUES = {"verifier": by_verifier, "rollout": by_rollout}
_FINALS: dict[str, Final] = {"visits": most_visited, "best": best, "vote": vote}


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
    (`value` "verifier", for process reward models), of one rollout from it ("rollout"), or of a solution while unfinished paths are
    graded by the model itself ("self"). `at_once` simulations run together,
    kept apart by virtual losses. `final` chooses among the solutions found: at the end of the most visited way ("visits"), the
    "best", or by a score-weighted "vote".

    Departs: a child is drawn and judged at a time, where others draw all; a step drawn again strengthens its sibling's prior
    instead of standing twice; an ended path is never drawn from again, its value is backed up as often as it is visited.
    """
    check(aggregate, width=width)
    weigh = partial(_named("rule", rule, _RULES), c=c)
    judge = partial(_named("value", value, _VALUES | {"self": partial(by_itself, Judge(model, _HOPEFUL))}), verifier, aggregate)
    search = Search(problem, model, judge, weigh, partial(room, width=width, widening=widening))
    return await run(search, simulations, at_once, _named("final", final, _FINALS), verifier)


@strategy("alphamath", paper="Chen 2024 (AlphaMath)", needs=("verifier", "continues"))
async def alphamath(problem: Problem, model: Model, verifier: Verifier, *, simulations: int = 200, c: float = 0.625) -> Answer:
    """MCTS by PUCT with a verifier's value of each prefix, 5 children a node (AlphaMath Almost Zero, Chen et al. 2024).

    The verifier stands for the value head. 40 iterations of 5 children are 200 simulations of one; the last of 8 steps goes to the
    end. A step's prior is exp of its mean log-probability; where the model gives none, its share of the draws. c is half of the
    paper's 1.25, because values lie in [0, 1] and not in [-1, 1]. Departs: the five children of a node are not all drawn before the
    first is gone on from.
    """
    judge = partial(by_verifier, verifier, "last")
    search = Search(problem, model, judge, partial(puct, c=c), partial(room, width=5), likely=True, depth=8)
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


@strategy("rap", paper="Hao 2023 (RAP)", needs=("continues",))
async def rap(
    problem: Problem, model: Model, *, simulations: int = 40, c: float = 1.0, width: int = 4, depth: int = 5, votes: int = 1
) -> Answer:
    """MCTS by UCT whose rewards are the model's own opinion of each step and its confidence in it (RAP, Hao et al. 2023).

    reward = useful^.5 confidence^.5; a node is worth the best mean reward of a way on from it; the solutions vote by their rewards.
    `useful` is the mean of `votes` grades that the model gives. 10 iterations of 4 actions are 40 simulations of one, and in each
    the best new path is written to its end; the last of `depth` steps goes there too. Departs: a step is a sub-question and its
    answer in one, so the confidence is exp of its mean log-probability, where RAP draws the answer eight times.
    """
    check("last", width=width, depth=depth, votes=votes)
    judge = partial(by_confidence, Judge(model, _HELPS, votes=votes))
    limits = partial(room, width=width)
    search = Search(problem, model, judge, partial(uct, c=c), limits, back_up=best_future, depth=depth, likely=True, ends=True)
    return await run(search, simulations, 4, vote)


@strategy("lats", paper="Zhou 2023 (LATS)", needs=("verifier", "continues"))
async def lats(
    problem: Problem, model: Model, verifier: Verifier, *, simulations: int = 150, width: int = 5, depth: int = 7, votes: int = 1
) -> Answer:
    """MCTS by UCT that grades unfinished paths itself, and tells later draws what earlier failures taught (LATS, Zhou et al. 2023).

    Unfinished paths are worth the mean of `votes` grades that the model gives them, solutions what the verifier says; c = sqrt 2.
    Of a solution that is worth less than 1 the model says what went wrong, and the latest three such lessons stand below the
    question. A solution worth 1 ends the search. 30 iterations of 5 children are 150 simulations of one, and in each the best new
    path is written to its end; the last of `depth` steps goes there too. Departs: the value is the grade alone, without a share of
    self-consistency; a failure is worth 0 and not -1.
    """
    check("last", width=width, depth=depth, votes=votes)
    judge = with_lessons(partial(by_itself, Judge(model, _HOPEFUL, votes=votes), verifier, "last"))
    limits = partial(room, width=width)
    search = Search(problem, model, judge, partial(uct, c=sqrt(2)), limits, depth=depth, enough=1.0, ends=True)
    return await run(search, simulations, 5, best, verifier)
