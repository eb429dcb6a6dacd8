"""Competition mathematics: what is asked and how it is sampled, worked solutions, and answers that two sources give alike."""

import asyncio
from pathlib import Path

import pytest

from ponder import tasks
from ponder.errors import InputError
from ponder.strategies.draw import ask
from ponder.tasks import files
from ponder.tasks.competitions import ASK
from ponder.types import Problem, Sample

SIZES = {"math500": 500, "aime24": 30, "aime25": 30, "hmmt25": 30, "brumo25": 30, "amc23": 40, "amc24": 22}


@pytest.fixture
def load(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PONDER_DATA", str(data))
    return lambda name: tasks.get(name).load("test", None)


def grades(problem: Problem, *texts: str) -> list[float | None]:
    assert problem.task.verifier
    return [one.value for one in asyncio.run(problem.task.verifier(problem, [Sample(text) for text in texts]))]


def test_their_sizes_and_their_prompt(load) -> None:
    found = {name: load(name) for name in SIZES}
    assert {name: len(some) for name, some in found.items()} == SIZES
    assert all(one.question.endswith(f"\n\n{ASK}") for name in SIZES if name != "amc24" for one in found[name])


def test_they_are_sampled_as_published(load) -> None:
    request = ask(load("aime25")[0])
    assert (request.temperature, request.top_p, request.max_tokens) == (0.6, 0.95, 32_768)
    request = ask(load("math500")[0])
    assert (request.temperature, request.top_p, request.max_tokens) == (0.8, 1.0, 2048)


def test_the_worked_solutions_of_math500_grade_right(load) -> None:
    worked = files.benchmark("bench_math500/math500.jsonl.gz", "HuggingFaceH4/MATH-500")
    assert [grades(problem, row["solution"]) for problem, row in zip(load("math500"), worked, strict=True)] == [[1.0]] * 500


def test_two_sources_give_the_same_answers_and_all_of_aime_are_0_to_999(load) -> None:
    answers = {name: [int(one.reference or "") for one in load(name)] for name in ("aime24", "aime25")}
    assert all(0 <= one <= 999 for some in answers.values() for one in some)
    again = files.benchmark("bench_aime/aime2025_passkeval.jsonl", "")
    assert answers["aime25"] == [int(row["answer"]) for row in again]


def test_other_spellings_are_right_and_other_answers_wrong(load) -> None:
    aime, amc, letters = load("aime24")[1], load("amc23")[0], load("amc24")[1]
    assert grades(aime, r"\boxed{025}", "The answer is 25.", r"\boxed{26}", "") == [1.0, 1.0, 0.0, 0.0]
    assert grades(amc, r"\boxed{27}", r"\boxed{27.0}", r"\boxed{72}") == [1.0, 1.0, 0.0]
    assert grades(letters, r"\boxed{B}", r"\boxed{\textbf{(B)}}", r"\boxed{C}") == [1.0, 1.0, 0.0]


def test_what_is_not_on_the_hub_says_where_it_is_to_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PONDER_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"amc2024_rstar.json is not there: .* https://github.com/zhentingqi/rStar"):
        tasks.get("amc24").load("test", None)
