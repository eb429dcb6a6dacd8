"""Labels by rollouts: the rules, what a kill leaves, and that exact labels are the task's own search."""

import asyncio

import msgspec
import pytest

from ponder.tasks import countdown, get
from ponder.train import rollouts
from ponder.train.rollouts import SHARES, Chain, Labelled, exact, labelled, write

SOLUTIONS = [(("a", "b"), True), (("a", "c"), False), (("a", "c"), False), (("d",), False)]


@pytest.mark.parametrize(
    ("rule", "values"), [("soft", [(0.3333, 1.0), (0.3333, 0.0), (0.0,)]), ("hard", [(1.0, 1.0), (1.0, 0.0), (0.0,)])]
)
def test_soft_labels_are_shares_and_hard_ones_say_whether_any_ending_is_right(rule, values):
    """Wang et al. 2024, equations 3 and 4; equal solutions count as often as they were drawn."""
    assert [chain.values for chain in labelled(SOLUTIONS, SHARES[rule])] == values


def test_exact_labels_say_what_can_still_be_reached():
    asked = countdown.problem(get("countdown-4"), (3, 7, 8, 8), 24)
    steps = ("8-7=1 left 3 8 1", "8+3=11 left 1 11", "11+1=12")
    assert exact(asked, Chain(steps, (0.5, 0.5, 0.5))).values == (1.0, 0.0, 0.0)  # (8-7)*3*8 = 24, but not from 1 and 11
    assert exact(asked, Chain(("8-7=1", "so"), (None, None))).values == (1.0, 0.0)
    sums = get("arithmetic-4").load("train", 1)[0]
    assert exact(sums, Chain(("1+1=2",), (0.25,))).values == (0.25,)  # no search there


def test_a_killed_file_goes_on_behind_its_last_whole_line(tmp_path):
    asked, path, seen = get("countdown-3").load("train", 5), tmp_path / "labels.jsonl", []

    async def one(problem):
        seen.append(problem)
        return Labelled(problem.question, (Chain(("1+1=2",), (None,)),))

    path.write_bytes(b'{"question":"first","chains":[]}\n{"quest')
    asyncio.run(write(path, asked, one))
    found = [msgspec.json.decode(line, type=Labelled) for line in path.read_bytes().splitlines()]
    assert seen == asked[1:]
    assert [line.question for line in found] == ["first", *(problem.question for problem in asked[1:])]
    assert found[1].chains == (Chain(("1+1=2",), (None,)),)


def test_problems_are_of_the_training_split_in_their_shares():
    found = rollouts.problems(40, seed=1)
    names = [problem.task.name for problem in found]
    assert {name: names.count(name) for name in names} == {name: round(40 * share) for name, share in rollouts.MIX.items()}
    for problem in found:
        if "numbers" in problem.data:
            assert countdown.split_of(problem.data["numbers"], problem.data["target"]) == "train"
