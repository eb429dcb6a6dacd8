"""What the gateway costs: a thousand streams at once, the time that it adds to a call, and two other servers on the same upstream.

    python benchmarks/gateway.py [--optillm BIN] [--its-hub BIN]     # their executables, in virtual environments of their own

The upstream of the calls is a server in a process of its own that answers at once and counts every token; that of the thousand
streams is the simulated model, at 20 ms a token. All servers take turns in one run. The claims: no failure, 99 % of first bytes
within 1 s and less than 600 MB with 1,000 concurrent streams; half of the calls take less than 3 ms longer than without the
gateway; the usage that clients are told is what the upstream has counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

STREAMS = 1000
CALLS = 300
ROUNDS = 10
WIDE = 16
ANSWER = r"Two and five are seven, so the answer is \boxed{7}"
ASKED = {"model": "m", "messages": [{"role": "user", "content": "What is two and five?"}], "max_tokens": 64, "temperature": 0.7}


def upstream(ready: Connection) -> None:
    """Answer each call at once, whole or streamed, and count: a token is a word."""
    tally = {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0}

    def answered(body: dict[str, Any]) -> tuple[str, bytes]:
        n, words = body.get("n") or 1, ANSWER.split(" ")
        usage = {
            "prompt_tokens": sum(len(str(one["content"]).split()) for one in body["messages"]),
            "completion_tokens": n * len(words),
        }
        for name, value in ({"calls": 1} | usage).items():
            tally[name] += value
        usage["total_tokens"] = sum(usage.values())
        head = {"id": "1", "created": 1, "model": "m", "object": "chat.completion"}
        if not body.get("stream"):
            said = {"role": "assistant", "content": ANSWER}
            choices = [{"index": index, "message": said, "finish_reason": "stop"} for index in range(n)]
            return "application/json", json.dumps(head | {"choices": choices, "usage": usage}).encode()
        pieces = [{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None} for word in words[:-1]]
        pieces.append({"index": 0, "delta": {"content": words[-1]}, "finish_reason": "stop"})
        head["object"] = "chat.completion.chunk"
        events = [head | {"choices": [piece]} for piece in pieces] + [head | {"choices": [], "usage": usage}]
        return "text/event-stream", b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events) + b"data: [DONE]\n\n"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(head.split(b"content-length: ")[1].split(b"\r\n")[0]) if b"content-length: " in head else 0
                body = json.loads(await reader.readexactly(size)) if size else {}
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            kind, said = answered(body) if "messages" in body else ("application/json", json.dumps(tally).encode())
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(said)}\r\n\r\n".encode() + said)
            await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def counting() -> Iterator[str]:
    """The URL of the upstream."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=upstream, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.terminate()
        process.join()


