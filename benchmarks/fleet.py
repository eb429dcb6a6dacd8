"""How well the fleet's simulation predicts the embedded engine: tokens a second and p95 latency at loads that it was not fitted on.

    python benchmarks/fleet.py [--model builtin:mini] [--loads .2,.35,.5,.65] [--seconds 9.5] [--rounds 3] [--json FILE]

What is fitted: the shape of a step, to bare streams that are kept in flight at some widths; a solve's own time, to solves of one
token; how strategies fan out, recorded while nothing else runs; and the level of all seconds, to loads of the parts `FITTED`, one
before and one behind each load that is predicted: the factor with which their simulation, told what was drawn, has the measured
mean logarithm of latency. What is predicted: Poisson streams of mixed strategies through `ponder.solve`, at other parts of the
highest measured rate, of other problems. The simulation is given when queries arrive and of which kind they are, not what they
drew; `replayed` is given the draws too: what is off then is the engine's time, and not the luck of the draw.
"""

import argparse
import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ponder import tasks
from ponder.cost import fleet
from ponder.cost.arrivals import poisson
from ponder.cost.fanout import Fanout
from ponder.cost.server import Server, of_widths
from ponder.lab.fanout import Watched, recorded
from ponder.models.catalog import opened
from ponder.solve import solve
from ponder.strategies.draw import ask
from ponder.types import Model, Problem

WIDTHS = (1, 2, 4, 8, 16, 32, 64)
SEEDS = 10
FITTED = (0.28, 0.58)
QUANTILES = {"p50": 0.5, "p95": 0.95}


@dataclass(frozen=True)
class Kind:
    """A part of the traffic."""

    task: str
    strategy: str
    share: float


MIX = (
    Kind("countdown-4", "direct", 0.3),
    Kind("arithmetic-16", "direct", 0.2),
    Kind("arithmetic-16", "self-consistency(n=8)", 0.2),
    Kind("countdown-4", "first-wins(n=16,width=2)", 0.15),
    Kind("countdown-4", "best-of-n(n=16)", 0.15),
)


def problems(kind: Kind, split: int) -> list[Problem]:
    """Those that are calibrated on (0), or loaded with (1)."""
    return tasks.get(kind.task).load("test", 200)[split::2]


@dataclass(frozen=True)
class Speed:
    """Seconds of a step at each width, and those that beginning and ending a solve takes from all others."""

    steps: list[float]
    solve: float

    @classmethod
    def middle(cls, speeds: Sequence["Speed"]) -> "Speed":
        """The geometric means."""
        rows = np.exp(np.mean(np.log([[*one.steps, one.solve] for one in speeds]), axis=0)).tolist()
        return cls(rows[:-1], rows[-1])

    def server(self, level: float) -> Server:
        """All seconds times `level`; at most 64 draws at once, and those of the query with the fewest running enter first."""
        return of_widths(WIDTHS, [one * level for one in self.steps], each=self.solve * level, batch=64, fair=True)


async def busy(working: Callable[[int], Coroutine[Any, Any, None]], width: int, seconds: float, numbers: Iterator[int]) -> float:
    """What `width` workers get done a second, after a tenth of a second that fills the batch; `working` adds to a tally."""

    async def worker() -> None:
        for number in numbers:
            await working(number)

    running = [asyncio.create_task(worker()) for _ in range(width)]
    await asyncio.sleep(0.1)
    began, before = time.perf_counter(), TALLY.total()
    await asyncio.sleep(seconds)
    found = (TALLY.total() - before) / (time.perf_counter() - began)
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return found


TALLY: Counter[str] = Counter()


async def calibrate(model: Model, asked: Sequence[Problem], seconds: float, numbers: Iterator[int]) -> Speed:
    """Steps from bare streams that are kept in flight, a solve's own time from solves of one token."""

    async def stream(number: int) -> None:
        async for chunk in model.stream(replace(ask(asked[number % len(asked)]), seed=number)):
            TALLY["tokens"] += len(chunk.token_ids)

    async def brief(number: int) -> None:
        await solve(asked[number % len(asked)], model=model, strategy="direct", seed=number, max_tokens=1)
        TALLY["solves"] += 1

    steps = [width / await busy(stream, width, seconds, numbers) for width in WIDTHS]
    each = 1 / await busy(brief, 16, seconds, numbers) - steps[WIDTHS.index(16)] / 16
    return Speed(steps, max(each, 1e-6))


@dataclass(frozen=True)
class Load:
    """One run: when queries came and of which kind; measured latencies, tokens, the time of the last end, and the fan-outs."""

    part: float
    times: np.ndarray
    kinds: np.ndarray
    latency: np.ndarray
    tokens: int
    end: float
    drawn: list[Fanout]


async def serve(
    model: Model, times: Sequence[float], kinds: Sequence[int], asked: list[list[Problem]]
) -> tuple[list[float], list[Fanout], float]:
    """Queries at their times; latencies from when they were due, and the fan-outs."""
    began = time.perf_counter()

    async def query(number: int, due: float, kind: int) -> tuple[float, Fanout]:
        await asyncio.sleep(began + due - time.perf_counter())
        problem = asked[kind][number % len(asked[kind])]
        watched = Watched(model)
        await solve(problem, model=watched, strategy=MIX[kind].strategy, seed=number)
        return time.perf_counter() - began - due, watched.fanout

    done = await asyncio.gather(*(query(*each) for each in zip(itertools.count(), times, kinds, strict=False)))
    return [latency for latency, _ in done], [plan for _, plan in done], time.perf_counter() - began


