"""Fan-outs as strategies really fan out: widths, rounds, windows and early stops, against what the strategies say they do."""

import asyncio

import pytest

from ponder.cost.fanout import Draw, chain, parallel, rounds, scaled
from ponder.lab.fanout import record
from ponder.models.simulated import Simulated
from ponder.tasks.simulated import problems
from ponder.verifiers.simulated import Imperfect, Process

MODEL = Simulated(accuracy=0.3)
[PROBLEM] = problems(1)
CHECK = Imperfect(PROBLEM.task.verifier, tpr=1.0, fpr=0.0)


def fan(strategy, model=MODEL, verifier=CHECK, **more):
    return asyncio.run(record(PROBLEM, model, strategy=strategy, verifier=verifier, **more))


def test_parallel_strategies_start_all_at_once_and_compute_the_prompt_once():
    for name in ("best-of-n(n=16)", "self-consistency(n=16)"):
        found = fan(name)
        assert [one.after for one in found] == [0] * 16
        assert [one.new for one in found] == [3.0] + [0.0] * 15
        assert rounds(found) == 1


def test_a_sequential_strategy_goes_on_one_by_one_and_ends_where_it_has_won():
    found = fan("first-wins(n=64)", Simulated(accuracy=0.05, seed=3))
    assert [one.after for one in found] == list(range(len(found)))
    assert 1 < len(found) < 64
    assert rounds(found) == len(found)
    sure = fan("first-wins(n=64)", Simulated(accuracy=1.0))
    assert len(sure) == 1


def test_a_window_starts_a_draw_for_each_that_ends():
    found = fan("first-wins(n=12,width=4)", Simulated(accuracy=0.0))
    after = [one.after for one in found]
    assert after[:4] == [0, 0, 0, 0]
    assert all(max(1, place - 3) <= one <= place - 1 for place, one in enumerate(after) if place > 3)  # some end together
    assert 3 <= rounds(found) <= 6


def test_beam_search_goes_in_rounds_behind_prefixes_that_are_cached():
    judge = Process(MODEL.chance, sigma=0.0)
    found = fan("beam(beams=4,width=2)", verifier=judge)
    assert rounds(found) == MODEL.steps + 1
    assert all(one.new < one.prompt for one in found[1:])
    assert max(one.prompt for one in found) > found[0].prompt


def test_a_revision_waits_for_what_it_revises():
    found = fan("self-refine(rounds=2)", verifier=None)
    assert rounds(found) == len(found) > 2
    assert [one.after for one in found] == sorted(one.after for one in found)


def test_scaling_keeps_the_shape_and_changes_the_lengths():
    draws = (Draw(10, 3, 3), Draw(10, 13, 0, 1), Draw(20, 23, 10, 2))
    found = scaled(draws, 50, 300, 3)
    assert [(one.tokens, one.prompt, one.new, one.after) for one in found] == [
        (500, 300, 300, 0), (500, 800, 0, 1), (1000, 1300, 500, 2),
    ]  # fmt: skip


def test_the_plain_shapes():
    assert rounds(parallel(8, 100)) == 1
    assert rounds(chain(8, 100)) == 8
    assert sum(one.new for one in chain(8, 100, 50)) == 50 == sum(one.new for one in parallel(8, 100, 50))
    assert [one.prompt for one in chain(3, 100, 50)] == [50, 150, 250]


@pytest.mark.parametrize("strategy", ["best-of-n(n=4)", "think(waits=2)", "rebase(n=4)", "mcts(simulations=6)"])
def test_every_draw_of_the_solve_is_in_its_fan_out(strategy):
    judge = Process(MODEL.chance, sigma=0.0)
    model = Simulated(accuracy=0.3)
    found = fan(strategy, model, judge if strategy.startswith(("rebase", "mcts")) else CHECK)
    assert (len(found), sum(one.tokens for one in found)) == (model.tally.calls, model.tally.completion)
