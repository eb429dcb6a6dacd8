"""How long draws take, side by side and one after another: measured once for a model on a machine, then predicted.

A decoding step reads all weights, whatever the number of streams, and computes for each of them: its time is the greater of the two
(the roofline). Up to the knee, where computing takes over, a wider batch costs no time; beyond it, n draws take as long as n.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from ponder import cache
from ponder.errors import InputError, ModelError
from ponder.models.sample import sample
from ponder.types import Message, Model, Request

GAIN = 1.1
"""A doubling of the width that makes the total rate grow by less than a tenth does not pay."""

WIDTHS = (1, 2, 4, 8, 16, 32, 64)

_WORDS = Request((Message("user", "Write a list of random English words."),), temperature=1.0)


@dataclass(frozen=True, slots=True)
class Profile:
    """A model's speed on a machine: the tokens a second of each stream, at widths of so many streams side by side.

    `date` is when it was measured (ISO 8601, UTC), `concurrency` how many draws the model runs at once. Raises `InputError` unless
    the widths grow from 1 and each has a rate above 0.
    """

    model: str
    machine: str
    date: str
    concurrency: int
    widths: tuple[int, ...]
    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        growing = all(one < other for one, other in pairwise(self.widths))
        if (
            self.widths[:1] != (1,)
            or not growing
            or len(self.rates) != len(self.widths)
            or not all(rate > 0 for rate in self.rates)
        ):
            raise InputError(f"a profile needs widths that grow from 1, each with a rate above 0: {self.widths} and {self.rates}")

    @property
    def totals(self) -> tuple[float, ...]:
        """Tokens a second of all streams together, at each width."""
        return tuple(width * rate for width, rate in zip(self.widths, self.rates, strict=True))

    @property
    def knee(self) -> int:
        """The measured width after which no doubling makes the total rate grow by 10 % or more; the widest if the last one does."""
        knee = self.widths[0]
        for (narrow, before), (wide, after) in pairwise(zip(self.widths, self.totals, strict=True)):
            if (after / before) ** (1 / math.log2(wide / narrow)) >= GAIN:
                knee = wide
        return knee

    def seconds(self, tokens: float, width: float = 1) -> float:
        """How long `width` draws of so many tokens take side by side: the prompt's time is in the rates.

        Between measured widths the time of a token is on a straight line, beyond the widest in proportion to the width.
        """
        known = list(zip(self.widths, self.rates, strict=True))
        for (narrow, slow), (wide, fast) in pairwise(known):
            if narrow <= width <= wide:
                share = (width - narrow) / (wide - narrow)
                return tokens * ((1 - share) / slow + share / fast)
        return tokens / self.rates[-1] * max(1.0, width / self.widths[-1])

    def waves(self, draws: int, tokens: float, width: int | None = None) -> float:
        """How long `draws` of so many tokens take, at most `width` (the model's concurrency) at once: wave after wave.

        A sequential strategy is `width=1`; k chains of n revisions are n times the time of k draws.
        """
        width = width or self.concurrency
        whole, rest = divmod(draws, width)
        return whole * self.seconds(tokens, width) + (self.seconds(tokens, rest) if rest else 0.0)

    def draws(self, seconds: float, tokens: float, width: int | None = None) -> int:
        """The most draws that `waves` puts into so many seconds: what a budget of time buys."""
        width = width or self.concurrency
        wave = self.seconds(tokens, width)
        whole = int(seconds / wave * (1 + 1e-12))
        left = seconds - whole * wave
        return whole * width + max((rest for rest in range(1, width) if self.seconds(tokens, rest) <= left), default=0)


async def measure(model: Model, *, widths: Sequence[int] = WIDTHS, tokens: int = 64, refresh: bool = False) -> Profile:
    """The model's profile on this machine: as kept by an earlier call, else (or with `refresh`) measured, and kept.

    Measuring draws at most `tokens` at each of the widths that the model can run at once, after one draw that warms it up; call it
    outside a solve. A rate is all completion tokens of a width over all its draws' seconds. Raises `ModelError` if a draw fails,
    `InputError` when the cache folder cannot be written.
    """
    if not refresh and (known := recall(model)) is not None:
        return known
    await _rate(model, 1, tokens)
    able = tuple(width for width in widths if width <= model.concurrency)
    rates = tuple([await _rate(model, width, tokens) for width in able])
    date = datetime.now(UTC).isoformat(timespec="seconds")
    profile = Profile(model.name, machine(), date, model.concurrency, able, rates)
    cache.keep("latency", _key(model), profile)
    return profile


def recall(model: Model) -> Profile | None:
    """What an earlier `measure` found out on this machine, without a call; None if there was none."""
    return cache.recall("latency", _key(model), Profile)


def machine() -> str:
    """This machine's name, architecture and number of processors."""
    return f"{platform.node()} {platform.machine()} x {os.cpu_count()}"


async def _rate(model: Model, width: int, tokens: int) -> float:
    drawn = await sample(model, replace(_WORDS, max_tokens=tokens, seed=width), width)
    failed = next((one.error for one in drawn if one.error is not None), None)
    if failed is not None:
        raise ModelError(f"the speed of `{model.name}` could not be measured at {width} draws at once: {failed}")
    return sum(one.usage.completion for one in drawn) / sum(one.seconds for one in drawn)


def _key(model: Model) -> str:
    return f"{model.fingerprint} {machine()}"
