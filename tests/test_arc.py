"""ARC: two attempts at each test input, exact grids, the share of the pairs, and no partial credit within one."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from ponder.tasks.arc import SPLITS, arc, attempts, grids
from ponder.types import Problem, Sample, Score

A, B, C, D = "1 2\n3 4", "5 6\n7 8", "0", "9 9 9"


@pytest.fixture
def problems(data: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Problem]]:
    monkeypatch.setenv("PONDER_DATA", str(data))
    return {split: arc.load(split, None) for split in SPLITS}


def graded(reference: str, text: str) -> Score:
    pairs = len(grids(reference))
    problem = Problem("arc/x", (), arc, reference, data={"inputs": ["0"] * pairs})
    assert arc.verifier is not None
    [score] = asyncio.run(arc.verifier(problem, [Sample(text)]))
    return score


def test_the_files_hold_the_published_numbers(problems: dict[str, list[Problem]]) -> None:
    """400 evaluation puzzles, 19 of them with two test inputs; of the training puzzles the first 60."""
    assert {split: len(found) for split, found in problems.items()} == {"evaluation": 400, "training": 60}
    assert [len(one.data["inputs"]) for one in problems["evaluation"]].count(2) == 19
    assert problems["evaluation"][0].id == "arc/00576224"
    assert problems["evaluation"][0].question.endswith("Test input 1:\n3 2\n7 8")


def test_every_gold_answer_is_right_and_no_other_puzzles_is(problems: dict[str, list[Problem]]) -> None:
    everything = [problem for found in problems.values() for problem in found]
    assert all(graded(one.reference or "", one.reference or "").value == 1.0 for one in everything)
    others = [graded(one.reference or "", two.reference or "").value for one, two in pairwise(everything)]
    assert set(others) == {0.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (A, 1.0),
        (f"{B}\n\n{A}", 1.0),
        (f"{A}\n\n{B}", 1.0),
        (f"{A}\n\n{B}\n\n{C}", 0.0),  # the first of three is no attempt
        (f"{B}\n\n{C}", 0.0),
        ("1 2\n3 5", 0.0),  # three cells of four: no partial credit
        ("1 2\n3 4\n0 0", 0.0),
        ("[]", 0.0),
        (f"[]\n\n{A}", 1.0),
        ("", 0.0),
        ("[[1, 2], [3, 4]]", 1.0),
        ("```json\n[\n  [1, 2],\n  [3, 4]\n]\n```", 1.0),
        ("The rule turns it. Attempt 1:\n```\n1 2\n3 4\n```\nAttempt 2:\n```\n5 6\n7 8\n```\nThat is all.", 1.0),
        ("1, 2\n3, 4", 1.0),
        ("12\n34", 0.0),
    ],
)
def test_any_of_two_exact_grids_is_right(text: str, value: float) -> None:
    assert graded(A, text).value == value


def test_a_puzzles_score_is_the_share_of_its_pairs() -> None:
    """Correct pairs / pairs, each with its own two attempts (arc-agi-benchmarking, scoring.py)."""
    both = f"{A}\n\n{D}"
    assert graded(both, both) == Score(1.0, (1.0, 1.0))
    assert graded(both, f"{B}\n\n{A}\n\n{D}\n\n{C}") == Score(1.0, (1.0, 1.0))
    assert graded(both, f"{A}\n\n{B}\n\n{B}\n\n{C}") == Score(0.5, (1.0, 0.0))
    assert graded(both, f"{D}\n\n{B}\n\n{A}\n\n{C}") == Score(0.0, (0.0, 0.0)), "right grids at the wrong inputs"
    assert graded(both, A) == Score(0.5, (1.0, 0.0)), "one grid is an attempt at the first input"
    assert graded(both, f"[]\n\n[]\n\n{D}\n\n[]") == Score(0.5, (0.0, 1.0))


def test_which_grids_of_a_completion_are_attempts() -> None:
    assert attempts(f"{C}\n\n{A}\n\n{B}", 1) == [[A, B]]
    assert attempts(f"{A}\n\n{B}\n\n{C}", 2) == [[B], [C]]
    assert attempts(f"{A}\n\n{B}\n\n{C}\n\n{D}", 2) == [[A, B], [C, D]]
    assert attempts("[[[1, 2], [3, 4]], [[0]]]", 1) == [[A, C]]
    assert attempts("nothing", 2) == []


def test_an_answer_is_read_back_as_itself() -> None:
    problem = Problem("arc/x", (), arc, A, data={"inputs": ["0"]})
    answer = arc.extract(problem, f"So:\n\n[[5, 6], [7, 8]] or\n\n{A}\n")
    assert answer == f"{B}\n\n{A}"
    assert arc.extract(problem, answer) == arc.canonical(answer) == answer
    assert arc.extract(problem, "[]") == "[]"
    assert arc.extract(problem, "no grid") is None