@dataclass
class Server:
    """A server that runs: what it is called, its process, where it is asked, and what a request for four samples adds."""

    name: str
    process: subprocess.Popen[bytes]
    url: str
    one: dict[str, Any]
    four: dict[str, Any]

    @property
    def memory(self) -> float:
        """The most resident memory so far, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


@asynccontextmanager
async def started(
    name: str, words: list[str], port: int, one: dict[str, Any], four: dict[str, Any], path: str
) -> AsyncIterator[Server]:
    environment = os.environ | {"OPENAI_API_KEY": "none", "PONDER_NO_PROGRESS": "1"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
        try:
            await _answers(process, f"http://127.0.0.1:{port}{path}")
            yield Server(name, process, f"http://127.0.0.1:{port}/v1", one, four)
        except Exception:
            log.seek(0)
            print(log.read()[-3000:].decode(errors="replace"), file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()


async def _answers(process: subprocess.Popen[bytes], url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(1200):
            if process.poll() is not None:
                raise RuntimeError(f"{process.args} has ended")
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise RuntimeError(f"{url} does not answer")


def ponder(model: str) -> Any:
    """This gateway, with its accounts and logs, and a key that every request is booked on."""
    port, folder = free(), tempfile.mkdtemp()
    ledger = f"{folder}/ledger.sqlite"
    made = subprocess.run(
        [sys.executable, "-m", "ponder", "keys", "create", "bench", "--budget", "1000M tokens/day", "--ledger", ledger],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    words = [sys.executable, "-m", "ponder", "serve", "--model", model, "--strategy", "direct", "--port", str(port), "--no-store"]
    words += ["--ledger", ledger, "--crowd", "4096"]
    four = {"ponder": {"strategy": "self-consistency", "parameters": {"n": 4}}}
    key = {"headers": {"Authorization": f"Bearer {made.stdout.strip()}"}}
    return started("ponder", words, port, key, key | {"json": four}, "/health")


def optillm(binary: str, url: str) -> Any:
    port = free()
    words = [binary, "--base-url", url, "--port", str(port), "--approach", "none", "--log", "error"]
    return started("optillm", words, port, {}, {"json": {"optillm_approach": "self_consistency"}}, "/v1/models")


def its_hub(binary: str) -> Any:
    port = free()
    words = [binary, "--port", str(port), "--log-level", "ERROR"]
    return started("its_hub", words, port, {"json": {"budget": 1}}, {"json": {"budget": 4}}, "/v1/models")


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def call(session: aiohttp.ClientSession, url: str, more: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Seconds of a call, and the usage that it was told."""
    began = time.perf_counter()
    body = ASKED | more.get("json", {})
    async with session.post(f"{url}/chat/completions", json=body, headers=more.get("headers", {})) as response:
        said = await response.json()
        response.raise_for_status()
    return time.perf_counter() - began, said.get("usage") or {}


class Caller(asyncio.Protocol):
    """One streamed request on a connection of its own, with as little work as can be: what is measured is the server.

    `first` is the seconds from the request's last byte to the first of the answer's body, `whole` whether that came to its end.
    """

    def __init__(self, server: Server, number: int, ended: asyncio.Future[None]) -> None:
        body: dict[str, Any] = {"model": "simulated", "messages": [{"role": "user", "content": f"simulated problem {number}"}]}
        body |= {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 64}
        sent = json.dumps(body)
        lines = [f"{name}: {value}" for name, value in server.one["headers"].items()]
        lines += ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json"][::-1]
        head = "\r\n".join([*lines[::-1], f"Content-Length: {len(sent)}", "Connection: close"])
        self.request, self.ended = f"{head}\r\n\r\n{sent}".encode(), ended
        self.first, self.whole, self.seen = float("inf"), False, b""

    def connection_made(self, transport: Any) -> None:
        transport.write(self.request)
        self.began = time.perf_counter()

    def data_received(self, data: bytes) -> None:
        self.seen += data
        if self.first == float("inf") and self.seen.partition(b"\r\n\r\n")[2]:
            self.first = time.perf_counter() - self.began

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - a protocol
        self.whole = self.seen.startswith(b"HTTP/1.1 200") and b"data: [DONE]" in self.seen and b'"usage":{' in self.seen
        self.ended.set_result(None)


async def streams(server: Server, count: int) -> list[Caller]:
    """So many streams at once."""
    loop = asyncio.get_running_loop()
    port = int(server.url.split(":")[2].split("/")[0])
    callers = [Caller(server, number, loop.create_future()) for number in range(count)]
    await asyncio.gather(*(loop.create_connection(lambda one=one: one, "127.0.0.1", port) for one in callers))
    await asyncio.gather(*(one.ended for one in callers))
    return callers


