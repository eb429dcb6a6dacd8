"""Game of 24: the exact solver, the order of the puzzles, and the verdicts recorded for 20,000 answers of GPT-4."""

import asyncio
import gzip
import json
from itertools import combinations_with_replacement
from math import comb
from pathlib import Path
from statistics import mean

import pytest

from ponder.answers import majority
from ponder.errors import InputError
from ponder.tasks.expression import grade, parse, value
from ponder.tasks.game24 import game24, solve
from ponder.types import Candidate, Problem, Sample


@pytest.fixture
def ranked(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """The 100 test problems of the paper."""
    monkeypatch.setenv("PONDER_DATA", str(data))
    return game24.load("test", None)


@pytest.fixture
def without_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PONDER_DATA", raising=False)


def recorded(data: Path, kind: str) -> list[tuple[list[str], list[bool]]]:
    """For each test problem 100 completions and the verdict of each."""
    path = data / "rec_tot" / f"game24__gpt-4_0.7_naive_{kind}_sample_100_start900_end1000.json.gz"
    logs = json.loads(gzip.decompress(path.read_bytes()))
    return [(log["ys"], log.get("accs") or [bool(info["r"]) for info in log["infos"]]) for log in logs]


@pytest.mark.parametrize("numbers", [(4, 5, 6, 10), (1, 5, 5, 5), (3, 3, 8, 8), (1, 4, 5, 6), (2, 3, 4), (24,)])
def test_solve_finds_an_exact_expression_where_there_is_one(numbers: tuple[int, ...]) -> None:
    assert value(parse(solve(numbers) or "0")) == 24


@pytest.mark.parametrize("numbers", [(1, 1, 1, 1), (13, 13, 13, 13), (0, 0), (7,)])
def test_solve_finds_nothing_where_there_is_nothing(numbers: tuple[int, ...]) -> None:
    assert solve(numbers) is None


def test_1362_of_the_1820_hands_are_solvable(without_file: None) -> None:
    hands = {problem.data["numbers"] for problem in game24.load("all", None)}
    assert len(hands) == 1362
    assert hands < set(combinations_with_replacement(range(1, 14), 4))


def test_every_reference_is_a_right_answer(without_file: None) -> None:
    for problem in game24.load("all", None)[::10]:
        assert grade(problem, f"Answer: {problem.reference} = 24").value == 1.0


def test_the_problems_are_the_same_with_the_file_and_without(ranked: list[Problem], monkeypatch: pytest.MonkeyPatch) -> None:
    listed = game24.load("all", None)
    monkeypatch.delenv("PONDER_DATA")
    made = game24.load("all", None)
    assert {problem.id for problem in listed} == {problem.id for problem in made}
    assert [problem.id for problem in listed[900:1000]] == [problem.id for problem in ranked]
    assert {problem.difficulty for problem in made} == {None}
    assert listed[0].difficulty == pytest.approx(1 - 0.992)


def test_the_prompt_is_the_dialect_of_countdown(without_file: None) -> None:
    (problem,) = game24.load("all", 1)
    assert problem.question == "countdown 1 1 1 8 to 24"
    assert [grade(problem, text).value for text in ("1+1=2 left 1 8 2\n1+2=3 left 8 3\n8*3=24", "8*3=24")] == [1.0, 0.0]


def test_the_ranked_split_without_its_file_says_how_to_get_it(without_file: None) -> None:
    with pytest.raises(InputError, match=r"set PONDER_DATA to a folder that holds bench_game24/24\.csv"):
        game24.load("test", None)
    with pytest.raises(InputError, match="no split `dev`; its splits are all, test"):
        game24.load("dev", None)


@pytest.mark.parametrize(
    ("kind", "average", "coverage"),
    [
        ("standard", 0.0734, {100: 0.33}),
        ("cot", 0.0403, {1: 0.0403, 2: 0.0728, 5: 0.1429, 10: 0.2148, 20: 0.2955, 50: 0.4068, 100: 0.49}),
    ],
)
def test_all_10000_recorded_verdicts_and_the_published_pass_at_k(
    ranked: list[Problem], data: Path, kind: str, average: float, coverage: dict[int, float]
) -> None:
    solved = []
    for problem, (completions, verdicts) in zip(ranked, recorded(data, kind), strict=True):
        values = [grade(problem, completion).value for completion in completions]
        assert values == [float(verdict) for verdict in verdicts]
        solved.append(sum(verdicts))
    assert mean(solved) / 100 == pytest.approx(average, abs=1e-9)
    for k, published in coverage.items():
        estimate = mean(1 - comb(100 - right, k) / comb(100, k) for right in solved)
        assert estimate == pytest.approx(published, abs=5e-5)


def test_self_consistency_on_the_recorded_answers_solves_9_of_100(ranked: list[Problem], data: Path) -> None:
    solved = 0.0
    for problem, (completions, _) in zip(ranked, recorded(data, "cot"), strict=True):
        pool = [Candidate(Sample(text, index), game24.extract(problem, text)) for index, text in enumerate(completions)]
        winner = majority(pool, str)  # what `extract` gives is canonical already
        solved += (grade(problem, winner.sample.text).value or 0.0) if winner else 0.0
    assert solved == 9.0


def test_the_checker_reads_no_reference(ranked: list[Problem]) -> None:
    verifier = game24.verifier
    assert verifier is not None
    assert verifier.reads == "nothing"
    scores = asyncio.run(verifier(ranked[0], [Sample("Answer: (5 * (10 - 4)) - 6 = 24"), Sample("Answer: 4 * 6 = 24")]))
    assert [score.value for score in scores] == [1.0, 0.0]
