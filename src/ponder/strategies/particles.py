"""Particle filtering: the reward model is taken for a likelihood, and prefixes are resampled by it instead of cut off."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, fsum, inf, log
from random import Random

from ponder import trace
from ponder.errors import InputError
from ponder.search import effective, multinomial, systematic, tempered
from ponder.strategies import strategy
from ponder.strategies.steps import Leaves, Path, check, draw_steps, prune, score_paths
from ponder.types import Answer, Model, Problem, Verifier

_CERTAIN = 1e-4  # a score is kept this far from 0 and 1: no score is infinite evidence


@strategy("particles", paper="Puri 2025", needs=("verifier", "continues"))
async def particles(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    n: int = 16,
    tempering: float = 1.0,
    entropy: float = 0.0,
    corrected: bool = False,
    depth: int = 40,
    aggregate: str = "last",
) -> Answer:
    """Extend `n` particles by a step, resample all of them by the odds r/(1-r) of their scores, and again (Puri et al. 2025).

    The weights are odds^(1/`tempering`); finished particles are resampled with the others, and in the end all vote, weighted by
    their scores. As published, each round counts the whole score again. `corrected` weighs by what the last step changed,
    odds(t) / odds(t-1), and resamples systematically: the target is then p(x) odds(x)^(1/`tempering`), and the product of the mean
    weights, whose logarithm is `log_z` in the trace, an unbiased estimate of its sum. `entropy` in [0, 1) heats a round's weights
    until their entropy is that share of ln n (entropic annealing, ePF 2025). Departs from the paper: scores are kept within 1e-4
    of 0 and 1.
    """
    check(aggregate, n=n, tempering=tempering, depth=depth)
    if not 0 <= entropy < 1:
        raise InputError(f"`entropy` must lie in [0, 1), and is {entropy!r}; 0 leaves the weights as they are")
    cloud, log_z, leaves = [Path()] * n, 0.0, Leaves(problem, verifier)
    for turn in range(1, depth + 1):
        grown = await draw_steps(problem, model, [path for path in cloud if not path.ended], whole=turn == depth)
        scored = iter(await score_paths(verifier, problem, grown, aggregate))
        moved = [path if path.ended else next(scored) for path in cloud]
        gains = [_logit(path) - (_logit(before, 0.0) if corrected else 0.0) for before, path in zip(cloud, moved, strict=True)]
        logits = [gain / tempering for gain in gains]
        weights = tempered(logits, 1.0, entropy)
        copies = (systematic if corrected else multinomial)(n, weights, Random(f"{trace.current().seed}:{problem.id}:{turn}"))
        log_z += _log_mean(logits)
        trace.current().record(
            "resampled",
            particles=[path.event for path in moved],
            copies=copies,
            effective=effective(weights),
            log_z=log_z if corrected and not entropy else None,
        )
        prune(path for path, count in zip(moved, copies, strict=True) if count == 0)
        cloud = [path for path, count in zip(moved, copies, strict=True) for _ in range(count)]
        leaves = Leaves(problem, verifier)
        if not leaves.offer(cloud):
            break
    return leaves.answer()


def _logit(path: Path, unknown: float = -inf) -> float:
    """The log-odds of the path's score; a path that has none cannot be resampled."""
    if path.score is None or path.score.value is None:
        return unknown
    score = min(max(path.score.value, _CERTAIN), 1 - _CERTAIN)
    return log(score / (1 - score))


def _log_mean(logits: Sequence[float]) -> float:
    """ln of the mean of exp(logit)."""
    top = max(logits)
    return top if top == -inf else top + log(fsum(exp(logit - top) for logit in logits) / len(logits))
