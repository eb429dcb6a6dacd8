"""A judge's liking for a place, measured on judges whose liking is known."""

import asyncio
from math import sqrt

import pytest

from ponder import trace
from ponder.proportion import wilson
from ponder.solve import solve_sync
from ponder.strategies import registry
from ponder.tasks.simulated import problems, simulated
from ponder.trace import Trace
from ponder.types import Abilities, Sample
from ponder.verifiers.position import Position, position, weigh
from ponder.verifiers.simulated import Judge
from referee import Referee

TRUTH = simulated.verifier


def measured(judge, count, first="answer {}", second="answer x", votes=2):
    """Comparisons of `count` pairs, by default a right and a wrong one, and what they show."""

    async def main():
        record = Trace()
        with trace.tracing(record):
            for number, problem in enumerate(problems(count)):
                pair = [Sample(text.format(problem.reference) + f" {number}") for text in (first, second)]
                pair = pair if number % 2 else pair[::-1]
                await judge.compare(problem, *pair, votes)
        return position(record.events)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("straight", "swapped", "value"),
    [([1.0], [0.0], 1.0), ([1.0], [1.0], 0.5), ([0.0], [1.0], 0.0), ([1.0], [], 1.0), ([], [], None)],
)
def test_both_orders_are_weighed_alike(straight, swapped, value):
    assert weigh(Sample("a"), Sample("b"), straight, swapped) == value


@pytest.mark.parametrize(("skill", "bias"), [(0.8, 0.0), (0.7, 0.2), (0.7, -0.2), (0.6, 0.4)])
def test_flips_and_firsts_follow_their_law(skill, bias):
    """With a = P("1") where the right one stands first, b where it stands second: flips ab + (1-a)(1-b), firsts (a+b)/2."""
    seen = measured(Judge(TRUTH, skill, bias), 600)
    a, b = (min(1, max(0, chance + bias)) for chance in (skill, 1 - skill))
    flips, firsts = a * b + (1 - a) * (1 - b), (a + b) / 2
    assert (seen.verdicts, seen.pairs) == (1200, 600)
    assert seen.flipped / seen.pairs == pytest.approx(flips, abs=4 * sqrt(flips * (1 - flips) / 600))
    assert seen.first / seen.verdicts == pytest.approx(firsts, abs=4 * sqrt(firsts * (1 - firsts) / 1200))
    assert seen.place == (None if bias == 0 else "first" if bias > 0 else "second")


@pytest.mark.parametrize(("judge", "flipped", "place"), [(Judge(TRUTH, 1.0), 0, None), (Judge(TRUTH, 1.0, bias=1.0), 20, "first")])
def test_limits(judge, flipped, place):
    """A perfect judge never flips and likes no place; one that always says "1" flips always."""
    seen = measured(judge, 20)
    assert (seen.flipped, seen.place) == (flipped, place)
    assert seen.flipped_interval == wilson(flipped, 20)


def test_few_verdicts_prove_no_liking():
    """3 of 3 are within Wilson's interval of 1/2 at 95 %; 4 of 4 are not."""
    assert Position(3, 3, 0, 0).place is None
    assert Position(4, 4, 0, 0).place == "first"
    assert Position(4, 0, 0, 0).place == "second"
    assert Position(4, 4, 0, 0).flipped_interval is None


def test_a_verifier_that_scores_has_no_place():
    with trace.tracing(Trace()) as record:
        asyncio.run(registry.get("knockout")(problems(1)[0], Referee(steps=1), TRUTH, n=4))
    assert [event.kind for event in record.events if event.kind in ("preferred", "position")] == []


@pytest.mark.parametrize(("strategy", "pairs"), [("knockout(n=8,comparisons=2)", 7), ("league(n=8,opponents=4)", 0)])
def test_a_tournament_declares_what_it_has_seen_of_its_judge(strategy, pairs):
    """Each match of a knockout is seen in both orders; in a league each candidate stands first as often as second."""
    answer = solve_sync(problems(1)[0], model=Referee(steps=1, place=1.0), strategy=strategy)
    last = [event.data for event in answer.trace.events if event.kind == "position"][-1]
    assert (last["pairs"], last["flipped"]) == (pairs, pairs)
    assert last["first"] == last["verdicts"] == (14 if pairs else 32)
    assert last["place"] == "first"
    assert last["first_interval"] == wilson(last["first"], last["verdicts"])


def test_a_tournament_that_the_budget_cuts_declares_it_too():
    model = Referee(steps=1, abilities=Abilities())
    answer = solve_sync(problems(1)[0], model=model, strategy="knockout(n=4,comparisons=2)", budget="7 calls")
    assert answer.stopped == "budget"
    assert any(event.kind == "position" for event in answer.trace.events)
