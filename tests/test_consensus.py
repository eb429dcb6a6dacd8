"""Universal self-consistency: a perfect selector is a vote, a mute one falls back on it, and orders undo a liking for a place."""

import asyncio
from collections import Counter
from math import sqrt

import pytest

from ponder.errors import InputError
from ponder.models.simulated import Simulated
from ponder.solve import solve, solve_sync
from ponder.tasks.simulated import problems
from ponder.types import Abilities
from referee import Referee
from scripted import Scripted, talk

NAME = "universal-self-consistency"


def solved(model, count, **parameters):
    async def main():
        return await asyncio.gather(*[solve(one, model=model, **parameters) for one in problems(count)])

    return asyncio.run(main())


def test_a_perfect_selector_is_self_consistency():
    """Selected = argmax_a of the counts; where the largest class is one, exactly the answer of the vote on the same samples."""
    model = Referee(accuracy=0.4, steps=1, wrong=3)
    voted = solved(model, 40, strategy="self-consistency", n=7)
    selected = solved(model, 40, strategy=NAME, n=7)
    alone = 0
    for one, other in zip(selected, voted, strict=True):
        counts = Counter(candidate.answer for candidate in one.candidates).most_common(2)
        assert Counter(c.answer for c in one.candidates)[one.answer] == counts[0][1]
        if len(counts) == 1 or counts[0][1] > counts[1][1]:
            alone += 1
            assert one.answer == other.answer
    assert alone > 20


@pytest.mark.parametrize("said", ["They all look fine.", "Response: 9", "Response: 0", ""])
def test_what_names_no_response_falls_back_on_the_plurality_and_is_recorded(said):
    model = Referee(accuracy=0.4, steps=1, words_only=said or " ")
    answer = solve_sync(problems(1)[0], model=model, strategy=NAME, n=5)
    assert answer.answer == solve_sync(problems(1)[0], model=model, strategy="self-consistency", n=5).answer
    [voted] = [event for event in answer.trace.events if event.kind == "voted"]
    assert voted.data == {"chosen": None, "evidence": "vote", "error": "it names none of them"}


def test_a_failed_selection_falls_back_and_says_why():
    class Narrow(Referee):
        async def stream(self, request):
            if "# Problem" in request.messages[-1].content:
                raise InputError("the prompt exceeds the context")
            async for chunk in super().stream(request):
                yield chunk

    answer = solve_sync(problems(1)[0], model=Narrow(accuracy=0.4, steps=1), strategy=NAME, n=5, orders=2)
    assert answer.answer is not None
    errors = [event.data["error"] for event in answer.trace.events if event.kind == "voted"]
    assert errors == ["the prompt exceeds the context"] * 2


def test_a_selector_that_takes_the_first_selects_each_sample_alike():
    """Permutation test: with the order at random, P(selected = i) = 1/n for each i; 4 samples, 200 problems, 4 standard errors."""
    answers = solved(Referee(steps=1, words=1, place=1.0), 200, strategy=NAME, n=4)
    selected = Counter()
    for answer in answers:
        event = next(event.data["chosen"] for event in answer.trace.events if event.kind == "voted")
        selected.update(one.sample.index for one in answer.candidates if one.sample.event == event)
    assert sorted(selected) == [0, 1, 2, 3]
    for count in selected.values():
        assert count / 200 == pytest.approx(0.25, abs=4 * sqrt(0.25 * 0.75 / 200))


def test_more_orders_outvote_a_liking_for_the_first_place():
    """A selector that is right with 1 - b and else takes the first: with p = .6, all wrong ones alike, the vote of 9 orders is the
    plurality more often than that of one."""
    model = Referee(accuracy=0.6, steps=1, words=1, attractor=1, place=0.8)
    voted = [one.answer for one in solved(model, 60, strategy="self-consistency", n=7)]

    def agreement(orders):
        answers = solved(model, 60, strategy=NAME, n=7, orders=orders)
        return sum(one.answer == vote for one, vote in zip(answers, voted, strict=True))

    assert agreement(9) > agreement(1) + 5


def test_it_costs_n_calls_and_one_an_order():
    model = Referee(abilities=Abilities())
    answer = solve_sync(problems(1)[0], model=model, strategy=NAME, n=6, orders=3)
    assert model.tally.calls == 9
    assert answer.usage["judge"].calls == 3
    assert solve_sync(problems(1)[0], model=model, strategy=NAME, n=1).answer is not None
    assert model.tally.calls == 10


def test_cut_by_the_budget_the_plurality_stands():
    model = Simulated(accuracy=0.6, steps=1, attractor=1, abilities=Abilities())
    full = solve_sync(problems(1)[0], model=model, strategy="self-consistency", n=6)
    cut = solve_sync(problems(1)[0], model=model, strategy=NAME, n=6, budget="6 calls")
    assert (cut.answer, cut.stopped) == (full.answer, "budget")
    with pytest.raises(InputError, match="`orders` must be above 0"):
        solve_sync(problems(1)[0], model=model, strategy=NAME, orders=0)


def test_agreement_votes_where_there_are_answers_and_lets_the_model_select_prose():
    """The same answer and draws as adaptive-consistency in the one case; at most five samples and one selection in the other."""
    model = Simulated(accuracy=0.6, steps=1, wrong=3, abilities=Abilities(seed=True))
    voted = solved(model, 10, strategy="adaptive-consistency(n=12,width=4)")
    agreed = solved(model, 10, strategy="agreement(n=12)")
    assert [one.answer for one in agreed] == [one.answer for one in voted]

    def say(request):
        return "Response: 2" if "# Response 1" in talk(request) else "Light of short waves is scattered most"

    prose = Scripted(say)
    answer = solve_sync("Why is the sky blue?", model=prose, strategy="agreement", n=64)
    assert len(prose.requests) == 6
    assert set(answer.usage) == {"policy", "judge"}
    assert answer.text.startswith("Light")
    assert len(solve_sync("Why?", model=Scripted(say), strategy="agreement(n=1)").candidates) == 1
