"""REBASE: every prefix lives on, with as many continuations as its reward deserves."""

from ponder.search import apportion, softmax
from ponder.strategies import strategy
from ponder.strategies.steps import Leaves, Path, check, draw_steps, prune, score_paths
from ponder.types import Answer, Model, Problem, Verifier


@strategy("rebase", paper="Wu 2024", needs=("verifier", "continues"))
async def rebase(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    n: int = 16,
    balance: float = 0.2,
    depth: int = 25,
    aggregate: str = "last",
) -> Answer:
    """Share `n` next steps among all prefixes by softmax(reward / `balance`), and again (reward balanced search, Wu et al. 2024).

    A finished path takes its place with it, so a round costs `n` steps less the finished, and at most `n` paths vote, weighted.
    Departs from the reference code: the places are largest remainders and add up exactly, where rounding up in floating point
    gives too many; steps are sampled at the task's temperature.
    """
    check(aggregate, n=n, balance=balance, depth=depth)
    paths, places, leaves = [Path()], [n], Leaves(problem, verifier)
    for turn in range(1, depth + 1):
        grown = await draw_steps(problem, model, paths, places, whole=turn == depth)
        paths = leaves.offer(await score_paths(verifier, problem, grown, aggregate))
        if not paths:
            break
        places = apportion(n - len(leaves), softmax([path.value for path in paths], balance))
        prune(path for path, count in zip(paths, places, strict=True) if count == 0)
    return leaves.answer()
