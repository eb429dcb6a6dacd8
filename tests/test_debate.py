"""Debate against the closed form of agents that mend and spoil their answers, and against a vote of as many samples."""

import asyncio
from math import comb, sqrt

import pytest

from ponder.errors import InputError
from ponder.models.simulated import Simulated
from ponder.solve import solve, solve_sync
from ponder.tasks.simulated import problems
from ponder.types import Abilities

PROBLEM = problems(1)[0]


def accuracy(model, count, **parameters):
    async def main():
        return await asyncio.gather(*[solve(one, model=model, **parameters) for one in problems(count)])

    return sum(answer.answer == one.reference for answer, one in zip(asyncio.run(main()), problems(count), strict=True)) / count


def vote(p, n):
    """P(the majority of n is right) where all wrong answers are one; a tie goes to the first drawn, which is either."""
    law = [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    return sum(chance * ((2 * k > n) + (2 * k == n) / 2) for k, chance in enumerate(law))


def debated(p, fixes, breaks, rounds):
    """P(an agent is right) after its rounds: p' = p (1 - breaks) + (1 - p) fixes."""
    for _ in range(rounds - 1):
        p = p * (1 - breaks) + (1 - p) * fixes
    return p


@pytest.mark.parametrize(
    ("p", "fixes", "breaks", "agents", "rounds"), [(0.5, 0.3, 0.1, 3, 2), (0.6, 0.1, 0.2, 3, 3), (0.3, 0.5, 0.0, 2, 3)]
)
def test_agents_that_mend_and_spoil_vote_by_their_chain(p, fixes, breaks, agents, rounds):
    """Each agent is a two-state chain, p' = p (1 - b) + (1 - p) f; the majority of the last answers wins; four standard errors."""
    model = Simulated(accuracy=p, steps=1, words=1, attractor=1, fixes=fixes, breaks=breaks)
    expected = vote(debated(p, fixes, breaks, rounds), agents)
    measured = accuracy(model, 100, strategy="debate", agents=agents, rounds=rounds)
    assert measured == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / 100))


@pytest.mark.parametrize(("fixes", "breaks", "better"), [(0.1, 0.1, False), (0.0, 0.0, False), (0.6, 0.05, True)])
def test_at_equal_samples_debate_beats_a_vote_only_where_much_more_is_mended_than_spoilt(fixes, breaks, better):
    """3 agents in 2 rounds against self-consistency of 6 (Huang et al. 2023), p = .6: vote(p', 3) against vote(p, 6)."""
    model = Simulated(accuracy=0.6, steps=1, words=1, attractor=1, fixes=fixes, breaks=breaks, abilities=Abilities())
    expected = vote(debated(0.6, fixes, breaks, 2), 3) - vote(0.6, 6)
    assert (expected > 0) == better
    debate = accuracy(model, 100, strategy="debate")
    calls = model.tally.calls
    voting = accuracy(model, 100, strategy="self-consistency", n=6)
    assert model.tally.calls == 2 * calls == 2 * 100 * 6
    assert debate - voting == pytest.approx(expected, abs=4 * sqrt(0.5 / 100))


@pytest.mark.parametrize(("agents", "rounds"), [(3, 2), (1, 1), (2, 4)])
def test_it_costs_agents_times_rounds_calls(agents, rounds):
    model = Simulated(abilities=Abilities())
    answer = solve_sync(PROBLEM, model=model, strategy="debate", agents=agents, rounds=rounds)
    assert model.tally.calls == agents * rounds == len(answer.candidates)
    assert [one.sample.index for one in answer.candidates] == list(range(agents * rounds))


def test_an_agent_hears_what_the_others_said_last_and_remembers_what_it_said():
    heard = []

    class Noting(Simulated):
        async def stream(self, request):
            heard.append(request.messages)
            async for chunk in super().stream(request):
                yield chunk

    answer = solve_sync(PROBLEM, model=Noting(abilities=Abilities()), strategy="debate", agents=3, rounds=3)
    first = [one.sample.text for one in answer.candidates[:3]]
    assert [len(messages) for messages in heard] == [1, 1, 1, 3, 3, 3, 5, 5, 5]
    for agent, messages in enumerate(heard[3:6]):
        assert [message.role for message in messages] == ["user", "assistant", "user"]
        assert messages[1].content == first[agent]
        assert [text in messages[2].content for text in first] == [other != agent for other in range(3)]


def test_agents_that_say_the_same_still_draw_apart():
    """Equal conversations are drawn anew: of 5 agents that all were wrong, and mend with 1/2, some mend and some do not."""
    model = Simulated(accuracy=0.0, steps=1, words=1, attractor=1, fixes=0.5)
    answer = solve_sync(PROBLEM, model=model, strategy="debate", agents=5, rounds=3)
    seeds = [event.data["index"] for event in answer.trace.events if event.kind == "drawn"]
    assert len(seeds) == 15
    assert len({one.answer for one in answer.candidates[5:]}) == 2


def test_an_agent_that_fails_stands_by_what_it_said():
    class Tired(Simulated):
        async def stream(self, request):
            if len(request.messages) > 1:
                raise InputError("the conversation exceeds the context")
            async for chunk in super().stream(request):
                yield chunk

    model = Tired(accuracy=0.6, steps=1, attractor=1)
    answer = solve_sync(PROBLEM, model=model, strategy="debate", agents=5, rounds=3)
    assert len(answer.candidates) == 5
    assert answer.answer == solve_sync(PROBLEM, model=model, strategy="self-consistency", n=5).answer


def test_cut_by_the_budget_the_newest_whole_round_stands():
    model = Simulated(accuracy=0.6, steps=1, attractor=1, fixes=1.0, abilities=Abilities())
    vote = solve_sync(PROBLEM, model=model, strategy="self-consistency", n=3)
    cut = solve_sync(PROBLEM, model=model, strategy="debate", budget="4 calls")
    assert (cut.answer, cut.stopped) == (vote.answer, "budget")
    with pytest.raises(InputError, match="`rounds` must be above 0"):
        solve_sync(PROBLEM, model=model, strategy="debate", rounds=0)
