"""Several upstreams of one model: what can be answered is answered, and the bill is what the upstreams themselves counted."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from endpoint import DAYS, Endpoint, raw, reset, status
from ponder import budget
from ponder.budget import Budget
from ponder.errors import InputError, ModelError
from ponder.models.catalog import open_model
from ponder.models.chat import Chat
from ponder.models.retry import Retry
from ponder.models.sample import sample
from ponder.models.simulated import ABLE, Simulated
from ponder.models.upstreams import ENOUGH, Upstreams
from ponder.models.wire import Dialect
from ponder.solve import solve
from ponder.tasks.simulated import problems
from ponder.trace import Trace, tracing, usage
from ponder.types import Message, Price, Request, Usage

ASK = Request((Message("user", "simulated problem 1"),), max_tokens=64)
FAST = Retry(times=2, base=0.001)


def counted(members):
    return sum((member.tally.usage for member in members), Usage())


def drawn(model, n=1, limits=None, **changes):
    """The samples of n draws, and the trace."""

    async def main():
        with tracing(Trace()) as record, budget.spending(limits or Budget()) as meter:
            samples = await sample(model, replace(ASK, **changes), n)
            assert meter.reserved == budget.Charge()
            return samples, record

    return asyncio.run(main())


def test_the_least_busy_is_asked_and_equals_take_turns():
    members = [Simulated(latency=one, abilities=replace(ABLE, n=False), concurrency=2) for one in (1e-4, 1e-4, 2e-3)]
    samples, record = drawn(Upstreams(members, hedged=0), n=60)
    calls = [member.tally.calls for member in members]
    assert sum(calls) == 60
    assert calls[0] > calls[2] < calls[1]
    assert sum((one.usage for one in samples), Usage()) == counted(members) == usage(record.events)["policy"]


@pytest.mark.parametrize("fault", ["refuse", "break", "cut", "silent"])
def test_who_fails_before_it_speaks_is_replaced_and_who_fails_later_is_a_failed_draw(fault):
    members = [Simulated(faults={fault: 1.0}), Simulated()]
    samples, record = drawn(Upstreams(members, retries=FAST))
    assert samples[0].error is None or fault in ("break", "cut")
    billed = sum(usage(record.events).values(), Usage())
    assert billed == counted(members)
    assert usage(record.events).get("discarded", Usage()) == Usage(calls=int(fault == "refuse"))


def test_when_all_have_failed_the_round_begins_again_and_then_the_last_error_stands():
    members = [Simulated(faults={"refuse": 1.0}) for _ in range(2)]
    samples, record = drawn(Upstreams(members, retries=FAST))
    assert "503" in samples[0].error or "refused" in samples[0].error
    assert counted(members) == Usage(calls=6) == sum(usage(record.events).values(), Usage())


@settings(max_examples=60)
@given(
    faults=st.lists(
        st.dictionaries(st.sampled_from(("refuse", "break", "cut", "silent")), st.sampled_from((0.1, 0.3)), max_size=3),
        min_size=2,
        max_size=4,
    ),
    n=st.integers(1, 12),
    batched=st.booleans(),
    tokens=st.none() | st.integers(50, 600),
    seed=st.integers(0, 1000),
)
def test_the_bill_is_what_the_upstreams_counted_and_the_budget_holds(faults, n, batched, tokens, seed):
    able = replace(ABLE, n=batched)
    members = [Simulated(seed=seed, steps=2, faults=one, abilities=able, name=str(number)) for number, one in enumerate(faults)]
    model = Upstreams(members, retries=FAST)
    events = []
    more = {} if tokens is None else {"budget": Budget(tokens=tokens)}
    asked = {"model": model, "strategy": "self-consistency", "n": n, "max_tokens": 40, "listener": events.append} | more
    try:
        answer = asyncio.run(solve(problems(1, seed)[0], **asked))
        assert answer.candidates
    except (ModelError, budget.BudgetExhausted):
        pass
    spent, billed = counted(members), sum(usage(events).values(), Usage())
    unknown = batched and any("silent" in one for one in faults)  # then the most is charged: some bill each draw's prompt
    assert billed == spent or (unknown and billed == structs.replace(spent, prompt=billed.prompt) and billed.prompt > spent.prompt)
    assert tokens is None or spent.computed <= tokens


def slow_one(latency=0.3):
    """A pair of which the first was always fast, and now does not answer."""
    members = [Simulated(latency=1e-4), Simulated(latency=1e-4)]
    model = Upstreams(members, shortest=0.01)
    for number in range(ENOUGH):
        drawn(model, seed=number, max_tokens=2)
    members[0] = replace(members[0], latency=latency)
    model.lines[0].model = members[0]
    model.lines[0].asked = -1  # it is its turn
    return members, model


def test_a_straggler_is_raced_and_the_loser_is_billed_to_the_token():
    members, model = slow_one()
    before = counted(members)
    samples, record = drawn(model, seed=77)
    assert (model.hedges, samples[0].error) == (1, None)
    assert samples[0].seconds < 0.2
    used = usage(record.events)
    assert used["discarded"] == Usage(1, used["policy"].prompt)
    assert before + used["discarded"] + used["policy"] == counted(members)


def test_a_beaten_call_is_charged_what_was_on_its_way_too():
    """Over HTTP: tokens that the endpoint has written and nobody has read when the other call shows its first."""

    async def main():
        async with Endpoint(pace=0.002).run() as endpoint:
            chat = Chat("weekly", endpoint.url, dialect=Dialect(running_usage=True))
            model = Upstreams([chat])
            beaten = model._attempt(model.lines[0], Request((Message("user", "Which days are there?"),)))
            await beaten.first
            while endpoint.written < 6:
                await asyncio.sleep(0.001)
            await beaten.abandon()
            beaten.drawing.count(10**6)  # the winner's prompt, where the loser does not know its own
            await chat.close()
            return beaten.drawing.usage, endpoint.written

    used, written = asyncio.run(main())
    assert (used.calls, used.completion) == (1, written)
    assert used.prompt < 100


def test_a_budget_without_room_for_two_is_not_hedged():
    _, model = slow_one(0.02)
    samples, record = drawn(model, limits=Budget(tokens=model.prompt_tokens(ASK) + 70), seed=78)
    assert (model.hedges, samples[0].error, set(usage(record.events))) == (0, None, {"policy"})


def test_at_most_a_tenth_of_the_calls_is_hedged():
    _, model = slow_one(0.02)
    model._credit = 0.0
    for number in range(15):
        model.lines[0].asked = -1
        model.lines[0].waits.clear()  # it is as slow as ever, and still a surprise
        model.lines[1].waits.extend([0.001] * ENOUGH)
        drawn(model, seed=100 + number, max_tokens=3)
    assert model.hedges == 1


def test_a_cancelled_race_leaves_nothing_reserved_and_nothing_running():
    members, model = slow_one(0.3)
    members[1] = model.lines[1].model = replace(members[1], latency=0.3)

    async def main():
        with tracing(Trace()) as record, budget.spending(Budget(tokens=100_000)) as meter:
            task = asyncio.ensure_future(sample(model, replace(ASK, seed=79)))
            await asyncio.sleep(0.1)
            assert model.hedges == 1
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert meter.reserved == budget.Charge()
            assert meter.spent.tokens == sum(usage(record.events).values(), Usage()).computed > 0
            assert [line.outstanding for line in model.lines] == [0, 0]

    asyncio.run(main())


def test_a_breaker_keeps_a_dead_upstream_out_of_the_way():
    members = [Simulated(faults={"refuse": 1.0}, abilities=replace(ABLE, n=False)), Simulated(abilities=replace(ABLE, n=False))]
    model = Upstreams(members, retries=FAST)
    for number in range(20):
        samples, _ = drawn(model, seed=number)
        assert samples[0].error is None
    assert members[0].tally.calls == 3
    assert model.lines[0].breaker.state == "open"


def test_what_all_can_do_is_what_it_can_do_and_one_price_is_needed():
    model = Upstreams([Simulated(), Simulated(abilities=replace(ABLE, n=False, usage_source="rule"))])
    assert model.abilities == replace(ABLE, n=False, usage_source="rule")
    assert model.concurrency == 128
    with pytest.raises(InputError, match="one price"):
        Upstreams([Simulated(), Simulated(price=Price(1, 1))])


def test_endpoints_that_refuse_reset_or_babble_are_replaced_by_one_that_answers():
    async def main():
        bad, good = Endpoint(), Endpoint()
        async with bad.run(), good.run():
            model = open_model(f"weekly@{bad.url}|{good.url}")
            assert isinstance(model, Upstreams)
            model.shortest = 5.0
            for fault in (status(429, **{"Retry-After": "0"}), status(500), reset, raw("{"), status(401), raw("")):
                bad.faults = [fault]
                model.lines[0].asked, model.lines[0].breaker.threshold = -1, 99
                model.lines[0].breaker.success()
                with tracing(Trace()):
                    drawn = await sample(model, Request((Message("user", "the days"),), temperature=0))
                assert (drawn[0].error, drawn[0].text) == (None, DAYS)
                assert not bad.faults
            bad.faults = [status(400, {"error": {"message": "bad request"}})]
            model.lines[0].asked = -1
            model.lines[0].breaker.success()
            with tracing(Trace()):
                drawn = await sample(model, Request((Message("user", "the days"),), temperature=0))
            assert "400" in drawn[0].error  # it would be wrong anywhere
            assert await model.members[0].alive()
            await model.close()
        dead = Chat("weekly", bad.url, retries=FAST)
        assert not await dead.alive()
        await dead.close()

    asyncio.run(main())


def test_health_checks_open_the_breaker_of_who_is_gone():
    class Gone(Simulated):
        async def alive(self):
            return False

    async def main():
        model = Upstreams([Gone(), Simulated()])
        watching = asyncio.ensure_future(model.watch(0.001))
        await asyncio.sleep(0.05)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert [line.breaker.state for line in model.lines] == ["open", "closed"]

    asyncio.run(main())
