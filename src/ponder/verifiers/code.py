"""Programs, tried against their problem's tests in a sandbox: 1 if all pass, else 0, with one step a test.

`code` grades by the hidden tests; `examples` tries what the problem itself shows, and so may choose (the filter of AlphaCode).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ponder.types import Problem, Reads, Sample, Score
from ponder.verifiers.evidence import Evidence
from ponder.verifiers.sandbox import Case, Limits, Verdict, tried


@dataclass(frozen=True, slots=True)
class Code:
    """Tries the extracted program against `problem.data[cases]`; each distinct program of a call is tried once.

    `error` says what became of the first test that did not pass. Raises VerifierError where there is no sandbox.
    """

    limits: Limits = field(default_factory=Limits)
    name: str = "code"
    reads: Reads = "tests"
    cases: str = "tests"
    evidence: ClassVar[Evidence] = "check"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        cases: Sequence[Case] = problem.data.get(self.cases, ())
        if not cases:
            return [Score(None, error=f"the problem `{problem.id}` has no {self.cases}")] * len(samples)
        programs = [None if one.error else problem.task.extract(problem, one.prefix + one.text) for one in samples]
        distinct = [program for program in dict.fromkeys(programs) if program is not None]
        try:
            async with asyncio.TaskGroup() as group:
                trials = {one: group.create_task(tried(one, cases, self.limits)) for one in distinct}
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        return [
            _score(trials[program].result()) if program is not None else _nothing(sample)
            for sample, program in zip(samples, programs, strict=True)
        ]


def _nothing(sample: Sample) -> Score:
    return Score(None, error=f"the draw failed: {sample.error}") if sample.error else Score(0.0, error="there is no program")


def _score(verdicts: Sequence[Verdict]) -> Score:
    steps = tuple(float(verdict.kind == "passed") for verdict in verdicts)
    described = (
        f"test {number} of {len(verdicts)}: {verdict.kind}: {verdict.detail}"
        for number, verdict in enumerate(verdicts, 1)
        if verdict.kind != "passed"
    )
    return Score(float(all(steps)), steps, next(described, None))


code = Code()
examples = Code(name="examples", reads="nothing", cases="examples")


def shown(problem: Problem) -> Code | None:
    """`examples` within the limits of the task's own verifier; None where the problem shows no examples."""
    if not problem.data.get("examples"):
        return None
    own = problem.task.verifier
    return replace(own if isinstance(own, Code) else code, name="examples", reads="nothing", cases="examples")
