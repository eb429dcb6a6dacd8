"""How well the fleet's simulation predicts the embedded engine: tokens a second and p95 latency at loads that it was not fitted on.

    python benchmarks/fleet.py [--model builtin:mini] [--loads .2,.35,.5,.65] [--seconds 8] [--rounds 5] [--json FILE]

What is fitted: the seconds of a step at some widths, from streams that are kept in flight; those that a solve takes itself, from
solves of one token; and how strategies fan out, recorded while nothing else runs. What is predicted: Poisson streams of mixed
strategies through `ponder.solve`, at parts of the highest measured rate, of other problems. Calibrations and loads take turns,
because a shared machine changes its speed: a step's shape is the mean of all calibrations, and its level for a load that of the
calibrations before and behind it. The simulation is given when queries arrive and of which kind they are, not what they drew;
`replayed` is given the draws too: what is off then is the engine's time, and not the luck of the draw.
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

    @property
    def server(self) -> Server:
        return of_widths(WIDTHS, self.steps, each=self.solve, batch=64)


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
    """One run: when queries came and of which kind; measured latencies, tokens, the time of the last end; the
    mean speed of the calibrations around it; and the fan-outs as they came."""

    part: float
    times: np.ndarray
    kinds: np.ndarray
    latency: np.ndarray
    tokens: int
    end: float
    speed: Speed
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


def predicted(load: Load, library: list[list[Fanout]] | None, usual: Speed, seed: int) -> fleet.Outcome:
    """The same arrivals, simulated: the run's usual steps, at the level of the calibrations around the load.

    Without a library, with the draws that were really made.
    """
    level = float(np.exp(np.mean(np.log(np.array(load.speed.steps) / usual.steps))))
    speed = Speed([one * level for one in usual.steps], usual.solve * level)
    if library is None:
        return fleet.simulate(load.times, np.arange(len(load.times)), [[one] for one in load.drawn], speed.server)
    return fleet.simulate(load.times, load.kinds, library, speed.server, seed=seed)


async def measure(options: argparse.Namespace) -> tuple[list[Load], list[list[Fanout]], Speed]:
    rng, numbers = np.random.default_rng(options.seed), itertools.count(10**6)
    parts, loads = [float(one) for one in options.loads.split(",")], list[Load]()
    async with opened(options.model) as model:
        known, fresh = ([problems(kind, split) for kind in MIX] for split in (0, 1))
        mixed = [one for kind in known for one in kind[:20]]
        await calibrate(model, mixed, options.calibration, numbers)  # warms both sides
        library = [await recorded(known[place][:40], model, strategy=kind.strategy) for place, kind in enumerate(MIX)]
        mean = sum(
            kind.share * np.mean([sum(draw.tokens for draw in one) for one in library[place]]) for place, kind in enumerate(MIX)
        )
        speeds = [await calibrate(model, mixed, options.calibration, numbers)]
        for part in parts * options.rounds:
            times = poisson(part * WIDTHS[-1] / speeds[-1].steps[-1] / mean, options.seconds, int(rng.integers(1 << 30)))
            kinds = rng.choice(len(MIX), len(times), p=[kind.share for kind in MIX])
            latency, drawn, end = await serve(model, times.tolist(), kinds.tolist(), fresh)
            tokens = round(sum(draw.tokens for plan in drawn for draw in plan))
            speeds.append(await calibrate(model, mixed, options.calibration, numbers))
            loads.append(Load(part, times, kinds, np.array(latency), tokens, end, Speed.middle(speeds[-2:]), drawn))
            shown = " ".join(f"{1e3 * one:.2f}" for one in speeds[-1].steps)
            p95 = np.quantile(latency, 0.95)
            print(
                f"load {part}: {len(times)} queries, p95 {p95:.2f} s, {tokens / end:.0f} tokens/s; "
                f"steps {shown} ms, a solve {1e3 * speeds[-1].solve:.2f} ms",
                flush=True,
            )
    return loads, library, Speed.middle(speeds)


def compare(loads: list[Load], library: list[list[Fanout]], usual: Speed, part: float) -> dict[str, Any]:
    """Predicted and measured figures of all runs at one load."""
    runs = [one for one in loads if one.part == part]
    simulated = [[predicted(one, library, usual, seed) for seed in range(SEEDS)] for one in runs]
    measured = np.concatenate([one.latency for one in runs])
    replayed = np.concatenate([predicted(one, None, usual, 0).latency for one in runs])
    guessed = np.concatenate([outcome.latency for row in simulated for outcome in row])
    rates = sum(one.tokens for one in runs) / sum(one.end for one in runs)
    expected = sum(o.decoded for row in simulated for o in row) / sum(o.end for row in simulated for o in row)
    return {
        "load": part, "queries": len(measured),
        **{f"{name}_measured": float(np.quantile(measured, q)) for name, q in QUANTILES.items()},
        **{f"{name}_predicted": float(np.quantile(guessed, q)) for name, q in QUANTILES.items()},
        "tokens_measured": rates, "tokens_predicted": expected,
        "p95_off": float(np.quantile(guessed, 0.95) / np.quantile(measured, 0.95) - 1), "tokens_off": expected / rates - 1,
        "p95_replayed": float(np.quantile(replayed, 0.95)),
        "p95_replayed_off": float(np.quantile(replayed, 0.95) / np.quantile(measured, 0.95) - 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="builtin:mini")
    parser.add_argument("--loads", default=".2,.35,.5,.65")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calibration", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    loads, library, usual = asyncio.run(measure(options))
    print("steps", " ".join(f"{1e3 * one:.2f}" for one in usual.steps), f"ms, a solve {1e3 * usual.solve:.2f} ms")
    rows = [compare(loads, library, usual, part) for part in dict.fromkeys(one.part for one in loads)]
    for row in rows:
        print(" | ".join(f"{name} {value:.3g}" for name, value in row.items()))
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "usual": usual, "loads": loads, "library": library}, default=_plain))


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else asdict(value)


if __name__ == "__main__":
    main()
