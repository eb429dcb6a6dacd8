"""The gate: never more than its width, no place lost, and none starves behind another who asks for much."""

import asyncio
import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ponder.models.gate import Gate
from ponder.models.simulated import ABLE, Simulated
from ponder.solve import solve
from ponder.tasks.simulated import problems


async def visit(gate, party, log, seconds=0.0):
    async with gate.enter(1, party):
        log.append(party)
        await asyncio.sleep(seconds)


@given(
    calls=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), max_size=40),
    width=st.integers(1, 4),
    cancelled=st.sets(st.integers(0, 39), max_size=10),
)
def test_the_width_holds_and_every_call_that_is_not_cancelled_gets_in(calls, width, cancelled):
    running, most, done = 0, 0, []

    async def call(gate, number, party, pause):
        nonlocal running, most
        async with gate.enter(1, party):
            running += 1
            most = max(most, running)
            try:
                for _ in range(pause):
                    await asyncio.sleep(0)
                done.append(number)
            finally:
                running -= 1

    async def main():
        gate = Gate(width)
        tasks = [asyncio.ensure_future(call(gate, number, *each)) for number, each in enumerate(calls)]
        for number, task in enumerate(tasks):
            if number in cancelled:
                await asyncio.sleep(0)
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert (gate._free, gate.waiting, gate._parties, dict(gate._asking)) == (width, 0, {}, {})

    asyncio.run(main())
    assert most <= width
    assert set(done) >= set(range(len(calls))) - cancelled


def test_a_call_of_one_waits_for_the_next_place_and_not_for_the_256_of_another():
    async def main():
        gate, log = Gate(4), []
        large = [asyncio.ensure_future(visit(gate, "large", log)) for _ in range(256)]
        await asyncio.sleep(0)
        small = [asyncio.ensure_future(visit(gate, name, log)) for name in ("one", "two")]
        await asyncio.gather(*large, *small)
        return log

    log = asyncio.run(main())
    assert {*log[:13]} == {"large", "one", "two"}
    assert log.index("one") < log.index("two")


def test_two_that_ask_for_much_share_the_places_equally():
    async def main():
        gate, log, rng = Gate(8), [], random.Random(1)
        first = [asyncio.ensure_future(visit(gate, "a", log, rng.uniform(0.001, 0.003))) for _ in range(160)]
        await asyncio.sleep(0)
        second = [asyncio.ensure_future(visit(gate, "b", log, rng.uniform(0.001, 0.003))) for _ in range(80)]
        await asyncio.gather(*first, *second)
        return log

    log = asyncio.run(main())
    shared = log[16:140]  # both have some waiting
    assert 0.4 < shared.count("b") / len(shared) < 0.6


def test_a_single_draw_beside_a_solve_of_256_is_served_in_the_time_of_a_few_draws():
    """The same model at the same moment: the small question's wait is a small part of the large one's time."""
    model = Simulated(latency=5e-4, concurrency=8, abilities=replace(ABLE, n=False))

    async def timed(problem, **settings):
        began = asyncio.get_running_loop().time()
        await solve(problem, model=model, max_tokens=64, **settings)
        return asyncio.get_running_loop().time() - began

    async def main():
        large = asyncio.ensure_future(timed(problems(2)[0], strategy="self-consistency", n=256))
        await asyncio.sleep(0.05)
        small = await timed(problems(2)[1], strategy="direct")
        return small, await large

    small, large = asyncio.run(main())
    assert small < large / 4
