"""Arithmetic chains: right references, small values, no overlap of splits."""

import re

import pytest

from ponder.tasks.arithmetic import LARGEST, arithmetic_4, arithmetic_8, arithmetic_12, arithmetic_16, arithmetic_mixed
from ponder.types import Task

TASKS = (arithmetic_4, arithmetic_8, arithmetic_12, arithmetic_16, arithmetic_mixed)


def left_to_right(expression: str) -> list[int]:
    """Every value on the way, computed here and not by the task."""
    values = [int(re.match("[0-9]+", expression)[0])]  # type: ignore[index]
    for sign, operand in re.findall("([-+*])([0-9]+)", expression):
        now, number = values[-1], int(operand)
        values.append(now + number if sign == "+" else now - number if sign == "-" else now * number)
    return values


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_reference_is_the_value_and_values_stay_small(task: Task) -> None:
    for problem in task.load("test", 50):
        values = left_to_right(problem.question.rpartition(" ")[2])
        assert problem.reference == str(values[-1])
        assert all(0 < value <= LARGEST for value in values)


def test_a_task_has_the_length_of_its_name() -> None:
    for task, length in zip(TASKS, (4, 8, 12, 16), strict=False):
        assert all(len(re.findall("[-+*]", problem.question)) == length for problem in task.load("test", 20))
    assert {len(re.findall("[-+*]", problem.question)) for problem in arithmetic_mixed.load("test", 200)} == set(range(2, 17))


def test_a_worked_answer_is_read_and_only_the_reference_grades_it() -> None:
    problem = arithmetic_4.load("test", 1)[0]
    verifier = arithmetic_4.verifier
    assert verifier is not None
    assert verifier.reads == "reference"
    assert arithmetic_4.extract(problem, f"1+1=2\nanswer {problem.reference}") == problem.reference


def test_splits_do_not_meet() -> None:
    train, test = ({problem.id for problem in arithmetic_4.load(split, 500)} for split in ("train", "test"))
    assert len(train) == len(test) == 500
    assert not train & test


@pytest.mark.parametrize("words", ["compute left to right 12+7*3-5", "Calculate from left to right: 12 + 7 * 3 - 5."])
def test_a_users_words_become_the_problem_without_a_reference(words: str) -> None:
    problem = arithmetic_mixed.recognise(words)
    assert problem is not None
    assert problem.question == "compute left to right 12+7*3-5"
    assert problem.reference is None
    assert arithmetic_8.recognise(words) is None
    assert arithmetic_mixed.recognise("compute 12+7") is None