async def crowd() -> None:
    """A thousand streams at once."""
    async with ponder("simulated:latency=0.02") as server:
        await streams(server, 50)
        began = time.perf_counter()
        seen = await streams(server, STREAMS)
        took = time.perf_counter() - began
        firsts = sorted(one.first for one in seen)
        print(f"\n{STREAMS} concurrent streams of the simulated model (20 ms a token), {took:.1f} s in all")
        print(f"failures                   {sum(not one.whole for one in seen)}")
        p50, p99, longest = (1000 * firsts[place] for place in (STREAMS // 2, int(STREAMS * 0.99), -1))
        print(f"first byte p50, p99, max   {p50:.0f}, {p99:.0f}, {longest:.0f} ms")
        print(f"memory of the server       {server.memory:.0f} MB")


async def tally(session: aiohttp.ClientSession, url: str) -> dict[str, int]:
    async with session.get(f"{url}/tally") as response:
        counted: dict[str, int] = await response.json()
        return counted


async def side_by_side(optillm_binary: str | None, its_hub_binary: str | None) -> None:
    """The same calls directly and through each server, in turns; then requests of four samples, sixteen at a time."""
    with counting() as url:
        made = [ponder(f"m@{url}")]
        made += [optillm(optillm_binary, url)] if optillm_binary else []
        made += [its_hub(its_hub_binary)] if its_hub_binary else []
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
            servers = [await stack.enter_async_context(one) for one in made]
            for server in servers:
                await configured(session, url, server)
            await in_turns(session, url, servers)
            print(f"\n{'':10} {'requests/s':>11} {'calls':>6} {'told':>14} {'counted':>14}")
            for server in servers:
                await billed(session, url, server)


async def in_turns(session: aiohttp.ClientSession, url: str, servers: Sequence[Server]) -> None:
    """Calls one at a time: each round has some directly and some through each server, so that all see the same machine."""
    more = [(url, {}), *((one.url, one.one) for one in servers)]
    rounds = [[await p50(session, *one) for one in more] for _ in range(ROUNDS)]
    print(
        f"\n{'':10} {'call p50':>8} {'added':>8} {'least':>8} {'most':>8}   medians of {ROUNDS} rounds of {CALLS // ROUNDS} calls"
    )
    for place, name in enumerate(["direct", *(one.name for one in servers)]):
        added = sorted(one[place] - one[0] for one in rounds)
        told = statistics.median(one[place] for one in rounds), statistics.median(added), added[0], added[-1]
        print(f"{name:10}", *(f"{one:5.2f} ms" for one in told))


async def configured(session: aiohttp.ClientSession, url: str, server: Server) -> None:
    """its_hub is told by a call where its model is; all are warmed."""
    if server.name == "its_hub":
        settings = {
            "endpoint": url,
            "api_key": "none",
            "model": "m",
            "alg": "self-consistency",
            "regex_patterns": [r"boxed{(\d+)}"],
        }
        async with session.post(f"{server.url.removesuffix('/v1')}/configure", json=settings) as response:
            response.raise_for_status()
    for _ in range(20):
        await call(session, server.url, server.one)


async def p50(session: aiohttp.ClientSession, url: str, more: dict[str, Any]) -> float:
    """Milliseconds within which half of a round's calls have their answer."""
    return 1000 * statistics.median([(await call(session, url, more))[0] for _ in range(CALLS // ROUNDS)])


async def billed(session: aiohttp.ClientSession, url: str, server: Server) -> None:
    """How many requests of four samples a second, and whether the usage told is what the upstream counted."""
    before, left, told = await tally(session, url), iter(range(CALLS)), {"prompt_tokens": 0, "completion_tokens": 0}

    async def work() -> None:
        for _ in left:
            _, usage = await call(session, server.url, server.four)
            for name in told:
                told[name] += usage.get(name) or 0

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(WIDE)))
    took, after = time.perf_counter() - began, await tally(session, url)
    counted = {name: after[name] - before[name] for name in after}
    print(
        f"{server.name:10} {CALLS / took:11.1f} {counted['calls'] / CALLS:6.2f} "
        f"{told['prompt_tokens']:6} + {told['completion_tokens']:5} {counted['prompt_tokens']:6} + {counted['completion_tokens']:5}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optillm", help="optillm's executable")
    parser.add_argument("--its-hub", help="its_hub's executable, its-iaas")
    arguments = parser.parse_args()
    uvloop.run(crowd())
    asyncio.run(side_by_side(arguments.optillm, arguments.its_hub))


if __name__ == "__main__":
    main()
