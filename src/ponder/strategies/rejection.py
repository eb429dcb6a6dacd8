"""Best-of-n that gives up on the way: solutions which promise least are not written to their end."""

from __future__ import annotations

from dataclasses import replace

from ponder.errors import InputError
from ponder.strategies import strategy
from ponder.strategies.parallel import best
from ponder.strategies.steps import Leaves, Path, check, draw_steps, prune, score_paths
from ponder.types import Answer, Model, Problem, Verifier


@strategy("speculative-rejection", paper="Sun 2024", needs=("verifier", "continues"))
async def speculative_rejection(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    n: int = 16,
    alpha: float = 0.5,
    every: int = 32,
    aggregate: str = "last",
) -> Answer:
    """Write `n` solutions side by side, drop the worst share `alpha` of them every so many tokens, and return the best (Sun 2024).

    At each checkpoint the verifier scores what there is of each, and the solutions that stay are continued from their prefixes. One
    that has ended leaves with its score. Of solutions of T stretches that is the sum over t < T of n (1 - alpha)^t stretches, where
    best-of-n writes n T. Departs from the paper: a checkpoint comes after `every` tokens, not when the engine's memory is full,
    which no endpoint tells; of few solutions a whole number is dropped, rounded down.
    """
    check(aggregate, alpha=alpha, every=every)
    if alpha >= 1:
        raise InputError(f"`alpha` is the share of the solutions that is dropped at a checkpoint: {alpha!r} leaves none; give less")
    stretched = replace(problem, task=replace(problem.task, step=every))
    leaves = Leaves(problem, verifier, best)
    paths = await draw_steps(stretched, model, [Path()], n)
    while paths:
        scored = await score_paths(verifier, stretched, paths, aggregate)
        live = sorted(leaves.offer(scored), key=lambda path: path.value, reverse=True)
        kept = len(live) - int(alpha * len(live) + 1e-9)
        prune(live[kept:])
        paths = await draw_steps(stretched, model, live[:kept])
    return leaves.answer()
