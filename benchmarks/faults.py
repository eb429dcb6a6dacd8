"""What the gateway makes of an upstream that misbehaves: requests that could be served and were, bills, and the longest wait.

    python benchmarks/faults.py [--requests 40]

A fault befalls 3 calls in 10 of an upstream that counts every token it writes. Each is tried on a gateway with this upstream
alone, and on one with another upstream beside it that is sound. A third of the requests asks for one whole answer, a third for a
stream, a third for a vote of four. A bill is exact when it is what the upstreams have counted, and a bound when they do not say
(`counted: false`) and it is not less. Calls are not sent twice here (hedging): what a beaten attempt had on the way when it was
cancelled, no bill can know.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from aiohttp import web

from ponder.models.chat import Chat
from ponder.models.connection import Timeout
from ponder.models.retry import Retry
from ponder.models.upstreams import Upstreams
from ponder.models.wire import Dialect
from ponder.serve.app import app
from ponder.serve.bill import Bill
from ponder.serve.compute import Plan
from ponder.serve.seams import Client, Seams
from ponder.serve.settings import Settings
from ponder.types import Abilities, Usage

WORDS = ["Two", "and", "five", "are", "seven", "so", "the", "answer", "is", "7"]
FAULTS = (
    "none", "429", "500", "reset before", "reset midway", "malformed JSON", "stall before", "stall midway", "wrong n", "no usage",
    "NaN log-probability",
)  # fmt: skip
RATE = 0.3
IDLE = 2.0  # seconds of silence, after which the gateway gives a call up
HANG = 15.0


@dataclass
class Upstream:
    """An OpenAI-compatible server with a fault in some of its calls, which counts what it writes."""

    fault: str
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    counted: Usage = field(default_factory=Usage)
    faults: int = 0
    url: str = ""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Upstream]:
        served = web.Application()
        served.router.add_post("/v1/chat/completions", self.answer)
        runner = web.AppRunner(served, handler_cancellation=True, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        fault = self.fault if self.fault != "none" and self.dice.random() < RATE else ""
        self.faults += bool(fault)
        if fault in ("429", "500"):
            return web.json_response({"error": {"message": "no", "type": "test"}}, status=int(fault), headers={"Retry-After": "0"})
        if fault == "reset before":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await self.write(request, response, body, fault)
        return response

    async def write(self, request: web.Request, response: web.StreamResponse, body: dict[str, Any], fault: str) -> None:
        """The draws, token by token. What is written is counted, and told: with each token its choice's, as vLLM does, then all."""
        prompt = sum(len(one["content"].split()) for one in body["messages"])
        written = [0] * (body.get("n", 1) + (fault == "wrong n"))
        self.counted += Usage(1, prompt)
        if fault == "stall before":
            await asyncio.sleep(60)

        async def send(choices: list[dict[str, Any]], completion: int) -> None:
            told = {} if fault == "no usage" else {"usage": {"prompt_tokens": prompt, "completion_tokens": completion}}
            await response.write(f"data: {json.dumps({'id': '1', 'choices': choices, **told})}\n\n".encode())
            await asyncio.sleep(0.001)

        for place, word in enumerate(WORDS):
            if place == len(WORDS) // 2 and fault in ("reset midway", "malformed JSON", "stall midway"):
                await self.break_off(request, response, fault)
                return
            for index in range(len(written)):
                written[index] += 1
                self.counted += Usage(0, 0, 0, 1)
                logprob = {"content": [{"token": word, "logprob": float("nan") if fault.startswith("NaN") else -0.5}]}
                last = "stop" if place == len(WORDS) - 1 else None
                choice = {"index": index, "delta": {"content": f" {word}"}, "finish_reason": last}
                await send([choice | ({"logprobs": logprob} if body.get("logprobs") else {})], written[index])
        await send([], sum(written))
        await response.write(b"data: [DONE]\n\n")

    async def break_off(self, request: web.Request, response: web.StreamResponse, fault: str) -> None:
        if fault == "malformed JSON":
            await response.write(b'data: {"choices": [{"ind\n\n')
        elif fault == "stall midway":
            await asyncio.sleep(60)
        else:
            assert request.transport is not None
            request.transport.abort()


