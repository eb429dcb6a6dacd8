"""IFEval as a task: its 541 prompts, 25 kinds of instruction, and a verifier that may choose."""

import sys
from pathlib import Path

import pytest

from ponder.errors import InputError
from ponder.solve import solve_sync
from ponder.tasks.ifeval import ifeval
from ponder.verifiers.constraint import RULES
from scripted import Scripted


@pytest.fixture
def problems(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PONDER_DATA", str(data))
    return ifeval.load("test", None)


def test_541_prompts_with_834_instructions_of_25_kinds(problems):
    asked = [one for problem in problems for one in problem.data["instructions"]]
    assert (len(problems), len(asked)) == (541, 834)
    assert {one.kind for one in asked} == set(RULES)
    assert len({problem.id for problem in problems}) == 541
    assert all(one.fault("some text") is None or one.fault("some text") for one in asked)


def test_the_rules_choose_among_candidates_as_they_read_no_reference(problems):
    problem = next(one for one in problems if [asked.kind for asked in one.data["instructions"]] == ["punctuation:no_comma"])
    said = iter(["one, two", "one; two", "three, four"])
    answer = solve_sync(problem, model=Scripted(lambda request: next(said)), strategy="best-of-n", n=3)
    assert (answer.text, answer.answer, answer.oracle) == ("one; two", None, False)


def test_without_a_source_it_says_how_to_get_one(monkeypatch):
    monkeypatch.delenv("PONDER_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"google/IFEval.*bench_ifeval/input_data\.jsonl\.gz"):
        ifeval.load("test", 1)


def test_values_that_are_none_are_no_parameters(monkeypatch):
    """The hub's rows carry every parameter of every kind, most of them None."""
    row = {"key": 7, "prompt": "No commas.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"num_words": None}]}
    monkeypatch.setattr("ponder.tasks.files.benchmark", lambda *_: [row])
    [problem] = ifeval.load("test", None)
    assert (problem.id, problem.data["instructions"][0].fault("none")) == ("ifeval/7", None)
