"""Every registered task: found by name, loaded in a fixed order, and its own gold answers are right."""

import asyncio
from pathlib import Path

import pytest

from ponder import tasks
from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Problem, Sample, Task
from ponder.verifiers.code import Code
from ponder.verifiers.facts import facts
from ponder.verifiers.math import math
from walls import MISSING

LOADABLE = [name for name in tasks.tasks.names() if tasks.get(name).splits and name != "simulated"]
"""Not `simulated`: its problems have no words, and its own tests cover them."""
NO_GOLD = {
    "ifeval": "it has instructions and no gold answers; tests/test_instruction.py replays recorded verdicts",
    "leetcode": "no solutions are published; tests/test_leetcode.py tries some of its own",
}
SLOW = ("codecontests", "cruxeval-i", "humaneval", "humaneval-plus", "mbpp", "mbpp-plus", "mbpp-sanitized")
"""Programs, of which this test tries two and those of each task some; `python runs/references.py` tries them all."""


def stated(problem: Problem) -> str:
    """The gold answer as a completion would state it."""
    plain = isinstance(problem.task.verifier, Code) or problem.task.verifier not in (math, facts)
    return problem.reference or "" if plain else rf"\boxed{{{problem.reference}}}"


@pytest.fixture(params=LOADABLE)
def task(request: pytest.FixtureRequest, data: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setenv("PONDER_DATA", str(data))
    found = tasks.get(request.param)
    if isinstance(found.verifier, Code) and MISSING:
        pytest.skip(MISSING)
    return found


def first(task: Task, limit: int | None) -> list[Problem]:
    return task.load(task.splits[0], limit)


def test_gold_answers_are_right(task: Task) -> None:
    """All of them; for programs see `SLOW`. There is no known error in them; MATH-500's worked solutions are graded too."""
    if task.name in NO_GOLD:
        pytest.skip(NO_GOLD[task.name])
    problems = [one for one in first(task, 2 if task.name in SLOW else None) if one.reference]
    assert problems
    assert task.verifier is not None

    async def graded() -> list[str]:
        assert task.verifier is not None
        return [one.id for one in problems if (await task.verifier(one, [Sample(stated(one))]))[0].value != 1.0]

    assert asyncio.run(graded()) == []


def test_a_shorter_load_is_the_beginning_of_a_longer_one(task: Task) -> None:
    assert first(task, 5) == first(task, 8)[:5]
    assert len({problem.id for problem in first(task, 8)}) == 8


def test_an_unknown_split_is_an_error_that_lists_the_known_ones(task: Task) -> None:
    with pytest.raises(InputError, match=f"no split `nonesuch`; its splits are {task.splits[0]}"):
        task.load("nonesuch", 1)


def test_nonsense_is_wrong_and_not_a_crash(task: Task) -> None:
    assert task.verifier is not None
    hostile = ["", "\ud800\0", "9" * 10**5, r"\boxed{" * 1000, "10^10^10 = 24", "((((" * 1000]
    scores = asyncio.run(task.verifier(first(task, 1)[0], [Sample(text) for text in hostile]))
    assert all(score.value == 0.0 or score.error for score in scores)


def test_a_task_is_found_under_its_own_name() -> None:
    assert all(tasks.get(name).name == name for name in tasks.tasks.names())
    with pytest.raises(InputError, match="did you mean `game24`"):
        tasks.get("game42")


@pytest.mark.parametrize(
    ("text", "name", "question"),
    [
        ("Use 3 7 8 8 to make 24", "countdown", "countdown 3 7 8 8 to 24"),
        ("compute left to right 12+7*3-5", "arithmetic", "compute left to right 12+7*3-5"),
    ],
)
def test_a_users_words_are_recognised(text: str, name: str, question: str) -> None:
    problem = tasks.recognise(text)
    assert problem is not None
    assert (problem.task.name, problem.question) == (name, question)


def test_other_words_are_not_recognised_and_can_be_asked_freely() -> None:
    assert tasks.recognise("Why is the sky blue?") is None
    free = tasks.get("free")
    assert free.verifier is None
    with pytest.raises(InputError, match="give a file with --data"):
        free.load("test", None)


def test_a_benchmark_is_read_where_ponder_data_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.jsonl").write_text('{"question": "a"}\n')
    monkeypatch.setenv("PONDER_DATA", str(tmp_path))
    assert files.benchmark("some.jsonl", "nobody/nothing", "main", "test") == [{"question": "a"}]
    assert files.local("other.jsonl") is None
    monkeypatch.delenv("PONDER_DATA")
    assert files.local("some.jsonl") is None