def unhindered(drawn: Fanout, library: list[Fanout]) -> Fanout:
    """A fan-out without the waits for a place, which look as if a draw had waited for others of its query: none waits for more of
    them than the same draw did where nothing else ran."""
    after = [min(one[place].after for one in library if len(one) > place) for place in range(max(map(len, library)))]
    freed = (replace(draw, after=min(draw.after, *after[place : place + 1])) for place, draw in enumerate(drawn))
    return tuple(sorted(freed, key=lambda draw: draw.after))


def replayed(load: Load, library: list[list[Fanout]], server: Server) -> fleet.Outcome:
    """The same arrivals and the same draws, simulated."""
    drawn = [[unhindered(one, library[kind])] for one, kind in zip(load.drawn, load.kinds, strict=True)]
    return fleet.simulate(load.times, np.arange(len(drawn)), drawn, server)


def fitted(load: Load, library: list[list[Fanout]], speed: Speed) -> float:
    """The level of the engine's seconds at which the simulated mean logarithm of latency is the measured one, by halving."""
    low, high = -2.0, 2.0
    for _ in range(20):
        middle = (low + high) / 2
        gap = np.mean(np.log(replayed(load, library, speed.server(float(np.exp(middle)))).latency / load.latency))
        low, high = (middle, high) if gap < 0 else (low, middle)
    return float(np.exp(low))


async def measure(options: argparse.Namespace) -> tuple[list[Load], list[list[Fanout]], Speed]:
    """The loads in the order in which they ran: one to fit, then by turns one to predict and one to fit."""
    rng, numbers = np.random.default_rng(options.seed), itertools.count(10**6)
    parts, loads = [float(one) for one in options.loads.split(",")], list[Load]()
    async with opened(options.model) as model:
        known, fresh = ([problems(kind, split) for kind in MIX] for split in (0, 1))
        mixed = [one for kind in known for one in kind[:20]]
        await calibrate(model, mixed, options.calibration, numbers)  # warms both sides
        library = await asyncio.gather(
            *(recorded(some[:40], model, strategy=kind.strategy) for some, kind in zip(known, MIX, strict=True))
        )
        speeds = [await calibrate(model, mixed, options.calibration, numbers)]
        shares = [kind.share for kind in MIX]
        mean = sum(
            share * np.mean([sum(draw.tokens for draw in one) for one in some]) for share, some in zip(shares, library, strict=True)
        )
        turns = zip(parts * options.rounds, itertools.cycle(reversed(FITTED)))
        for part in [FITTED[0], *itertools.chain.from_iterable(turns)]:
            seconds = options.seconds / 2 if part in FITTED else options.seconds
            times = poisson(part * WIDTHS[-1] / speeds[0].steps[-1] / mean, seconds, int(rng.integers(1 << 30)))
            kinds = rng.choice(len(MIX), len(times), p=shares)
            latency, drawn, end = await serve(model, times.tolist(), kinds.tolist(), fresh)
            tokens = round(sum(draw.tokens for plan in drawn for draw in plan))
            loads.append(Load(part, times, kinds, np.array(latency), tokens, end, drawn))
            p95 = np.quantile(latency, 0.95)
            print(f"load {part}: {len(times)} queries, p95 {p95:.2f} s, {tokens / end:.0f} tokens/s", flush=True)
        speeds.append(await calibrate(model, mixed, options.calibration, numbers))
    return loads, list(library), Speed.middle(speeds)


def compare(loads: list[Load], library: list[list[Fanout]], speed: Speed, part: float) -> dict[str, Any]:
    """Predicted and measured figures of all runs at one load."""
    places = [place for place, one in enumerate(loads) if one.part == part]
    levels = [np.sqrt(fitted(loads[place - 1], library, speed) * fitted(loads[place + 1], library, speed)) for place in places]
    runs, servers = [loads[place] for place in places], [speed.server(float(level)) for level in levels]
    outcomes = [
        fleet.simulate(one.times, one.kinds, library, server, seed=seed)
        for one, server in zip(runs, servers, strict=True)
        for seed in range(SEEDS)
    ]
    told = [replayed(one, library, server).latency for one, server in zip(runs, servers, strict=True)]
    latencies = {"measured": [one.latency for one in runs], "predicted": [one.latency for one in outcomes], "replayed": told}
    row: dict[str, Any] = {
        "load": part,
        "queries": sum(len(one.times) for one in runs),
        "levels": [round(float(one), 3) for one in levels],
    }
    for name, q in QUANTILES.items():
        row |= {f"{name}_{whose}": float(np.quantile(np.concatenate(one), q)) for whose, one in latencies.items()}
    row["p95_off"], row["p95_replayed_off"] = (row[f"p95_{whose}"] / row["p95_measured"] - 1 for whose in ("predicted", "replayed"))
    row["tokens_measured"] = sum(one.tokens for one in runs) / sum(one.end for one in runs)
    row["tokens_predicted"] = sum(one.decoded for one in outcomes) / sum(one.end for one in outcomes)
    row["tokens_off"] = row["tokens_predicted"] / row["tokens_measured"] - 1
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="builtin:mini")
    parser.add_argument("--loads", default=".2,.35,.5,.65")
    parser.add_argument("--seconds", type=float, default=9.5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calibration", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    loads, library, speed = asyncio.run(measure(options))
    print("steps", " ".join(f"{1e3 * one:.2f}" for one in speed.steps), f"ms, a solve {1e3 * speed.solve:.2f} ms", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"speed": speed, "loads": loads, "library": library}, default=_plain))
    for part in dict.fromkeys(one.part for one in loads if one.part not in FITTED):
        row = compare(loads, library, speed, part)
        print(" | ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()))


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else asdict(value)


if __name__ == "__main__":
    main()
