"""Mathematical equivalence in a process that may be killed: a hostile answer ends in time, and the next honest one is graded."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

import pytest

from ponder.errors import VerifierError
from ponder.tasks.free import problem
from ponder.types import Sample, Score
from ponder.verifiers import math as math_module
from ponder.verifiers.math import LONGEST_ANSWER, Math, Worker


@pytest.fixture(scope="module")
def math() -> Iterator[Math]:
    worker = Worker(seconds=4.0)
    yield Math(worker)
    worker.close()


def graded(math: Math, reference: str | None, *answers: str) -> list[Score]:
    asked = replace(problem("What is it?"), reference=reference)
    return asyncio.run(math(asked, [Sample(rf"\boxed{{{answer}}}", index) for index, answer in enumerate(answers)]))


def honest(math: Math) -> bool:
    right, wrong = graded(math, r"\sqrt{2}", "2^{1/2}", "2^{1/3}")
    return (right.value, wrong.value) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("reference", "right", "wrong"),
    [
        ("1/2", r"\frac{2}{4}", "2"),
        (r"\frac{3}{2}", r"1\frac{1}{2}", r"\frac{2}{3}"),
        ("x+1", "1 + x", "x-1"),
        (r"\{1,2\}", r"\{2, 1\}", r"\{1, 3\}"),
        ("[0,1)", "[0, 1)", "(0,1)"),
        ("12", r"3 \times 4", r"3 \times 5"),
        ("5", "x = 5", "x = 6"),
        (r"\text{Evelyn}", "Evelyn", "Briana"),
        ("١٢", "12", "13"),
        ("50\\%", "0.5", "0.6"),
        ("1/3", "0.3333333", "0.3332"),
    ],
)
def test_equal_formulas_are_right_and_others_wrong(math: Math, reference: str, right: str, wrong: str) -> None:
    assert [score.value for score in graded(math, reference, right, wrong)] == [1.0, 0.0]


def test_most_grades_never_start_the_process() -> None:
    math = Math(Worker(seconds=1.0))
    scores = graded(math, "18", "18.0", "$18$", "17", "1,800", "35/2", "9" * 10**6)
    assert [score.value for score in scores] == [1.0, 1.0, 0.0, 0.0, 0.0, None]
    assert math.worker._process is None


@pytest.mark.parametrize(
    "answer",
    [
        r"\frac{" * 300 + "1" + "}{2}" * 300,
        "(" * 900 + "x",
        "x" + "^{x" * 300 + "}" * 300,
        r"\sum_{n=1}^{10^{12}} n^{n}",
        "\0\0",
        "\ud800",
        "٣^٣",
        r"\text{x} \boxed{3} \boxed{4}",
    ],
    ids=["nested fractions", "brackets", "nested powers", "sum", "null bytes", "surrogate", "unicode digits", "boxes"],
)
def test_after_a_hostile_answer_the_next_honest_one_is_graded_right(
    math: Math, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(math.worker, "seconds", 1.0)
    start = perf_counter()
    (score,) = graded(math, r"\sqrt{2}", answer)
    assert perf_counter() - start < 60.0
    monkeypatch.undo()
    assert score.value == 0.0 or score.error
    assert honest(math)


def test_an_answer_too_long_to_compare_is_unknown(math: Math) -> None:
    (score,) = graded(math, r"\sqrt{2}", "x+" * LONGEST_ANSWER + "x")
    assert score.value is None
    assert "not compared" in (score.error or "")


def test_a_killed_process_is_started_again(math: Math) -> None:
    assert honest(math)
    process = math.worker._process
    assert process is not None
    process.kill()
    process.wait()
    assert honest(math)
    assert math.worker._process is not process


def test_an_answer_that_takes_too_long_is_unknown(math: Math, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math.worker, "seconds", 0.25)
    (late,) = graded(math, r"\sqrt{2}", "10^{10^{10}}")
    assert late.value is None
    assert "no verdict within 0.25 s" in (late.error or "")


def test_concurrent_grades_are_all_right(math: Math) -> None:
    async def many() -> list[list[Score]]:
        asked = [replace(problem(f"Which {n}?"), reference=rf"\sqrt{{{n}}}") for n in range(2, 8)]
        draws = [Sample(rf"\boxed{{{n}^{{1/2}}}}") for n in range(2, 8)]
        return await asyncio.gather(*(math(one, draws) for one in asked))

    values = [[score.value for score in scores] for scores in asyncio.run(many())]
    assert values == [[float(row == column) for column in range(6)] for row in range(6)]


def test_an_answer_drawn_many_times_is_compared_once(math: Math, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def compare(self: Worker, reference: str, answer: str) -> Score:
        asked.append(answer)
        return Score(1.0)

    monkeypatch.setattr(Worker, "compare", compare)
    assert [score.value for score in graded(math, "x", "y", "y", "z", "y")] == [1.0] * 4
    assert asked == ["y", "z"]


def test_no_reference_or_a_failed_draw_is_unknown(math: Math) -> None:
    (score,) = graded(math, None, "1")
    assert score.value is None
    (failed,) = asyncio.run(math(replace(problem("?"), reference="1"), [Sample("1", error="reset")]))
    assert failed.value is None


def test_a_process_that_cannot_start_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math_module.sys, "executable", "/bin/false")
    with pytest.raises(VerifierError, match=r"did not start; see why with: /bin/false .*equivalence\.py"):
        graded(Math(Worker(seconds=1.0)), r"\sqrt{2}", "x")


def test_the_process_ends_with_its_owner() -> None:
    worker = Worker(seconds=4.0)
    assert honest(Math(worker))
    process = worker._process
    assert process is not None
    del worker
    assert process.wait(timeout=30.0) is not None
