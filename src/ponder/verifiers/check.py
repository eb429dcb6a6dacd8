"""A verifier from a pure function: how a task's own checker, exact match and multiple choice become one callable type."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ponder.types import Problem, Reads, Sample, Score
from ponder.verifiers.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Check:
    """Grades each completion (prefix and text) with `grade(problem, completion)`; a failed draw cannot be judged."""

    name: str
    reads: Reads
    grade: Callable[[Problem, str], Score]
    evidence: ClassVar[Evidence] = "check"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        return [self._judge(problem, sample) for sample in samples]

    def _judge(self, problem: Problem, sample: Sample) -> Score:
        if sample.error is not None:
            return Score(None, error=f"the draw failed: {sample.error}")
        return self.grade(problem, sample.prefix + sample.text)
