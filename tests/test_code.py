"""The verifier `code`: one step a test, 1 only if all pass, and each distinct program tried once."""

import asyncio
from dataclasses import replace

import pytest

from ponder.errors import VerifierError
from ponder.tasks.free import problem as asked
from ponder.types import Problem, Sample, Score
from ponder.verifiers import code as code_module
from ponder.verifiers import sandbox, verifiers
from ponder.verifiers.code import Code, examples, shown
from ponder.verifiers.sandbox import Asserts, Case, Limits, Verdict
from walls import bubblewrap

TESTS = (Asserts("assert double(1) == 2"), Asserts("assert double(2) == 4"))
RIGHT, WRONG, BROKEN = "def double(x): return 2 * x", "def double(x): return 2", "def double(x)"


def problem(*tests: Case) -> Problem:
    task = replace(asked("?").task, extract=lambda _, text: text or None)
    return replace(asked("Double it."), task=task, data={"tests": tests})


def scores(problem: Problem, *samples: Sample) -> list[Score]:
    return asyncio.run(Code()(problem, samples))


@bubblewrap
def test_all_tests_must_pass_and_each_is_a_step() -> None:
    right, wrong, broken = scores(problem(*TESTS), Sample(RIGHT), Sample(WRONG), Sample(BROKEN))
    assert right == Score(1.0, (1.0, 1.0))
    assert wrong == Score(0.0, (1.0, 0.0), "test 2 of 2: failed: AssertionError")
    assert (broken.value, broken.steps) == (0.0, (0.0, 0.0))
    assert "test 1 of 2: crash: SyntaxError" in (broken.error or "")


def test_a_program_drawn_many_times_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def tried(program: str, cases: object, limits: object) -> list[Verdict]:
        seen.append(program)
        return [Verdict("passed"), Verdict("denied", "no network")]

    monkeypatch.setattr(code_module, "tried", tried)
    found = scores(problem(*TESTS), Sample(RIGHT), Sample(WRONG), Sample(RIGHT), Sample(""), Sample(RIGHT, error="reset"))
    assert seen == [RIGHT, WRONG]
    assert [one.value for one in found] == [0.0, 0.0, 0.0, 0.0, None]
    assert found[2] == Score(0.0, (1.0, 0.0), "test 2 of 2: denied: no network")
    assert "no program" in (found[3].error or "")
    assert "reset" in (found[4].error or "")


def test_without_tests_it_cannot_tell() -> None:
    (score,) = scores(problem(), Sample(RIGHT))
    assert score.value is None
    assert "no tests" in (score.error or "")


@bubblewrap
def test_examples_are_tried_in_place_of_the_hidden_tests_and_may_choose() -> None:
    shown = replace(problem(*TESTS), data={"tests": TESTS, "examples": TESTS[:1]})
    assert asyncio.run(examples(shown, [Sample(WRONG)])) == [Score(1.0, (1.0,))]
    assert asyncio.run(examples(problem(*TESTS), [Sample(RIGHT)]))[0].error == f"the problem `{shown.id}` has no examples"
    assert (examples.name, examples.reads) == ("examples", "nothing")


def test_what_a_problem_shows_is_tried_within_its_tasks_limits() -> None:
    limited = Code(Limits(cpu=7))
    asked = replace(problem(*TESTS), data={"examples": TESTS})
    assert shown(replace(asked, task=replace(asked.task, verifier=limited))) == replace(examples, limits=Limits(cpu=7))
    assert shown(asked) == examples
    assert shown(problem(*TESTS)) is None


def test_without_a_sandbox_it_refuses_in_one_plain_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.shutil, "which", lambda _: None)
    with pytest.raises(VerifierError, match="apt install bubblewrap"):
        scores(problem(*TESTS), Sample(RIGHT), Sample(WRONG))


def test_it_is_found_by_its_name_and_reads_tests() -> None:
    found = verifiers.get("code")
    assert (found.name, found.reads) == ("code", "tests")
