"""What the engine layer costs: 32 draws of one prompt through `OpenVINO.stream`, against the same draws on the bare pipeline.

    python benchmarks/engine.py [MODEL] [--repeats 5] [--tokens 100]

Both sides have their own process, which decodes with the same settings and seeds; the sides alternate, so that a noisy machine
hits both. The figures are the medians of the pairs' ratios, of wall time and of the CPU time of all processes of a side.
`--latency` measures instead how long a 1 ms sleeper in the event loop oversleeps while 32 draws decode, with the pipeline in
a thread and in the engine's process.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ponder.models.catalog import download
from ponder.models.engine import Engine, Start
from ponder.models.openvino import OpenVINO
from ponder.types import Message, Request

DRAWS = 32
ASK = (Message("user", "countdown 3 7 8 8 to 24"),)


def bare(path: str, tokens: int, prompt: list[int]) -> None:
    """The other side's process: for each line of input, draw on the bare pipeline and print the seconds."""
    engine = Engine(Path(path))
    for _ in sys.stdin:
        busy = time.process_time()
        seconds = _drive(engine, tokens, tuple(prompt))
        print(json.dumps([seconds, time.process_time() - busy]), flush=True)


def _drive(engine: Engine, tokens: int, prompt: tuple[int, ...]) -> float:
    """Requests straight to the pipeline, read at every step: no text, no stop strings, no hand-over."""
    pipeline = engine._drawer
    began = time.perf_counter()
    handles = [engine._request(_start(number, prompt, tokens)) for number in range(DRAWS)]
    while pipeline.has_non_finished_requests():
        pipeline.step()
        for handle in handles:
            if handle.can_read():
                handle.read()
    return time.perf_counter() - began


def _start(number: int, prompt: tuple[int, ...], tokens: int) -> Start:
    return Start(number, prompt, tokens, 0.8, 1.0, number, (), False, False)


async def through(model: OpenVINO, tokens: int) -> float:
    async def one(seed: int) -> int:
        request = Request(ASK, max_tokens=tokens, temperature=0.8, seed=seed)
        return sum([len(chunk.token_ids) async for chunk in model.stream(request)])

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(DRAWS)))
    return time.perf_counter() - began


async def oversleep(working: Any) -> list[float]:
    """Milliseconds by which a 1 ms sleep is late, until `working()` is false."""
    late = []
    while working():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append((time.perf_counter() - began) * 1000 - 1)
    return late


async def in_process(model: OpenVINO, tokens: int) -> list[float]:
    task = asyncio.create_task(through(model, tokens))
    return await oversleep(lambda: not task.done())


async def in_thread(path: Path, tokens: int, prompt: tuple[int, ...]) -> list[float]:
    engine = Engine(path)
    thread = threading.Thread(target=_drive, args=(engine, tokens, prompt))
    thread.start()
    return await oversleep(thread.is_alive)


def _quantiles(late: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(late, n=100)
    return {"p50": round(cuts[49], 2), "p95": round(cuts[94], 2), "p99": round(cuts[98], 2)}


def _busy(pid: int) -> float:
    """CPU seconds of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(model: OpenVINO, tokens: int) -> tuple[float, float]:
    """Wall and CPU seconds of the draws through the layer."""
    child = model._process._child.pid
    busy = time.process_time() + _busy(child)
    seconds = asyncio.run(through(model, tokens))
    return seconds, time.process_time() + _busy(child) - busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="builtin:mini")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--bare", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(options.model, options.tokens, options.bare)
        return
    path = download(options.model)
    model = OpenVINO(path)
    prompt = model._encode(ASK, "")
    if options.latency:
        print("process", _quantiles(asyncio.run(in_process(model, options.tokens))))
        asyncio.run(model.close())
        print("thread ", _quantiles(asyncio.run(in_thread(path, options.tokens, prompt))))
        return
    command = [sys.executable, __file__, str(path), "--tokens", str(options.tokens), "--bare", json.dumps(prompt)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        ratios = []
        for repeat in range(options.repeats + 1):
            ours = measure(model, options.tokens)
            print("go", file=other.stdin, flush=True)
            theirs = json.loads(other.stdout.readline())
            if repeat:  # the first pair warms both
                ratios.append([layer / base for layer, base in zip(ours, theirs, strict=True)])
                print(f"layer {ours[0]:.2f} s ({ours[1]:.2f} CPU), bare {theirs[0]:.2f} s ({theirs[1]:.2f} CPU)")
        other.stdin.close()
    asyncio.run(model.close())
    wall, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"{options.model}: median ratio {wall:.3f} of wall time, {cpu:.3f} of CPU time")


if __name__ == "__main__":
    main()
