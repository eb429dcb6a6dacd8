"""Composition: any strategy is the sampler of another, and nothing is copied for it."""

import asyncio

import pytest

import ponder
from ponder.errors import InputError
from ponder.models.simulated import Simulated
from ponder.strategies import parse, split
from ponder.tasks.simulated import simulated
from ponder.types import Answer
from ponder.verifiers.simulated import Process

MODEL = Simulated(accuracy=0.4, steps=3, seed=3)
PRM = Process(MODEL.chance, sigma=0.0, floor=0.0)
PROBLEM = simulated.load("test", 1)[0]


def solved(strategy: str, **settings: object) -> Answer:
    return asyncio.run(ponder.solve(PROBLEM, model=MODEL, strategy=strategy, verifier=PRM, **settings))  # type: ignore[arg-type]


def test_the_first_run_of_a_sampler_is_the_strategy_itself() -> None:
    alone, composed = solved("dvts(beams=4,width=2)"), solved("best-of-n(n=1,sampler=dvts(beams=4,width=2))")
    assert (composed.text, composed.usage) == (alone.text, alone.usage)


def test_runs_are_independent_and_each_gives_one_sample() -> None:
    answer = solved("best-of-n(n=6,sampler=chain-of-thought)")
    assert len(answer.candidates) == 6
    assert len({one.sample.text for one in answer.candidates}) > 1
    assert [one.sample.index for one in answer.candidates] == list(range(6))


def test_a_vote_over_leaves_counts_all_candidates_of_a_search() -> None:
    search = solved("dvts(beams=8,width=2)")
    vote = solved("self-consistency(n=1,sampler=leaves:dvts(beams=8,width=2))")
    assert sorted(one.sample.text for one in vote.candidates) == sorted(one.sample.text for one in search.candidates)
    assert all(one.score is not None for one in search.candidates)


def test_samplers_nest() -> None:
    answer = solved("self-consistency(n=3,sampler=best-of-n(n=2,sampler=beam(beams=4,width=2)))")
    assert len(answer.candidates) == 3
    assert answer.answer == PROBLEM.reference


def test_the_budget_ends_all_runs_and_the_best_so_far_is_returned() -> None:
    answer = solved("best-of-n(n=32,sampler=beam(beams=4,width=2))", budget="1500")
    assert answer.stopped == "budget"
    assert sum(usage.computed for usage in answer.usage.values()) <= 1500


def test_commas_inside_brackets_belong_to_the_inner_strategy() -> None:
    assert split("a,b(n=1,m=c(d=2,e=3)),f") == ["a", "b(n=1,m=c(d=2,e=3))", "f"]
    assert parse("best-of-n(n=2,sampler=beam(beams=4,width=2))")[1] == {"n": 2, "sampler": "beam(beams=4,width=2)"}


def test_an_unknown_sampler_is_named() -> None:
    with pytest.raises(InputError, match="nonsense"):
        solved("best-of-n(n=2,sampler=nonsense)")
