"""A policy's file: what it says, what it refuses, and which choice it gives."""

import json
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise

import pytest

from ponder.errors import InputError
from ponder.policy.difficulty import Estimator
from ponder.policy.policy import EFFORTS, VERSION, Bin, Choice, Policy, at, read, shipped
from ponder.strategies import registry
from ponder.tasks.simulated import problems


def choice(budget, strategy="self-consistency", accuracy=0.5, **parameters):
    return Choice(budget, strategy, parameters, accuracy, (accuracy - 0.1, accuracy + 0.1), budget / 2)


def one_bin(*choices, edges=(0.0, 1.0)):
    """A bin whose efforts are its choices, without their budgets: the first for the three least, the last for the others."""
    free = [replace(choices[0], budget=None)] * 3 + [replace(choices[-1], budget=None)] * 2
    return Bin(edges, choices, dict(zip(EFFORTS, free, strict=True)))


def policy(bins=None, estimator=None, **changes):
    easy, hard = ((choice(100, n=2), choice(1000, n=4)), (choice(100, n=3), choice(1000, n=16)))
    settings = {
        "version": VERSION, "task": "simulated", "model": "simulated", "verifier": None, "estimator": estimator,
        "bins": (one_bin(*easy, edges=(0.0, 0.4)), one_bin(*hard, edges=(0.4, 1.0))) if bins is None else bins,
        "efforts": dict(zip(EFFORTS, (50, 50, 50, 500, 500), strict=True)), "evidence": {"made": {"problems": 2}},
    }  # fmt: skip
    return Policy(**settings | changes)


def test_what_is_written_is_read_back(tmp_path):
    made = policy(estimator=Estimator("oracle", known={"simulated-0": 0.3}))
    made.write(tmp_path / "policy.json")
    assert read(tmp_path / "policy.json") == made


def test_the_file_has_the_names_that_stay(tmp_path):
    policy().write(tmp_path / "policy.json")
    text = (tmp_path / "policy.json").read_text()
    found = json.loads(text)
    assert list(found) == ["version", "task", "model", "verifier", "estimator", "bins", "efforts", "evidence"]
    assert list(found["bins"][0]) == ["difficulty", "choices", "efforts"]
    names = ["budget", "strategy", "parameters", "accuracy", "interval", "tokens", "model", "temperature"]
    assert list(found["bins"][0]["choices"][0]) == list(found["bins"][0]["efforts"]["max"]) == names
    assert text.count("\n") > 20  # for people to read


def test_a_bin_is_found_by_difficulty_and_an_unknown_one_counts_as_hard():
    made = policy()
    assert made.edges == [0.4]
    assert [made.bin(one).difficulty for one in (0.0, 0.39, 0.4, 1.0, None)] == [(0, 0.4), (0, 0.4), (0.4, 1), (0.4, 1), (0.4, 1)]


@pytest.mark.parametrize(("budget", "found"), [(1, 100), (100, 100), (999, 100), (1000, 1000), (float("inf"), 1000)])
def test_the_choice_is_that_of_the_greatest_budget_that_is_not_above(budget, found):
    assert at(policy().bins[0].choices, budget).budget == found


def test_the_estimator_tells_the_difficulty_and_without_one_nothing_does():
    problem = problems(1)[0]
    assert policy().difficulty(problem, []) is None
    assert policy(estimator=Estimator("oracle", known={problem.id: 0.3})).difficulty(problem, []) == 0.3
    assert policy().probe == 0
    assert policy(estimator=Estimator("probe", probe=4)).probe == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not a policy: .*; make one with `ponder tune`"),
        (b'{"version": 99}', "has version 99, this program reads 2; run `ponder tune` again"),
        (b'{"version": 2, "task": "x"}', "is not a policy: .*missing required field"),
        (b'{"task": "x"}', "is not a policy"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(tmp_path, content, message):
    (tmp_path / "policy.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "policy.json")


def test_a_policy_without_choices_is_refused(tmp_path):
    policy(bins=()).write(tmp_path / "policy.json")
    with pytest.raises(InputError, match="without choices"):
        read(tmp_path / "policy.json")
    policy(bins=(Bin((0.0, 1.0), (choice(100, n=2),), {}),)).write(tmp_path / "policy.json")
    with pytest.raises(InputError, match="without choices or efforts"):
        read(tmp_path / "policy.json")


def test_a_file_that_is_not_there_or_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the policy .*none\.json.*No such file.*; make one with `ponder tune`"):
        read(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"cannot write the policy to .*; choose another --out"):
        policy().write(tmp_path / "no" / "folder.json")


@pytest.mark.parametrize("path", sorted(files("ponder.policy").joinpath("shipped").iterdir()), ids=lambda path: path.name)
def test_every_shipped_policy_is_whole_and_proved(path):
    """Its strategies exist with these parameters, its bins cover all difficulties, and it was proved on another split."""
    found = read(path)
    assert shipped(found.task, found.model, found.verifier) == found
    assert path.name == f"{found.task}.json"
    edges = [one.difficulty for one in found.bins]
    assert edges[0][0] == 0
    assert edges[-1][1] == 1
    assert all(one[1] == other[0] for one, other in pairwise(edges))
    for one in found.bins:
        assert [each.budget for each in one.choices] == sorted({each.budget for each in one.choices})
        for each in (*one.choices, *one.efforts.values()):
            registry.get(each.strategy).check(each.parameters)
        assert {each.budget for each in one.efforts.values()} == {None}
    assert list(found.efforts) == list(EFFORTS)
    assert sorted(found.efforts.values()) == list(found.efforts.values())
    assert found.evidence["held_out"]["split"] != found.evidence["made"]["split"]


def test_nothing_is_shipped_for_another_model_or_verifier():
    assert shipped("countdown", "builtin:mini", "countdown") is not None
    assert shipped("countdown", "other", "countdown") is None
    assert shipped("countdown", "builtin:mini", None) is None
    assert shipped("no such task", "builtin:mini", None) is None
