"""CodeContests: references pass by what they print, and the hub's rows become the same problems."""

import asyncio
from pathlib import Path

import pytest

from ponder.errors import InputError
from ponder.tasks import files
from ponder.tasks.codecontests import codecontests
from ponder.types import Problem, Sample
from ponder.verifiers.sandbox import Prints
from walls import bubblewrap

ROW = {
    "name": "1_A. Sum",
    "description": "Print the sum.",
    "public_tests": {"input": ["1 2\n"], "output": ["3\n"]},
    "private_tests": {"input": ["2 2\n"], "output": ["4\n"]},
    "generated_tests": {"input": [], "output": []},
    "solutions": {"language": [2, 3], "solution": ["int main() {}", "print(sum(map(int, input().split())))"]},
}


@pytest.fixture
def problems(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    monkeypatch.setenv("PONDER_DATA", str(data))
    return codecontests.load("test", None)


def test_the_problems_whose_reference_passes_are_kept(problems: list[Problem]) -> None:
    assert len(problems) == len({problem.id for problem in problems}) == 105
    assert all(problem.data["tests"] for problem in problems)


def test_the_statements_examples_are_public_tests(problems: list[Problem]) -> None:
    assert [len(problem.data["examples"]) for problem in problems] == [3] * 105
    first = problems[0].data["examples"]
    assert first == (Prints("5 2\n", "0\n"), Prints("9 5\n", "4\n"), Prints("3 3\n", "2\n"))
    assert all(f"```\n{example.given}```" in problems[0].question for example in first)


@bubblewrap
def test_references_pass_and_another_problems_do_not(problems: list[Problem]) -> None:
    chosen = problems[::40]

    async def judge(texts: list[str | None]) -> list[float | None]:
        assert codecontests.verifier is not None
        pairs = zip(chosen, texts, strict=True)
        return [(await codecontests.verifier(problem, [Sample(f"```python\n{text}\n```")]))[0].value for problem, text in pairs]

    references = [problem.reference for problem in chosen]
    assert asyncio.run(judge(references)) == [1.0] * len(chosen)
    assert asyncio.run(judge([*references[1:], references[0]])) == [0.0] * len(chosen)


def test_a_row_of_the_hub_is_the_same_kind_of_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PONDER_DATA", raising=False)
    monkeypatch.setattr(files, "benchmark", lambda *source: [ROW])
    (problem,) = codecontests.load("test", None)
    assert problem.id == "codecontests/1_A. Sum"
    assert problem.data["tests"] == (Prints("1 2\n", "3\n"), Prints("2 2\n", "4\n"))
    assert problem.data["examples"] == (Prints("1 2\n", "3\n"),)
    assert problem.reference == "print(sum(map(int, input().split())))"
    assert codecontests.extract(problem, " ") is None


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(InputError, match="no split `train`; its splits are test"):
        codecontests.load("train", 1)