@dataclass
class Seen:
    """What came of the requests of one fault on one gateway."""

    served: int = 0
    asked: int = 0
    longest: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)
    bills: list[Bill] = field(default_factory=list)

    async def settle(self, client: Client, plan: Plan, bill: Bill) -> None:  # noqa: ARG002 - a seam
        self.bills.append(bill)

    def verdict(self, counted: Usage) -> str:
        """Whether the bills are the upstreams' own count."""
        billed = sum((bill.total for bill in self.bills), Usage())
        same = (billed.prompt, billed.completion) == (counted.prompt, counted.completion)
        if same:
            return "exact"
        bound = billed.prompt >= counted.prompt and billed.completion >= counted.completion
        return "bound" if bound and not all(bill.counted for bill in self.bills) else f"WRONG: {billed} for {counted}"


async def asked(session: aiohttp.ClientSession, url: str, number: int, logprobs: bool, seen: Seen) -> None:
    """One request, and whether it was answered in full."""
    body: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": f"What is two and five? {number}"}],
        "max_tokens": 32,
    }
    body |= {"stream": True} if number % 3 == 1 else {}
    body |= {"ponder": {"strategy": "self-consistency", "parameters": {"n": 4}}} if number % 3 == 2 else {}
    body |= {"logprobs": True} if logprobs else {}
    seen.asked += 1
    began = time.perf_counter()
    try:
        async with asyncio.timeout(HANG), session.post(f"{url}/v1/chat/completions", json=body) as response:
            text = await response.text()
        whole = text.endswith("data: [DONE]\n\n") and '"error"' not in text if body.get("stream") else response.status == 200
        why = str(response.status) if response.status != 200 else "stream broken off, with an error event"
    except TimeoutError:
        whole, why = False, "HANGS"
    except aiohttp.ClientError as error:
        whole, why = False, f"connection lost: {type(error).__name__}"
    seen.longest = max(seen.longest, time.perf_counter() - began)
    seen.served += whole
    if not whole:
        seen.refusals[why] += 1


def endpoint(upstream: Upstream, retries: Retry) -> Chat:
    able = Abilities(n=True, logprobs=True, names_stop=False)
    timeout = Timeout(connect=1.0, idle=IDLE, total=10.0)
    return Chat("m", upstream.url, abilities=able, timeout=timeout, retries=retries, dialect=Dialect(running_usage=True))


async def tried(fault: str, requests: int, beside: bool, serving: Callable[[Any], Any]) -> tuple[Seen, str]:
    """All requests under one fault, sixteen at a time."""
    quick, seen = Retry(times=4, base=0.01), Seen()
    bad, sound = Upstream(fault), Upstream("none")
    async with bad.run(), sound.run():
        members = [endpoint(bad, Retry(times=0)), endpoint(sound, Retry(times=0))]
        model: Any = Upstreams(members, retries=quick, hedged=0.0) if beside else endpoint(bad, quick)
        settings = Settings({"m": model}, strategy="direct")
        async with serving(app(settings, replace(Seams(), settle=seen.settle))) as url, aiohttp.ClientSession() as session:
            left = iter(range(requests))

            async def work() -> None:
                for number in left:
                    await asked(session, url, number, fault.startswith("NaN"), seen)

            await asyncio.gather(*(work() for _ in range(16)))
        await model.close()
    return seen, seen.verdict(bad.counted + sound.counted)


@asynccontextmanager
async def listening(made: Any) -> AsyncIterator[str]:
    """The URL of an application."""
    import socket

    import uvicorn

    place = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(made, log_level="critical", timeout_graceful_shutdown=2))
    running = asyncio.create_task(server.serve(sockets=[place]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{place.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        place.close()


async def table(requests: int) -> None:
    print("| fault in 3 of 10 calls | served, alone | bill | served, beside a sound one | bill | longest | the others got |")
    print("|---|---|---|---|---|---|---|")
    for fault in FAULTS:
        alone, bill = await tried(fault, requests, False, listening)
        beside, other = await tried(fault, requests, True, listening)
        got = ", ".join(f"{count} × {why}" for why, count in (alone.refusals + beside.refusals).items())
        print(
            f"| {fault} | {alone.served} of {alone.asked} | {bill} | {beside.served} of {beside.asked} | {other} | "
            f"{max(alone.longest, beside.longest):.1f} s | {got} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=42)
    asyncio.run(table(parser.parse_args().requests))


if __name__ == "__main__":
    main()
