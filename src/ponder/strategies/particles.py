"""Particle filtering: the reward model is taken for a likelihood, and prefixes are resampled by it instead of cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, fsum, inf, log
from random import Random

from ponder import trace
from ponder.errors import InputError
from ponder.search import effective, multinomial, systematic, tempered
from ponder.strategies import strategy
from ponder.strategies.steps import Leaves, Path, check, draw_steps, prune, score_paths
from ponder.types import Answer, Model, Problem, Verifier

CERTAIN = 1e-4  # a score is kept this far from 0 and 1: no score is infinite evidence

Trajectory = tuple[Path, ...]
"""A particle's path after each round, the root first; one that has ended stands still."""


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
    sweeps = Sweeps(problem, model, verifier, n, tempering, entropy, corrected, depth, aggregate)
    cloud = await sweeps.run(Random(f"{trace.current().seed}:{problem.id}"))
    return sweeps.vote(particle[-1] for particle in cloud)


@strategy("particle-gibbs", paper="Puri 2025; Andrieu 2010", needs=("verifier", "continues"))
async def particle_gibbs(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    n: int = 8,
    iterations: int = 2,
    tempering: float = 1.0,
    entropy: float = 0.0,
    depth: int = 40,
    aggregate: str = "last",
) -> Answer:
    """Particle filters in a row, each keeping one particle of the last as it was (Andrieu et al. 2010, Puri et al. 2025).

    The particle kept survives every resampling, and the others may branch off from it. The particles of all `iterations` vote.
    Weights and departures are those of `particles`, as published.
    """
    check(aggregate, iterations=iterations)
    sweeps = Sweeps(problem, model, verifier, n, tempering, entropy, corrected=False, depth=depth, aggregate=aggregate)
    rng = Random(f"{trace.current().seed}:{problem.id}")
    ended, kept = list[Path](), Trajectory()
    for _ in range(iterations):
        cloud = await sweeps.run(rng, kept, ended)
        ended += [particle[-1] for particle in cloud]
        kept = rng.choice([particle for particle in cloud if particle[-1].error is None] or [()])
    return sweeps.vote(ended)


@dataclass(frozen=True, slots=True)
class Sweeps:
    """A particle filter's settings, and the runs of it. Raises `InputError` for settings that mean nothing."""

    problem: Problem
    model: Model
    verifier: Verifier
    n: int
    tempering: float
    entropy: float
    corrected: bool
    depth: int
    aggregate: str

    def __post_init__(self) -> None:
        check(self.aggregate, n=self.n, tempering=self.tempering, depth=self.depth)
        if not 0 <= self.entropy < 1:
            raise InputError(f"`entropy` must lie in [0, 1), and is {self.entropy!r}; 0 leaves the weights as they are")

    async def run(self, rng: Random, kept: Trajectory = (), earlier: Sequence[Path] = ()) -> list[Trajectory]:
        """The particles after the last round; `kept` stays among them. The vote of all that has ended, `earlier` too, leads."""
        cloud: list[Trajectory] = [(Path(),)] * self.n
        log_z = 0.0
        for turn in range(1, self.depth + 1):
            moving = cloud[1:] if kept else cloud
            steps = await advance(
                self.problem, self.model, self.verifier, [one[-1] for one in moving], self.aggregate, whole=turn == self.depth
            )
            moved = [(*particle, step) for particle, step in zip(moving, steps, strict=True)]
            if kept:
                moved = [(*kept, *kept[-1:] * turn)[: turn + 1], *moved]
            logits = [self._gain(particle) / self.tempering for particle in moved]
            weights = tempered(logits, 1.0, self.entropy)
            copies = self._resample(weights, rng, held=bool(kept))
            log_z += log_mean(logits)
            trace.current().record(
                "resampled",
                particles=[particle[-1].event for particle in moved],
                copies=copies,
                effective=effective(weights),
                log_z=log_z if self.corrected and not self.entropy else None,
            )
            prune(particle[-1] for particle, count in zip(moved, copies, strict=True) if count == 0)
            cloud = [particle for particle, count in zip(moved, copies, strict=True) for _ in range(count)]
            if not Leaves(self.problem, self.verifier).offer([*earlier, *(particle[-1] for particle in cloud)]):
                break
        return cloud

    def vote(self, ended: Iterable[Path]) -> Answer:
        """The weighted vote of the paths that have ended, as `Leaves.answer`."""
        leaves = Leaves(self.problem, self.verifier)
        leaves.offer(ended)
        return leaves.answer()

    def _gain(self, particle: Trajectory) -> float:
        """The log-weight of the particle's last step."""
        return _logit(particle[-1]) - (_logit(particle[-2], 0.0) if self.corrected else 0.0)

    def _resample(self, weights: Sequence[float], rng: Random, held: bool) -> list[int]:
        """Copies of each; a first particle that is held has one more than it draws, so that it is never lost."""
        if held:
            first, *others = multinomial(self.n - 1, weights, rng)
            return [first + 1, *others]
        return (systematic if self.corrected else multinomial)(self.n, weights, rng)


async def advance(
    problem: Problem, model: Model, verifier: Verifier, paths: Sequence[Path], aggregate: str, *, whole: bool
) -> list[Path]:
    """Each path a step further, and judged; one that has ended stands still."""
    grown = await draw_steps(problem, model, [path for path in paths if not path.ended], whole=whole)
    scored = iter(await score_paths(verifier, problem, grown, aggregate))
    return [path if path.ended else next(scored) for path in paths]


def _logit(path: Path, unknown: float = -inf) -> float:
    """The log-odds of the path's score; a path that has none cannot be resampled."""
    if path.score is None or path.score.value is None:
        return unknown
    score = min(max(path.score.value, CERTAIN), 1 - CERTAIN)
    return log(score / (1 - score))


def log_mean(logits: Sequence[float]) -> float:
    """ln of the mean of exp(logit)."""
    top = max(logits)
    return top if top == -inf else top + log(fsum(exp(logit - top) for logit in logits) / len(logits))
