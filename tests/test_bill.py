"""The bill of a request: recounted from its events, and equal to what the endpoint itself has counted."""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import replace

import aiohttp
import pytest

from endpoint import Endpoint
from ponder.models import hangup
from ponder.models.chat import Chat
from ponder.models.wire import Dialect
from ponder.serve.bill import bill
from ponder.serve.seams import Seams
from ponder.serve.settings import Settings
from ponder.trace import Event
from ponder.types import Sample, Usage
from serving import serving


def drawn(role, prompt, cached, completion, usd=None, source="model"):
    usage = {"calls": 1, "prompt": prompt, "cached": cached, "completion": completion}
    return Event(0, "drawn", 0.0, None, {"role": role, "usage": usage, "usage_source": source, "usd": usd, "flops": None})


def test_everything_generated_is_billed_and_all_but_the_answer_is_reasoning():
    events = [
        drawn("policy", 10, 4, 30, 0.5),
        drawn("judge", 40, 0, 5, 0.25),
        drawn("replayed", 10, 0, 99, 0.1),
        Event(1, "scored", 0.0),
    ]
    shown = Sample("four", usage=Usage(1, 10, 4, 30), reasoning="12characters")
    owed = bill(events, 2.0, [shown])
    assert owed.openai() == {
        "prompt_tokens": 50,
        "completion_tokens": 35,
        "total_tokens": 85,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 35 - 30 * 4 // 16},
    }
    assert (owed.usd, owed.seconds, owed.counted) == (0.75, 2.0, True)
    assert bill([*events, drawn("policy", 1, 0, 1)], 2.0).usd is None
    assert not bill([drawn("policy", 1, 0, 1, source="reserved")], 2.0).counted
    assert bill([], 0.0).reasoning == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_the_bill_is_the_endpoints_own_count_also_of_what_was_cancelled(seed, monkeypatch):
    """60 requests, a third of them dropped at a random moment; `benchmarks/bill.py` is the same for 10,000."""
    monkeypatch.setattr(hangup, "PATIENCE", 5.0)  # a busy machine is not a wrong bill
    dice, settled = random.Random(seed), []

    async def settle(client, plan, owed):
        settled.append(owed)

    async def ask(session, url):
        model = dice.choice(["weekly", "weekly:self-consistency-3", "weekly/low"])
        body = {"model": model, "messages": [{"role": "user", "content": "Which days?"}], "stream": dice.random() < 0.5}
        patience = dice.uniform(0.0, 0.1) if dice.random() < 0.34 else None

        async def whole():
            async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                assert response.status == 200
                await response.read()

        try:
            await asyncio.wait_for(whole(), patience)
        except TimeoutError:
            return 1
        return 0

    async def main():
        async with AsyncExitStack() as stack:
            endpoint = await stack.enter_async_context(Endpoint(pace=0.002).run())
            chat = Chat("weekly", endpoint.url, dialect=Dialect(running_usage=True))
            stack.push_async_callback(chat.close)
            seams = replace(Seams(), settle=settle)
            url = await stack.enter_async_context(serving(Settings({"weekly": chat}), seams))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            dropped = sum(await asyncio.gather(*(ask(session, url) for _ in range(60))))
            await asyncio.sleep(0.2)
            return dropped, endpoint.written

    dropped, written = asyncio.run(main())
    assert dropped > 5
    assert sum(owed.total.completion for owed in settled) == written
    assert all(owed.counted for owed in settled)


def test_a_call_that_was_never_sent_is_known_to_be_free_however_often_it_is_cancelled():
    async def slow_to_end():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.02)

    async def main():
        sending = asyncio.create_task(hangup.reached(slow_to_end(), True))
        for _ in range(2):
            await asyncio.sleep(0.005)
            sending.cancel()
        return await sending

    assert asyncio.run(main()) == (None, True)
