"""Whether the gateway's bill is the upstream's own: 10,000 mixed requests, a fifth of them cancelled at a random moment.

The upstream runs in its own process and counts what it does: a call and its prompt with its first token, each token as it writes
it. The gateway is asked over HTTP by four APIs, whole and streamed, for plain draws, several choices and votes. Afterwards three
counts are compared, token by token: the upstream's, the sum of what the gateway settled, and, request by request, what clients were
told against what was settled.

    python benchmarks/bill.py [--requests 10000] [--at-once 16]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import random
import socket
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import uvicorn
from aiohttp import web

from ponder.models.chat import Chat
from ponder.models.wire import Dialect
from ponder.serve.app import app
from ponder.serve.bill import Bill
from ponder.serve.compute import Plan
from ponder.serve.seams import Client, Seams
from ponder.serve.settings import Settings
from ponder.types import Abilities, Usage

ABLE = Abilities(n=True, seed=True, names_stop=False)


# The upstream


def upstream(ready: Connection) -> None:
    asyncio.run(_upstream(ready))


async def _upstream(ready: Connection) -> None:
    counted = Counter[str]()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        with contextlib.suppress(ConnectionResetError):  # the client is gone, and nobody can have the rest
            await write(request, response)
        return response

    async def write(request: web.Request, response: web.StreamResponse) -> None:
        body = await request.json()
        n, length, prompt = body.get("n", 1), 3 + body["seed"] % 12, 3 + len(json.dumps(body["messages"])) // 4
        await response.prepare(request)
        for place in range(length):
            if place == 0:
                counted.update(calls=1, prompt=prompt, cached=2)
            usage = _usage(prompt, place + 1)  # of this choice, as vLLM counts
            finish = "stop" if place == length - 1 else None
            for index in range(n):
                word = f"w{(body['seed'] + index) % 3 if place == length - 1 else place} "
                choice = {"index": index, "delta": {"content": word}, "finish_reason": finish}
                counted["completion"] += 1
                try:
                    await response.write(_event({"choices": [choice], "usage": usage}))
                except ConnectionResetError:
                    counted["completion"] -= 1
                    raise
            await asyncio.sleep(0.003)
        await response.write(_event({"choices": [], "usage": _usage(prompt, length * n)}) + b"data: [DONE]\n\n")

    async def count(_: web.Request) -> web.Response:
        return web.json_response(counted)

    made = web.Application()
    made.router.add_post("/v1/chat/completions", answer)
    made.router.add_get("/counted", count)
    runner = web.AppRunner(made, handler_cancellation=True, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ready.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def _usage(prompt: int, completion: int) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": {"cached_tokens": 2}}


def _event(data: Any) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


# The clients


@dataclass
class Told:
    """What was settled, by request, and what clients were told."""

    settled: dict[str, Bill] = field(default_factory=dict)
    told: dict[str, tuple[int, int]] = field(default_factory=dict)
    cancelled: int = 0
    failed: list[str] = field(default_factory=list)

    async def settle(self, client: Client, plan: Plan, bill: Bill) -> None:  # noqa: ARG002 - a seam
        assert plan.id not in self.settled, "settled twice"
        self.settled[plan.id] = bill


def request(dice: random.Random, number: int) -> tuple[str, dict[str, Any]]:
    """A request of some API for some strategy."""
    model = dice.choice(["up", "up", "up:self-consistency-3", "up/low"])
    asked = f"question {number} " + "word " * dice.randrange(20)
    stream = dice.random() < 0.5
    match dice.randrange(4):
        case 0:
            body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": asked}], "n": dice.choice([1, 1, 3])}
            path = "/v1/chat/completions"
        case 1:
            body, path = {"model": model, "prompt": asked}, "/v1/completions"
        case 2:
            body, path = {"model": model, "input": asked}, "/v1/responses"
        case _:
            body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": asked}]}
            path = "/v1/messages"
    usage = {"stream_options": {"include_usage": True}} if stream and "completions" in path else {}
    return path, body | usage | {"stream": stream}


def read(text: str) -> tuple[str, int, int]:
    """The request's name, and the prompt and completion tokens that its answer says."""
    found: dict[str, Any] = {}
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")] or [text]
    for line in lines:
        one = json.loads(line)
        one = one.get("response") or one
        found |= {key: one[key] for key in ("usage", "ponder") if one.get(key)}
    usage = found["usage"]
    prompt = usage.get("prompt_tokens") or usage["input_tokens"] + usage.get("cache_read_input_tokens", 0)
    return found["ponder"]["trace"], prompt, usage.get("completion_tokens") or usage["output_tokens"]


async def ask(session: aiohttp.ClientSession, url: str, dice: random.Random, number: int, told: Told) -> None:
    path, body = request(dice, number)
    patience = dice.uniform(0.0, 0.06) if dice.random() < 0.2 else None

    async def whole() -> tuple[int, str]:
        async with session.post(url + path, json=body) as response:
            return response.status, await response.text()

    try:
        status, text = await asyncio.wait_for(whole(), patience)
    except TimeoutError:
        told.cancelled += 1
        return
    if status != 200 or "error" in text[:10]:
        told.failed.append(text[:300])
        return
    trace, prompt, completion = read(text)
    told.told[trace] = prompt, completion


async def run(requests: int, at_once: int, port: int) -> None:
    told, listening = Told(), socket.create_server(("127.0.0.1", 0))
    model = Chat("up", f"http://127.0.0.1:{port}/v1", abilities=ABLE, dialect=Dialect(running_usage=True), concurrency=256)
    gateway = app(Settings({"up": model}), replace(Seams(), settle=told.settle))
    server = uvicorn.Server(uvicorn.Config(gateway, log_level="error"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    url, places, began = f"http://127.0.0.1:{listening.getsockname()[1]}", asyncio.Semaphore(at_once), time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> None:
            async with places:
                await ask(session, url, random.Random(number), number, told)

        await asyncio.gather(*(one(number) for number in range(requests)))
        took = time.monotonic() - began
        await asyncio.sleep(1)
        async with session.get(f"http://127.0.0.1:{port}/counted") as response:
            counted = await response.json()
    server.should_exit = True
    await serving
    await model.close()
    report(requests, took, told, counted)


def report(requests: int, took: float, told: Told, counted: dict[str, int]) -> None:
    total = sum((bill.total for bill in told.settled.values()), Usage())
    wrong = sum(told.settled[name].total.prompt != prompt or told.settled[name].total.completion != completion
                for name, (prompt, completion) in told.told.items())  # fmt: skip
    guesses = sum(not bill.counted for bill in told.settled.values())
    ends = f"{len(told.told):,} answered, {told.cancelled:,} cancelled, {len(told.failed)} failed"
    print(f"{requests:,} requests in {took:.0f} s: {ends}")
    for failure in told.failed[:3]:
        print("  ", failure)
    print(f"{'':12}{'calls':>10}{'prompt':>12}{'cached':>10}{'completion':>12}")
    print(f"{'upstream':12}{counted['calls']:>10,}{counted['prompt']:>12,}{counted['cached']:>10,}{counted['completion']:>12,}")
    print(f"{'settled':12}{total.calls:>10,}{total.prompt:>12,}{total.cached:>10,}{total.completion:>12,}")
    print(f"answers whose usage is not what was settled: {wrong}; bills that are an upper bound: {guesses}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=16)
    given = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=upstream, args=(theirs,), daemon=True)
    process.start()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run(given.requests, given.at_once, ours.recv()))
    finally:
        process.terminate()


if __name__ == "__main__":
    main()
