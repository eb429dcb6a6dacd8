"""One engine of a fleet as the simulation sees it: how long a step takes, and a prompt, and how much it holds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from ponder.cost import kv
from ponder.cost.roofline import Roofline


@dataclass(frozen=True, slots=True)
class Server:
    """`step(batch, context)` is the seconds of a step of `batch` streams that attend to `context` tokens in all;
    `prompt(new, prompt)` those of a prompt's computing, during which decoding stands still.

    At most `batch` streams run at once, and as many as `room` tokens of attention cache hold; others wait. Those that wait enter in
    their order or, if it is `fair`, those of the query with the fewest draws running first, as `models.gate` lets them in. A draw
    takes `lag` steps more than it has tokens. `usd_hour` and `watts` are for all its chips; None is unknown.
    """

    step: Callable[[float, float], float]
    prompt: Callable[[float, float], float] = lambda new, prompt: 0.0  # noqa: ARG005
    batch: int = 256
    room: float = inf
    lag: float = 0.0
    fair: bool = False
    usd_hour: float | None = None
    watts: float | None = None


def of_roofline(line: Roofline, batch: int = 256, usd_hour: float | None = None, watts: float | None = None) -> Server:
    """A server that is as fast as its roofline; price and power are the chips' own unless given. Raises `InputError` if the model
    does not fit."""
    line.require()
    model, chip = line.model, line.chip
    fixed = [line.reading(size) for size in range(batch + 1)]
    reading, computing = line.reading(1, 1) - line.reading(1), line.computing(1)
    attending = line.computing(1, 1) - computing
    usd_hour = usd_hour if usd_hour is not None else chip.usd_hour and chip.usd_hour * line.chips
    watts = watts if watts is not None else chip.watts and chip.watts * line.chips

    def step(streams: float, context: float) -> float:
        read = fixed[int(streams)] + reading * context
        compute = computing * streams + attending * context
        return read if read > compute else compute

    def prompt(new: float, whole: float) -> float:
        return line.prompt(int(whole), int(whole - new)) if new >= 1 else 0.0

    return Server(step, prompt, batch, line.room / kv.per_token(model, line.cache), usd_hour=usd_hour, watts=watts)


def of_widths(
    widths: Sequence[int], seconds: Sequence[float], each: float = 0.0, lag: float = 0.0, batch: int = 64, fair: bool = False
) -> Server:
    """A measured server: a step's seconds at some widths, on straight lines between them and in proportion beyond the widest.

    `each` are the seconds that admitting a draw takes from all others; `batch`, `lag` and `fair` are the server's.
    """
    last = len(widths) - 1

    def step(streams: float, context: float) -> float:  # noqa: ARG001 - contexts were those of the measurement
        place = bisect_left(widths, streams)
        if place > last:
            return seconds[last] * streams / widths[last]
        if place == 0:
            return seconds[0]
        low, high = widths[place - 1], widths[place]
        share = (streams - low) / (high - low)
        return seconds[place - 1] * (1 - share) + seconds[place] * share

    return Server(step, lambda new, prompt: each, batch, lag=lag, fair=fair)  # noqa: ARG005
