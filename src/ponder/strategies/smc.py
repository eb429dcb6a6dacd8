"""Twisted sequential Monte Carlo: particles with weights of their own, and an unbiased estimate of their normaliser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf, log
from operator import add
from random import Random

from ponder import answers, trace
from ponder.errors import InputError
from ponder.search import effective, multinomial, softmax, systematic
from ponder.strategies import strategy
from ponder.strategies.particles import CERTAIN, advance, log_mean
from ponder.strategies.steps import Leaves, Path, check, prune, solution
from ponder.types import Answer, Model, Problem, Score, Verifier

_RESAMPLING = {"systematic": systematic, "multinomial": multinomial}


@dataclass(frozen=True, slots=True)
class Cloud:
    """Particles, the logarithms of their weights since the last resampling, and what the resamplings have added to ln Z hat."""

    paths: tuple[Path, ...]
    logits: tuple[float, ...]
    log_z: float = 0.0

    @property
    def evidence(self) -> float:
        """ln Z hat: the logarithms of the mean weights of all stages so far, added up."""
        return self.log_z + log_mean(self.logits)

    def moved(self, steps: Iterable[tuple[Path, float]]) -> Cloud:
        """Each particle a step further, with ln of that step's weight."""
        paths, gains = zip(*steps, strict=True)
        return Cloud(paths, tuple(map(add, self.logits, gains)), self.log_z)

    def chosen(self, copies: Sequence[int]) -> Cloud:
        """Each particle so many times, all of equal weight again."""
        paths = tuple(path for path, count in zip(self.paths, copies, strict=True) for _ in range(count))
        return Cloud(paths, (0.0,) * len(paths), self.evidence)


def twist(path: Path) -> float:
    """ln psi: the logarithm of the path's value, kept above 1e-4; 0 for the root, and -inf for a path that cannot be judged."""
    if path == Path():
        return 0.0
    return -inf if path.score is None or path.score.value is None else log(max(path.score.value, CERTAIN))


def propose(parent: Path, children: Sequence[Path], rng: Random) -> tuple[Path, float]:
    """One of the children drawn from p, by its twist, and ln w: their mean psi_t / psi_(t-1) is what p psi_t / (q psi_(t-1)) is
    where q is p psi_t, normalised over these children."""
    twists = [twist(child) for child in children]
    return rng.choices(children, softmax(twists))[0], log_mean(twists) - twist(parent)


@strategy("twisted-smc", paper="Zhao 2024; Feng 2024", needs=("verifier", "continues"))
async def twisted_smc(
    problem: Problem,
    model: Model,
    verifier: Verifier,
    *,
    n: int = 16,
    width: int = 1,
    threshold: float = 0.5,
    resampling: str = "systematic",
    depth: int = 40,
    aggregate: str = "last",
) -> Answer:
    """Weigh `n` particles by how their value changes, and resample when few carry the weight (twisted SMC, Zhao et al. 2024).

    The value of a prefix is its twist psi, that of a solution the potential phi (Feng et al. 2024): a step weighs w_t = p psi_t /
    (q psi_(t-1)). Each particle draws `width` next steps from the model, p, and takes one by its twist, q. All are resampled,
    `systematic` or `multinomial`, when the effective sample size is below `threshold` * n, or one cannot go on. The answer is the
    vote of the particles by weight, which estimates p(x) phi(x) / Z; `log_z` in the trace is ln Z hat, with E[Z hat] = Z = sum p(x)
    phi(x) exactly, whatever the twists. Departs: the twists are not learnt, q is p psi normalised over the steps drawn and not over
    all there are, and values are kept above 1e-4. Where draws fail Z hat is too low.
    """
    check(aggregate, n=n, width=width, depth=depth)
    if resampling not in _RESAMPLING:
        raise InputError(f"`resampling` is one of {', '.join(_RESAMPLING)}, and not {resampling!r}")
    if not 0 <= threshold <= 1:
        raise InputError(f"`threshold` must lie in [0, 1], and is {threshold!r}; 1 resamples always")
    rng = Random(f"{trace.current().seed}:{problem.id}")
    cloud = Cloud((Path(),) * n, (0.0,) * n)
    for turn in range(1, depth + 1):
        drawn = [path for path in cloud.paths for _ in range(width)]
        grown = await advance(problem, model, verifier, drawn, aggregate, whole=turn == depth)
        cloud = cloud.moved(propose(parent, grown[i * width :][:width], rng) for i, parent in enumerate(cloud.paths))
        going = Leaves(problem, verifier).offer(cloud.paths)
        size = effective(softmax(cloud.logits))
        resample = bool(going) and (size < threshold * n or -inf in cloud.logits)
        copies = _RESAMPLING[resampling](n, softmax(cloud.logits), rng) if resample else [1] * n
        trace.current().record(
            "resampled", particles=[path.event for path in cloud.paths], copies=copies, effective=size, log_z=cloud.evidence
        )
        if not going:
            break
        if resample:
            prune(path for path, count in zip(cloud.paths, copies, strict=True) if not count)
            cloud = cloud.chosen(copies)
    return _vote(problem, verifier, cloud)


def _vote(problem: Problem, verifier: Verifier, cloud: Cloud) -> Answer:
    """The answer that carries the most weight. Raises as `Leaves.answer` does where no particle has come to its end."""
    leaves = Leaves(problem, verifier)
    leaves.offer(cloud.paths)
    decided = leaves.answer()
    ended = [
        (path, weight) for path, weight in zip(cloud.paths, softmax(cloud.logits), strict=True) if path.ended and not path.error
    ]
    votes = [replace(solution(problem, path, index), score=Score(weight)) for index, (path, weight) in enumerate(ended)]
    heaviest = answers.weighted(votes, problem.task.canonical)
    return trace.lead(replace(decided, answer=heaviest.answer, text=heaviest.sample.text)) if heaviest else decided
