"""The exact evaluator of Countdown and Game of 24 against the solver, and how their thoughts are asked for and read."""

from fractions import Fraction
from itertools import combinations_with_replacement

import pytest

from ponder.tasks.countdown import countdown_4, problem
from ponder.tasks.reach import reachable, solve, thoughts

PUZZLE = problem(countdown_4, (3, 7, 8, 8), 24)


def test_what_is_reachable_is_what_the_solver_solves() -> None:
    for numbers in combinations_with_replacement(range(1, 9), 3):
        assert reachable(tuple(map(Fraction, numbers)), 24) == (solve(numbers, 24) is not None)
    assert reachable((Fraction(8, 3), Fraction(9)), 24)
    assert not reachable((Fraction(5, 2), Fraction(9)), 24)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 1.0),
        ("8-7=1 left 3 8 1\n", 1.0),
        ("8-7=1 left 3 8 1\n8*3=24 left 1 24\n24*1=24\n", 1.0),
        ("8-7=1 left 3 8 1\n8*3=24 left 1 24\n24+1=25\n", 0.0),
        ("8+8=16 left 3 7 16\n16-7=9 left 3 9\n", 0.0),
        ("8+8=17 left 3 7 17\n", 0.0),
        ("9+8=17 left 3 7 17\n", 0.0),
        ("Let me think.\n", None),
        ("Answer: 8*3*(8-7) = 24", 1.0),
    ],
)
def test_a_text_is_worth_1_while_its_numbers_reach_the_target(text: str, value: float | None) -> None:
    assert thoughts.value is not None
    assert thoughts.value(PUZZLE, text) == value


def test_proposed_steps_are_checked_and_written_in_one_way() -> None:
    reply = "1. 7 + 8 = 15 (left: 3 8 15)\n- 8 / 3 = 8/3\n8+7=16 left 3 8 16\n9-1=8\nsome words\n3 × 8 = 24 left 24"
    read = thoughts.read(PUZZLE, "", reply)
    assert read == [("8+7=15 left 3 8 15\n", 1.0), ("8/3=(8/3) left 7 8 (8/3)\n", 1.0), ("8*3=24 left 7 8 24\n", 1.0)]
    [(text, _)] = thoughts.read(PUZZLE, "8/3=(8/3) left 7 8 (8/3)\n", "8*(8/3)=(64/3)")
    assert text == "8/3=(8/3) left 7 8 (8/3)\n8*(8/3)=(64/3) left 7 (64/3)\n"
    [(last, _)] = thoughts.read(PUZZLE, "8-7=1 left 3 8 1\n8*3=24 left 1 24\n", "24*1=24")
    assert last.endswith("24*1=24\n")
    assert thoughts.ended(PUZZLE, last)
    assert not thoughts.ended(PUZZLE, text)


def test_questions_name_the_numbers_that_are_left() -> None:
    assert thoughts.propose(PUZZLE, "8-7=1 left 3 8 1\n").startswith("Numbers at hand: 3 8 1\nTarget: 24\n")
    [open_] = thoughts.judge(PUZZLE, "8-7=1 left 3 8 1\n")
    [closed] = thoughts.judge(PUZZLE, "8-7=1 left 3 8 1\n8*3=24 left 1 24\n24*1=24\n")
    assert open_.startswith("Numbers: 3 8 1\nTarget: 24\n")
    assert closed.startswith("Does ((8*3)*(8-7)) use each of the numbers 3 7 8 8 exactly once, and is it equal to 24?")
    assert thoughts.judge(PUZZLE, "no steps") == ()
