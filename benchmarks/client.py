"""What the endpoint client costs: processor time of the client's process per sample, against a bare aiohttp loop.

The server has no latency, runs in its own process and answers every call with a prepared reply of 64 tokens, whole or streamed in
64 events. All ways take turns in one run, 64 calls at a time, and the table gives medians over the rounds. The claims: whole
answers cost at most 1.3 x the bare loop without `n`, and at most 1/5 of it with n = 16.

    python benchmarks/client.py [--rounds 7] [--samples 1024]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import aiohttp

from ponder.models.chat import Chat
from ponder.types import Abilities, Message, Request

AT_ONCE = 64
TOKENS = 64
REQUEST = Request((Message("user", "How many?"),), max_tokens=TOKENS)


def reply(n: int) -> bytes:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": "word " * TOKENS}, "finish_reason": "stop"}
        for index in range(n)
    ]
    return _http("application/json", json.dumps({"id": "1", "model": "m", "choices": choices, "usage": _usage(n)}).encode())


def stream() -> bytes:
    pieces: list[dict[str, object]] = [{"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}] * TOKENS
    last: list[dict[str, object]] = [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": _usage(1)},
    ]
    body = "".join(f"data: {json.dumps({'id': '1', 'model': 'm'} | event)}\n\n" for event in pieces + last) + "data: [DONE]\n\n"
    return _http("text/event-stream", body.encode())


def _usage(n: int) -> dict[str, int]:
    return {"prompt_tokens": 12, "completion_tokens": n * TOKENS, "total_tokens": 12 + n * TOKENS}


def _http(kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def serve(ready: Connection) -> None:
    """Answer each request on a connection with the reply that its body asks for."""
    replies = {n: reply(n) for n in (1, 16)}
    streamed = stream()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            body = json.loads(await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0])))
            writer.write(streamed if body.get("stream") else replies[body.get("n", 1)])
            await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server in a process of its own."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.terminate()
        process.join()


async def cost(call: Callable[[], Awaitable[None]], calls: int) -> float:
    """Processor seconds of `calls` calls, `AT_ONCE` at a time."""
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await call()

    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return time.process_time() - began


async def measure(url: str, rounds: int, samples: int) -> dict[str, list[float]]:
    """Processor milliseconds per sample of each way, once a round."""
    whole = Chat("m", url, abilities=Abilities(n=True), streaming=False)
    piecewise = Chat("m", url)
    sixteen = Request(REQUEST.messages, max_tokens=TOKENS, n=16)
    body = {"model": "m", "messages": [{"role": "user", "content": "How many?"}], "max_tokens": TOKENS, "temperature": 0.7}

    async def draw(chat: Chat, request: Request) -> None:
        async for _ in chat.stream(request):
            pass

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def bare() -> None:
            async with session.post(f"{url}/chat/completions", json=body) as response:
                await response.json()

        ways: dict[str, tuple[Callable[[], Awaitable[None]], int]] = {
            "bare aiohttp loop": (bare, 1),
            "Chat, whole answers": (lambda: draw(whole, REQUEST), 1),
            "Chat, whole answers, n = 16": (lambda: draw(whole, sixteen), 16),
            "Chat, streamed": (lambda: draw(piecewise, REQUEST), 1),
        }
        for call, _ in ways.values():  # connections and caches are warm when the clock runs
            await cost(call, AT_ONCE)
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, (call, n) in ways.items():
                taken[way].append(1000 * await cost(call, samples // n) / (samples // n * n))
    await whole.close()
    await piecewise.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, default=1024)
    arguments = parser.parse_args()
    with server() as url:
        taken = asyncio.run(measure(url, arguments.rounds, arguments.samples))
    bare = taken["bare aiohttp loop"]
    print(f"{'':30} {'ms / sample':>12} {'x bare':>8}   range over {arguments.rounds} rounds")
    for way, costs in taken.items():
        ratios = [cost / base for cost, base in zip(costs, bare, strict=True)]
        print(
            f"{way:30} {statistics.median(costs):12.3f} {statistics.median(ratios):8.2f}   {min(ratios):.2f} to {max(ratios):.2f}"
        )


if __name__ == "__main__":
    main()
