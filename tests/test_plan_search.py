"""PlanSearch: the published combinations, what follows from what, and its coverage where programs of one idea are correlated."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from math import gamma
from random import Random

import pytest

from ponder.errors import ModelError
from ponder.models.simulated import Simulated
from ponder.solve import solve, solve_sync
from ponder.strategies.plan_search import plan_search, subsets
from ponder.tasks.free import problem as asked
from ponder.tasks.simulated import problems as simulated
from ponder.types import Abilities, Answer, Chunk, Problem, Request, Score, Usage
from ponder.verifiers.check import Check
from ponder.verifiers.sandbox import Asserts
from walls import bubblewrap

ALPHA, BETA = 0.2, 0.8
ABLE = Abilities()


def test_ten_observations_give_56_sets() -> None:
    """1 + 10 + 45: every set of 0 to 2 of 10 distinct observations (Wang et al. 2024)."""
    found = subsets([str(number) for number in range(10)])
    assert [sum(len(one) == size for one in found) for size in (0, 1, 2)] == [1, 10, 45]
    assert len(set(found)) == 56
    assert subsets([]) == [()]


@dataclass
class Thinker:
    """A model for which everything depends on the plan: a program is right with its plan's probability, drawn from Beta(.2, .8).

    Programs without a plan follow the one that the model thinks of first, so those of one problem stand or fall together: their
    correlation is rho = 1 / (alpha + beta + 1) = .5.
    """

    name: str = "thinker"
    fingerprint: str = "thinker"
    abilities: Abilities = ABLE
    price: None = None
    parameters: None = None
    concurrency: int = 8
    requests: list[Request] = field(default_factory=list)

    def prompt_tokens(self, request: Request) -> int:
        return 10

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        self.requests.append(request)
        yield Chunk(text=self.write(request), finish_reason="stop", usage=Usage(1, 10, 0, 5))

    def write(self, request: Request) -> str:
        said, dice = request.messages[-1].content, Random(request.seed)
        if "list of" in said:
            return "I see:\n" + "\n".join(f"- thought {dice.getrandbits(40)}" for _ in range(7))
        if "plan that solves" in said:
            return f"plan {dice.getrandbits(40)}"
        chance = Random(said).betavariate(ALPHA, BETA)
        return "right" if dice.random() < chance else f"wrong {dice.getrandbits(40)}"

    async def close(self) -> None:
        pass


def puzzle(number: int) -> Problem:
    task = replace(asked("?").task, name="puzzle", extract=lambda _, text: text or None)
    return replace(asked(f"Problem {number}."), task=task, id=f"puzzle/{number}")


def solved(answer: Answer) -> bool:
    return any(one.answer == "right" for one in answer.candidates)


def test_what_follows_from_what() -> None:
    model = Thinker()
    answer = solve_sync(puzzle(1), model=model, strategy="plan-search", observations=3, plans=4)
    said = [request.messages[-1].content for request in model.requests]
    kinds = [sum(mark in text for text in said) for mark in ("list of 3", "Write no program", "is wrong", "Follow this plan")]
    assert kinds == [1 + 4, 4, 4, 8]
    drawn = {event.id: event for event in answer.trace.events if event.kind == "drawn"}
    depths = []
    for event in drawn.values():
        above, depth = event, 0
        while above.parent is not None:
            above, depth = drawn[above.parent], depth + 1
        depths.append(depth)
    assert [depths.count(depth) for depth in range(5)] == [1, 4, 4, 8, 4], "observed twice, planned, planned again and written"
    assert [one.sample.index for one in answer.candidates] == list(range(8))
    observed = [event.data for event in answer.trace.events if event.kind == "observed"]
    assert all(len(one["found"]) == 3 and len(one["held"]) <= 2 for one in observed)
    assert len({one["held"] for one in observed[1:]}) == 4
    assert all(set(one["held"]) <= set(observed[0]["found"]) for one in observed)


def test_plans_cover_more_than_samples_of_one_idea() -> None:
    """pass@k of plans 1 - (1-mu)^k = .832 at k = 8, of independent samples 1 - B(alpha, beta+k) / B(alpha, beta) = .439."""
    k, mu = 8, ALPHA / (ALPHA + BETA)
    plain = 1 - gamma(BETA + k) * gamma(ALPHA + BETA) / (gamma(ALPHA + BETA + k) * gamma(BETA))
    assert (round(plain, 3), round(1 - (1 - mu) ** k, 3)) == (0.439, 0.832)

    async def covered(strategy: str) -> float:
        found = [await solve(puzzle(number), model=Thinker(), strategy=strategy) for number in range(80)]
        return sum(map(solved, found)) / len(found)

    planned = asyncio.run(covered("plan-search(plans=4,observations=3)"))
    sampled = asyncio.run(covered("self-consistency(n=8)"))
    assert planned == pytest.approx(1 - (1 - mu) ** k, abs=0.13)  # three standard errors
    assert sampled == pytest.approx(plain, abs=0.17)
    assert planned - sampled > 0.2


def test_the_verifier_chooses_where_there_is_one_and_the_programs_vote_where_not() -> None:
    truth = Check("truth", "nothing", lambda _, text: Score(float(text == "right")))
    for number in range(5):
        judged = solve_sync(puzzle(number), model=Thinker(), strategy="plan-search", verifier=truth)
        assert (judged.answer == "right") == solved(judged)
        voted = solve_sync(puzzle(number), model=Thinker(), strategy="plan-search")
        right = [one.answer for one in voted.candidates].count("right")
        assert (voted.answer == "right") == (right > 1 or voted.candidates[0].answer == "right")


@bubblewrap
def test_without_a_verifier_the_examples_choose() -> None:
    class Coder(Thinker):
        def write(self, request: Request) -> str:
            text = super().write(request)
            return text if text.startswith(("I see", "plan")) else f"def f(x): return {2 + (text != 'right')} * x"

    problem = replace(puzzle(3), data={"examples": (Asserts("assert f(2) == 4"),)})
    answer = solve_sync(problem, model=Coder(), strategy="plan-search", plans=3)
    assert answer.answer == "def f(x): return 2 * x"
    assert {one.value for one in answer.candidates} == {0.0, 1.0}
    assert not answer.oracle


def test_failed_draws_lose_their_own_programs_only() -> None:
    answer = solve_sync(simulated(1)[0], model=Simulated(faults={"refuse": 0.2}), strategy="plan-search", seed=5)
    assert 0 < len(answer.candidates) < 16
    with pytest.raises(ModelError, match="refused the call"):
        solve_sync(simulated(1)[0], model=Simulated(faults={"refuse": 1.0}), strategy="plan-search")


def test_at_the_limit_the_choice_among_the_programs_stands() -> None:
    answer = solve_sync(simulated(1)[0], model=Simulated(), strategy="plan-search", budget="40 calls")
    assert answer.stopped == "budget"
    assert 0 < len(answer.candidates) < 16
    assert plan_search.judged
