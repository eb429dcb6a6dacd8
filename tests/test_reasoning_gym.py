"""Reasoning Gym: its families are tasks, its own scorers grade, splits differ, and a hostile answer ends in time."""

import asyncio
import json
from pathlib import Path
from time import perf_counter

import pytest

from ponder import tasks
from ponder.errors import InputError
from ponder.tasks import reasoning_gym
from ponder.tasks.reasoning_gym import Scorer
from ponder.types import Problem, Sample, Score
from ponder.verifiers.math import Worker

pytest.importorskip("reasoning_gym", reason='the package is not there: pip install "ponder[tasks]"')

FAMILIES = ("chain_sum", "leg_counting", "knights_knaves", "word_sorting", "countdown")


def graded(problem: Problem, *texts: str) -> list[Score]:
    assert problem.task.verifier
    return asyncio.run(problem.task.verifier(problem, [Sample(text) for text in texts]))


@pytest.mark.parametrize("name", FAMILIES)
def test_gold_answers_are_right(name: str) -> None:
    """Of some families; docs/reasoning_gym.md names those of all whose gold answer does not grade 1."""
    for problem in tasks.get(f"reasoning-gym:{name}").load("test", 4):
        assert [one.value for one in graded(problem, f"So:\n<answer>{problem.reference}</answer>")] == [1.0]


def test_splits_are_seeds_and_a_shorter_load_begins_a_longer_one() -> None:
    task = tasks.get("reasoning-gym:chain_sum")
    assert task is tasks.get("reasoning-gym:chain_sum")
    loaded = {split: task.load(split, 20) for split in task.splits}
    assert task.load("test", 5) == loaded["test"][:5]
    words = [{one.question for one in some} for some in loaded.values()]
    assert not words[0] & words[1] and not words[0] & words[2] and not words[1] & words[2]  # noqa: PT018


def test_answers_without_tags_are_found_and_wrong_ones_are_not_right() -> None:
    problem = tasks.get("reasoning-gym:leg_counting").load("test", 1)[0]
    values = [one.value for one in graded(problem, f"The answer is {problem.reference}.", "<answer>-1</answer>", "")]
    assert values[0] == 1.0
    assert values[1] in (0.0, 0.01)
    assert values[2] == 0.0


def test_a_scorer_that_is_late_is_killed_and_the_next_one_is_scored() -> None:
    late = Path(reasoning_gym.__file__).with_name("scorer.py")
    scorer = Scorer(Worker(1.0, late))
    problem = tasks.get("reasoning-gym:puzzle24").load("test", 1)[0]
    began = perf_counter()
    hostile = asyncio.run(scorer(problem, [Sample(f"<answer>{'9**' * 8}9</answer>")]))[0]
    assert hostile.value in (None, 0.0, 0.01)
    assert perf_counter() - began < 30
    honest = asyncio.run(scorer.worker.compare(json.dumps(problem.data["entry"]), problem.reference or ""))
    scorer.worker.close()
    assert honest.value == 1.0


def test_unknown_families_and_splits_are_refused() -> None:
    with pytest.raises(InputError, match=r"no family `nonesuch` in Reasoning Gym; there are .*chain_sum"):
        tasks.get("reasoning-gym:nonesuch")
    with pytest.raises(InputError, match="no split `dev`; its splits are test, validation, train"):
        tasks.get("reasoning-gym:gcd").load("dev", 1)
