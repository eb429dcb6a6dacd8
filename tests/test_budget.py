"""Budgets are hard: reserved before, settled after, nested, fair, and never exceeded by any strategy on any model."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder import budget
from ponder.budget import Budget, Charge, Meter
from ponder.errors import BudgetExhausted, InputError, ModelError, PonderError, PriceUnknown, VerifierError
from ponder.models.simulated import ABLE, Simulated
from ponder.solve import solve
from ponder.strategies import registry
from ponder.tasks.simulated import problems
from ponder.types import Abilities, Price
from ponder.verifiers.simulated import Imperfect, Process


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4000", Budget(tokens=4000)),
        ("16k", Budget(tokens=16_000)),
        ("1.5M tokens", Budget(tokens=1_500_000)),
        ("$0.02", Budget(usd=0.02)),
        ("30s", Budget(seconds=30)),
        ("2m", Budget(seconds=120)),
        ("250ms", Budget(seconds=0.25)),
        ("64 calls", Budget(calls=64)),
        ("4000, $0.02,30s", Budget(tokens=4000, usd=0.02, seconds=30)),
    ],
)
def test_budgets_are_read_as_people_write_them(text, expected):
    assert Budget.parse(text) == expected


@pytest.mark.parametrize("text", ["", "lots", "0", "-5", "$", "4000 apples", "4000,5000", "nan", "inf", "1e", "0.2", "٣"])
def test_a_budget_that_means_nothing_is_an_error_that_names_it(text):
    with pytest.raises(InputError, match="budget"):
        Budget.parse(text)


def test_a_draw_waits_for_others_to_settle_and_is_refused_only_when_it_can_never_fit():
    async def main():
        meter = Meter(Budget(tokens=100))
        await meter.reserve(Charge(60))
        waiting = asyncio.ensure_future(meter.reserve(Charge(60)))
        await asyncio.sleep(0)
        assert not waiting.done()
        meter.settle(Charge(60), Charge(40))
        await waiting
        with pytest.raises(BudgetExhausted, match="40 spent, and the next draw may need 61") as refusal:
            await meter.reserve(Charge(61))
        assert (refusal.value.limit, refusal.value.allowed, refusal.value.spent, refusal.value.needed) == ("tokens", 100, 40, 61)

    asyncio.run(main())


def test_a_cancelled_wait_leaves_nothing_reserved():
    async def main():
        meter = Meter(Budget(tokens=100))
        await meter.reserve(Charge(100))
        first, second = (asyncio.ensure_future(meter.reserve(Charge(100))) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        meter.settle(Charge(100), Charge(0))
        await second
        assert meter.reserved == Charge(100)
        meter.settle(Charge(100), Charge(0))
        third = asyncio.ensure_future(meter.reserve(Charge(100)))
        fourth = asyncio.ensure_future(meter.reserve(Charge(100)))
        await asyncio.sleep(0)
        meter.settle(Charge(100), Charge(0))
        fourth.cancel()  # admitted, but cancelled before it wakes
        await asyncio.gather(third, fourth, return_exceptions=True)
        assert meter.reserved == Charge(0)

    asyncio.run(main())


def test_a_nested_budget_spends_its_parents_too():
    async def main():
        with budget.spending(Budget(tokens=100)) as whole:
            with budget.spending(Budget(tokens=80)) as stage:
                await stage.reserve(Charge(50))
                stage.settle(Charge(50), Charge(50))
            with budget.spending(Budget(tokens=80)) as stage, pytest.raises(BudgetExhausted, match="100 tokens"):
                await stage.reserve(Charge(60))
        assert whole.spent == Charge(50)

    asyncio.run(main())


def test_who_waits_at_a_limit_of_its_own_holds_up_nobody_else_and_a_shared_limit_is_kept_in_order():
    async def main():
        shared = Meter(Budget(tokens=100))
        narrow, wide = Meter(Budget(tokens=40), shared), Meter(Budget(), shared)
        await narrow.reserve(Charge(40))
        waiting = asyncio.ensure_future(narrow.reserve(Charge(30)))  # at its own limit, and not at the shared one
        await asyncio.sleep(0)
        await asyncio.wait_for(wide.reserve(Charge(50)), 1)
        large = asyncio.ensure_future(wide.reserve(Charge(60)))
        await asyncio.sleep(0)
        small = asyncio.ensure_future(wide.reserve(Charge(10)))  # would fit, but another waits for the same limit before it
        await asyncio.sleep(0)
        assert [one.done() for one in (waiting, large, small)] == [False, False, False]
        wide.settle(Charge(50), Charge(0))
        await asyncio.gather(large)
        assert shared.reserved == Charge(100)
        assert [one.done() for one in (waiting, small)] == [False, False]
        narrow.settle(Charge(40), Charge(0))
        await asyncio.gather(waiting, small)
        assert (narrow.reserved, wide.reserved, shared.reserved) == (Charge(30), Charge(70), Charge(100))

    asyncio.run(main())


def test_time_is_a_limit_of_the_same_kind():
    async def main():
        model = Simulated(latency=0.01, words=100)
        answer = await solve(problems(1)[0], model=model, strategy="self-consistency", n=64, budget="400ms", max_tokens=128)
        assert answer.stopped == "budget"
        assert 0 < len(answer.candidates) < 64 or answer.answer is None
        return answer

    slow = Simulated(latency=0.5)
    with pytest.raises(BudgetExhausted, match=r"0\.2 seconds"):
        asyncio.run(solve(problems(1)[0], model=slow, strategy="direct", budget="200ms"))


def test_dollars_need_a_price():
    with pytest.raises(PriceUnknown, match="simulated"):
        asyncio.run(solve(problems(1)[0], model=Simulated(), strategy="direct", budget="$1"))
    priced = Simulated(price=Price(1e-4, 1e-4))
    answer = asyncio.run(solve(problems(1)[0], model=priced, strategy="self-consistency", n=64, budget="$0.1"))
    assert answer.stopped == "budget"
    assert answer.cost.usd == pytest.approx(sum(c.sample.usage.computed for c in answer.candidates) * 1e-4)
    assert answer.cost.usd <= 0.1


def test_which_draws_a_budget_admits_does_not_depend_on_concurrency():
    def indices(concurrency, latency):
        model = Simulated(concurrency=concurrency, latency=latency, abilities=Abilities(usage=True))
        answer = asyncio.run(solve(problems(1)[0], model=model, strategy="self-consistency", n=64, budget="700", max_tokens=64))
        return [candidate.sample.index for candidate in answer.candidates]

    assert indices(1, 0.0) == indices(7, 0.0001) == indices(64, 0.0002) == list(range(len(indices(1, 0.0))))


_STRATEGIES = [name for name, one in registry.all().items() if one.run.__module__.startswith("ponder.")]
_FAULTS = ("refuse", "break", "cut", "silent")


def reading(strategy):
    """The folder for a strategy that reads one: this project's own pages, some of which speak of simulated problems."""
    return {"folder": str(Path(__file__).parent.parent / "docs")} if "folder" in strategy.parameters else {}


