"""Programs improved by running them: test, reflect on what failed, write again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ponder.errors import InputError
from ponder.strategies import strategy
from ponder.strategies.attempts import asking, improve, remark
from ponder.strategies.codet import written_tests
from ponder.strategies.steps import check
from ponder.types import Answer, Candidate, Model, Problem
from ponder.verifiers.code import Code
from ponder.verifiers.sandbox import Asserts, Case

_MOST = 6  # tests of its own
_REFLECT = (
    "The program above was tried:\n\n{report}\n\nSay in a few sentences what is wrong with it and how to mend it. Write no program."
)
_REWRITE = "{report}\n\n{reflection}\n\nGive the whole corrected program."


@strategy("reflexion", paper="Shinn 2023")
async def reflexion(problem: Problem, model: Model, *, trials: int = 5, tests: str = "examples") -> Answer:
    """Write a program, run tests, put into words what went wrong, and write it again, at most `trials` times (Shinn et al. 2023).

    The tests are the `examples` that the problem shows (where it shows none, the model's own) or, as in the paper, always the
    model's `own`, at most 6; never the hidden ones. A program that passes them all ends it, else the last one stands: the score of
    each is what *these* tests say, and own tests that are wrong let wrong programs through and turn right ones back (MBPP in the
    paper: 80.1 -> 77.1). Departs from the paper: tests are drawn once, in sight of the problem only, and zero-shot.

    Raises `VerifierError` where there is no sandbox.
    """
    check("last", trials=trials)
    if tests not in ("examples", "own"):
        raise InputError(f"`tests` is examples or own, and not {tests!r}")
    cases: Sequence[Case] = problem.data.get("examples", ()) if tests == "examples" else ()
    cases = cases or tuple(dict.fromkeys(await written_tests(problem, model, 1, _MOST)))
    tried = replace(problem, data={**problem.data, "tests": cases})

    async def reflect(attempt: Candidate) -> str | None:
        if attempt.value is None:
            return None  # without tests there is nothing to learn from
        report = _report(cases, attempt)
        said = await remark(model, asking(problem, attempt.sample.text, _REFLECT.format(report=report)), attempt)
        return _REWRITE.format(report=report, reflection=said)

    return await improve(tried, model, trials - 1, reflect, _runner(problem))


def _runner(problem: Problem) -> Code:
    """Runs programs within the limits of the task's own verifier, on the tests that it is shown."""
    task = problem.task.verifier
    return replace(task if isinstance(task, Code) else Code(), name="visible tests", reads="nothing")


def _report(cases: Sequence[Case], attempt: Candidate) -> str:
    """What each test was and whether it passed, and what became of the first that did not."""
    assert attempt.score is not None
    verdicts = [f"{'passed' if step else 'failed'}: {_shown(case)}" for case, step in zip(cases, attempt.score.steps, strict=False)]
    return "\n".join([*verdicts, attempt.score.error or ""])


def _shown(case: Case) -> str:
    return case.code if isinstance(case, Asserts) else f"for the input\n{case.given}\nit must print\n{case.expected}"
