"""CRUXEval: an output is a literal, an input any that gives the output; both are read in their usual shapes."""

import asyncio
from pathlib import Path

import pytest

from ponder import tasks
from ponder.types import Problem, Sample
from walls import bubblewrap


@pytest.fixture
def load(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PONDER_DATA", str(data))
    return lambda name: tasks.get(name).load("test", None)


def grades(problem: Problem, *texts: str) -> list[float | None]:
    assert problem.task.verifier
    return [one.value for one in asyncio.run(problem.task.verifier(problem, [Sample(text) for text in texts]))]


def test_an_output_is_compared_as_a_literal(load) -> None:
    problems = load("cruxeval-o")
    assert len(problems) == 800
    output = problems[0].reference or ""
    right = [
        output,
        f"It counts.\n[ANSWER]\nassert f([1, 1, 3, 1, 3, 1]) == {output}\n[/ANSWER]",
        f"[ANSWER]f(x) == {output.replace(' ', '')}",
    ]
    assert grades(problems[0], *right) == [1.0] * 3
    assert grades(problems[0], "[ANSWER]f([1]) == []", "[ANSWER]f([1]) == sorted([4])", "no idea", "((((" * 999) == [0.0] * 4


@bubblewrap
def test_any_input_that_gives_the_output_is_right(load) -> None:
    """`def f(nums)` counts and sorts: the order of its list does not matter."""
    problems = load("cruxeval-i")
    texts = ["assert f([3, 3, 1, 1, 1, 1]) == [(4, 1)]", "[ANSWER]f([1, 1, 3, 1, 3, 1])[/ANSWER]", "[ANSWER]f([1])[/ANSWER]", "?"]
    assert grades(problems[0], *texts) == [1.0, 1.0, 0.0, 0.0]
    assert grades(problems[135], problems[135].reference or "") == [1.0], "a function without arguments"