@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    name=st.sampled_from(_STRATEGIES),
    n=st.integers(1, 12),
    tokens=st.none() | st.integers(1, 400),
    calls=st.none() | st.integers(1, 12),
    cents=st.none() | st.integers(1, 400),
    max_tokens=st.integers(1, 60),
    faults=st.dictionaries(st.sampled_from(_FAULTS), st.sampled_from((0.05, 0.2)), max_size=3),
    batched=st.booleans(),
    concurrency=st.sampled_from((1, 3, 64)),
    seed=st.integers(0, 10_000),
)
def test_a_budget_is_never_exceeded(name, n, tokens, calls, cents, max_tokens, faults, batched, concurrency, seed):
    """10,000 random strategies, budgets and failures; the tokens are counted by the model itself."""
    model = Simulated(
        seed=seed,
        steps=2,
        faults=faults,
        abilities=replace(ABLE, n=batched),
        price=Price(0.01, 0.01),
        concurrency=concurrency,
    )
    strategy = registry.get(name)
    problem = problems(1, seed)[0]
    limits = Budget(tokens, None if cents is None else cents / 100, None, calls)
    verifier = Process(model.chance) if "continues" in strategy.needs else Imperfect(problem.task.verifier)
    settings = {"beams": {"beams": 2 * n, "width": 2}, None: {}}.get(strategy.size, {strategy.size: n})
    settings |= {"model": model, "strategy": name, "verifier": verifier, "budget": limits, "max_tokens": max_tokens}
    settings |= reading(strategy)
    with suppress(BudgetExhausted, ModelError, VerifierError):
        asyncio.run(solve(problem, seed=seed, **settings))
    used = model.tally.usage
    assert tokens is None or used.prompt + used.completion <= tokens
    assert calls is None or used.calls <= calls
    assert cents is None or model.price.usd(used) <= cents / 100 + 1e-9


class Watched(Simulated):
    """A model that knows how many of its streams are open."""

    def __init__(self, **settings):
        super().__init__(**settings)
        object.__setattr__(self, "streams", [])

    async def stream(self, request):
        self.streams.append(request)
        try:
            async for chunk in super().stream(request):
                yield chunk
        finally:
            self.streams.remove(request)


def cancelled(name, tokens):
    """Seconds from the cancellation of a solve that has drawn so many tokens to its end, or None where it ended before."""
    model = Watched(latency=0.002, words=20, abilities=replace(ABLE, n=False))
    problem = problems(1)[0]
    verifier = Process(model.chance) if "continues" in registry.get(name).needs else Imperfect(problem.task.verifier)

    async def main():
        settings = {"model": model, "strategy": name, "verifier": verifier} | reading(registry.get(name))
        running = asyncio.ensure_future(solve(problem, **settings))
        while model.tally.completion < tokens and not running.done():
            await asyncio.sleep(0.001)
        ended, began = running.done(), time.perf_counter()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        took = time.perf_counter() - began
        assert not model.streams
        written = model.tally.completion
        await asyncio.sleep(0.01)
        assert model.tally.completion == written
        return None if ended else took

    return asyncio.run(main())


@pytest.mark.parametrize("name", _STRATEGIES)
def test_cancelling_a_solve_stops_all_its_streams_within_a_tenth_of_a_second(name):
    """Early and later in every strategy; the best of three, because the machine may be busy."""
    assert min(cancelled(name, 1) for _ in range(3)) < 0.1
    later = [took for _ in range(3) if (took := cancelled(name, 100)) is not None]
    assert not later or min(later) < 0.1


def test_errors_are_ponders_own():
    assert issubclass(BudgetExhausted, PonderError)
