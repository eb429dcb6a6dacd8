"""Countdown problems are solvable, split without overlap, and found in a user's words."""

from itertools import combinations_with_replacement

import pytest

from ponder.errors import InputError
from ponder.tasks.countdown import (
    LARGEST_RESULT,
    LARGEST_TARGET,
    countdown_3,
    countdown_4,
    countdown_5,
    countdown_mixed,
    puzzle,
    split_of,
)
from ponder.tasks.expression import grade
from ponder.types import Task

TASKS = (countdown_3, countdown_4, countdown_5, countdown_mixed)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_reference_solves_its_problem_in_whole_numbers_within_bounds(task: Task) -> None:
    for problem in task.load("test", 50):
        assert problem.reference is not None
        assert grade(problem, problem.reference).value == 1.0
        results = [int(line.partition("=")[2].partition(" ")[0]) for line in problem.reference.splitlines()]
        assert all(1 <= result <= LARGEST_RESULT for result in results)
        assert results[-1] == problem.data["target"] <= LARGEST_TARGET


def test_a_split_is_always_the_same_and_a_longer_one_begins_with_it() -> None:
    first = countdown_4.load("test", 5)
    assert [problem.id for problem in first] == [problem.id for problem in countdown_4.load("test", 30)[:5]]
    assert [problem.id for problem in first] == [
        "11-17-18-19-to-9",
        "5-8-8-9-to-2",
        "4-5-12-16-to-27",
        "2-4-16-19-to-29",
        "4-6-17-17-to-81",
    ]
    assert len(countdown_4.load("test", None)) == 200


def test_splits_do_not_meet_in_whatever_order_the_numbers_come() -> None:
    seen = {split: {problem.id for problem in countdown_3.load(split, 300)} for split in countdown_3.splits}
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["validation"]
    assert not seen["validation"] & seen["test"]
    assert split_of((3, 7, 8), 24) == split_of((8, 3, 7), 24)


def test_every_game_of_24_is_held_out() -> None:
    assert all(split_of(numbers, 24) == "test" for numbers in combinations_with_replacement(range(1, 14), 4))


def test_an_unknown_split_and_an_impossible_number_of_problems_are_refused() -> None:
    with pytest.raises(InputError, match="no split `dev`"):
        countdown_4.load("dev", 1)
    with pytest.raises(InputError, match="100000 were asked for"):
        countdown_3.load("validation", 100_000)


@pytest.mark.parametrize(
    "words",
    [
        "countdown 3 7 8 8 to 24",
        "Use 3 7 8 8 to make 24",
        "make 24 from 3, 7, 8 and 8",
        "Using the numbers 3, 7, 8, and 8, make 24.",
        "Can you get 24 with 3 7 8 8?",
    ],
)
def test_a_users_words_become_the_problem(words: str) -> None:
    problem = countdown_mixed.recognise(words)
    assert problem is not None
    assert problem.question == "countdown 3 7 8 8 to 24"
    assert problem == countdown_mixed.recognise("make 24 from 3 7 8 8")


@pytest.mark.parametrize("words", ["", "What is 3 to 8?", "Tom has 3 apples and 8 pears.", "1 " * 1000 + "make 2"])
def test_other_words_do_not(words: str) -> None:
    assert puzzle(words) is None


def test_a_task_of_one_size_takes_only_its_own() -> None:
    assert countdown_3.recognise("Use 3 7 8 8 to make 24") is None
    assert countdown_4.recognise("Use 3 7 8 8 to make 24") is not None
