"""Search guided by a process reward model, breadth-first: beam search, lookahead search, diverse verifier tree search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ponder.errors import InputError
from ponder.strategies import strategy
from ponder.strategies.steps import Leaves, Path, check, draw_steps, prune, roll, score_paths
from ponder.types import Answer, Model, Problem, Verifier


@strategy("beam", paper="Snell 2024, §5.1", needs=("verifier", "continues"))
async def beam(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    beams: int = 16,
    width: int = 4,
    depth: int = 40,
    aggregate: str = "last",
) -> Answer:
    """Keep the `beams / width` best prefixes, draw `width` next steps from each, and again (Snell et al. 2024, §5.1).

    A round costs `beams` steps, or fewer when fewer prefixes live; the last of `depth` rounds writes to the end. The answer is the
    weighted vote of the finished paths. Departs from the paper: a finished path leaves the beam at once and keeps its score, and
    the search is over when `beams` have finished; ties go to the earlier path.
    """
    return await _beam(problem, model, verifier, beams, width, depth, aggregate, ahead=0)


@strategy("lookahead", paper="Snell 2024, §5.1", needs=("verifier", "continues"))
async def lookahead(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    beams: int = 16,
    width: int = 4,
    k: int = 1,
    depth: int = 40,
    aggregate: str = "last",
) -> Answer:
    """Beam search that scores a prefix by where `k` greedy steps lead it (Snell et al. 2024, §5.1); with k=0 it is `beam`.

    A round costs `beams * (k + 1)` steps. Departs from the paper as `beam` does.
    """
    return await _beam(problem, model, verifier, beams, width, depth, aggregate, k)


@strategy("dvts", paper="Beeching 2024", needs=("verifier", "continues"))
async def dvts(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    beams: int = 16,
    width: int = 4,
    k: int = 0,
    depth: int = 40,
    aggregate: str = "last",
) -> Answer:
    """Grow `beams / width` independent trees, each from the best of its `width` next steps (Beeching et al. 2024).

    A tree is done when its best path has finished; the finished siblings of that last step vote, weighted. `k` greedy steps of
    lookahead as in `lookahead`. The trees advance side by side. Departs from the reference code: siblings that were cut off before
    their end do not vote.
    """
    trees = _kept(beams, width, depth, aggregate)
    paths, leaves = [Path()] * trees, Leaves(problem, verifier)
    for turn in range(1, depth + 1):
        grown = await draw_steps(problem, model, paths, width, whole=turn == depth)
        scored = await _foresee(problem, model, verifier, grown, aggregate, k)
        paths = [best for at in range(0, len(scored), width) for best in _advance(scored[at : at + width], leaves)]
        if not paths:
            break
    return leaves.answer()


def _advance(siblings: Sequence[Path], leaves: Leaves) -> list[Path]:
    """The path from which a tree grows on, or none: then its finished siblings are leaves."""
    judged = [path for path in siblings if path.score is not None and path.score.value is not None]
    best = max(judged, key=lambda path: path.value, default=None)
    if best is None or best.ended:
        prune(leaves.offer(siblings))
        return []
    prune(path for path in siblings if path is not best)
    return [best]


async def _beam(
    problem: Problem, model: Model, verifier: Verifier, beams: int, width: int, depth: int, aggregate: str, ahead: int
) -> Answer:
    kept = _kept(beams, width, depth, aggregate)
    paths, leaves = [Path()], Leaves(problem, verifier)
    for turn in range(1, depth + 1):
        grown = await draw_steps(problem, model, paths, beams if turn == 1 else width, whole=turn == depth)
        scored = await _foresee(problem, model, verifier, grown, aggregate, ahead)
        live = sorted(leaves.offer(scored), key=lambda path: path.value, reverse=True)
        room = kept if len(leaves) < beams else 0
        paths = live[:room]
        prune(live[room:])
        if not paths:
            break
    return leaves.answer()


async def _foresee(problem: Problem, model: Model, verifier: Verifier, paths: list[Path], aggregate: str, steps: int) -> list[Path]:
    """The paths, each with the score of where `steps` greedy steps lead it."""
    ahead = await roll(problem, model, paths, steps)
    scored = await score_paths(verifier, problem, ahead, aggregate)
    return [replace(path, score=there.score) for path, there in zip(paths, scored, strict=True)]


def _kept(beams: int, width: int, depth: int, aggregate: str) -> int:
    check(aggregate, beams=beams, width=width, depth=depth)
    if beams % width:
        raise InputError(f"`beams` must be a multiple of `width`: {beams} / {width} is no whole number of prefixes to keep")
    return beams // width
