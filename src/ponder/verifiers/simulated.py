"""Verifiers whose errors are parameters, to go with the simulated model. Each verdict is a pure function of seed and text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp, log
from typing import ClassVar

from ponder.models.simulated import dice
from ponder.separator import split
from ponder.types import Problem, Reads, Sample, Score, Verifier
from ponder.verifiers.evidence import Evidence
from ponder.verifiers.position import weigh


@dataclass(frozen=True, slots=True)
class Imperfect:
    """Accepts what `truth` accepts with probability `tpr`, and the rest with probability `fpr`.

    Accept-first accuracy tends to p tpr / (p tpr + (1-p) fpr), whatever the compute (Stroebl et al. 2024). `truth` may read the
    reference: this stands for a verifier that does not.
    """

    truth: Verifier
    tpr: float = 0.9
    fpr: float = 0.1
    seed: int = 0
    name: str = "imperfect"
    reads: Reads = "nothing"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        scores = await self.truth(problem, samples)
        return [self._judge(problem, sample, score) for sample, score in zip(samples, scores, strict=True)]

    def _judge(self, problem: Problem, sample: Sample, truth: Score) -> Score:
        if truth.value is None:
            return truth
        rate = self.tpr if truth.value >= 0.5 else self.fpr
        return Score(float(dice(self.seed, problem.id, sample.prefix + sample.text).random() < rate))


@dataclass(frozen=True, slots=True)
class Process:
    """A process reward model: step t has the value sigmoid(logit(P(right | steps 1 to t)) + bias + sigma * N(0, 1)).

    `chance(problem, prefix)` is the probability (`Simulated.chance`), kept within [floor, 1 - floor], since no noise moves a
    certainty: with `floor` 0 a fault is always seen. The score's value is the last step's.
    """

    chance: Callable[[Problem, str], float]
    bias: float = 0.0
    sigma: float = 1.0
    floor: float = 0.02
    seed: int = 0
    name: str = "process"
    reads: Reads = "nothing"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        return [self._judge(problem, sample) for sample in samples]

    def _judge(self, problem: Problem, sample: Sample) -> Score:
        if sample.error is not None:
            return Score(None, error=f"the draw failed: {sample.error}")
        prefixes = [prefix.rstrip() for prefix in accumulate(split(sample.prefix + sample.text, problem.task.step))]
        steps = tuple(self._value(problem, prefix) for prefix in prefixes)
        return Score(steps[-1], steps) if steps else Score(None, error="there is no step to judge")

    def _value(self, problem: Problem, prefix: str) -> float:
        noise = self.bias + self.sigma * dice(self.seed, problem.id, prefix).gauss()
        chance = min(max(self.chance(problem, prefix), self.floor), 1 - self.floor)
        if chance in (0.0, 1.0):
            return chance
        return 1 / (1 + exp(-log(chance / (1 - chance)) - noise))


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares two samples, and cannot score one.

    Of a right and a wrong one it prefers the right one with probability `accuracy`, of two alike either; `bias` is added to the
    probability that it prefers the one shown first. A tie in `truth`, or a truth that cannot tell, counts as alike.
    """

    truth: Verifier
    accuracy: float = 0.75
    bias: float = 0.0
    seed: int = 0
    name: str = "simulated judge"
    reads: Reads = "nothing"
    evidence: ClassVar[Evidence] = "judge"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:  # noqa: ARG002 - a `Verifier`
        return [Score(None, error="this judge only compares two samples")] * len(samples)

    async def compare(self, problem: Problem, first: Sample, second: Sample, votes: int = 1) -> float | None:
        """The share of `votes` verdicts, half of which see `second` first, that prefer `first`."""
        left, right = (score.value for score in await self.truth(problem, [first, second]))
        alike = left is None or right is None or left == right
        fair = 0.5 if alike else self.accuracy if left == max(left or 0, right or 0) else 1 - self.accuracy
        pair = (first.prefix + first.text, second.prefix + second.text)
        straight = [float(self._draw(problem, pair, vote) < fair + self.bias) for vote in range(votes - votes // 2)]
        swapped = [float(self._draw(problem, pair[::-1], vote) < 1 - fair + self.bias) for vote in range(votes // 2)]
        return weigh(first, second, straight, swapped)

    def _draw(self, problem: Problem, pair: tuple[str, str], vote: int) -> float:
        return dice(self.seed, problem.id, pair, vote).random()
