"""What an API key may use in a period: requests, computed tokens and dollars; and how a client is told what is left.

Periods are those of the clock (UTC): a minute begins at second 0 and a day at midnight, so the time of the reset is exact and a
restart changes nothing. The price of that simplicity: around a reset, twice the amount may be used within one period's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal

from ponder.errors import InputError

Kind = Literal["requests", "tokens", "usd"]

EVER = 0
PERIODS = {"s": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400, "ever": EVER}
_KINDS: dict[str, Kind] = {"": "requests", "request": "requests", "requests": "requests", "token": "tokens", "tokens": "tokens"}
_LIMIT = re.compile(
    r"(?P<usd>\$)?\s*(?P<amount>[0-9][0-9_]*\.?[0-9]*)\s*(?P<k>[kM])?\s*(?P<kind>[a-z]*)\s*(?:/\s*(?P<period>[a-z]+))?"
)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` of `kind` in each period of so many `seconds`; `EVER` is the key's whole life."""

    kind: Kind
    amount: float
    seconds: int

    def __post_init__(self) -> None:
        if not self.amount > 0:
            raise InputError(f"a limit of {self.amount:g} {self.kind} allows nothing; revoke the key instead")

    def window(self, now: float) -> int:
        return window(self.seconds, now)

    def reset(self, now: float) -> float | None:
        """Seconds until the next period; None where there is none."""
        return self.seconds - now % self.seconds if self.seconds else None

    def __str__(self) -> str:
        amount = f"${self.amount:g}" if self.kind == "usd" else f"{self.amount:,.0f} {self.kind}"
        period = next(name for name, seconds in reversed(PERIODS.items()) if seconds == self.seconds)
        return f"{amount}/{period}"


@dataclass(frozen=True, slots=True)
class Used:
    """What was used in a period. `usd` counts what has a known price; `unpriced` are the tokens of the rest."""

    requests: int = 0
    tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A limit, and what of it is used."""

    limit: Limit
    used: float

    @property
    def left(self) -> float:
        return max(0.0, self.limit.amount - self.used)


def window(seconds: int, now: float) -> int:
    """The number of the period of that length in which `now`, a Unix time, lies."""
    return int(now // seconds) if seconds else 0


def parse(text: str) -> tuple[Limit, ...]:
    """Read `$5/day`, `60/m` (requests), `100k tokens/m`, `$20` (ever), or several joined by commas."""
    return tuple(_limit(part.strip(), text) for part in text.split(","))


def _limit(part: str, text: str) -> Limit:
    found = _LIMIT.fullmatch(part)
    kind: Kind | None = "usd" if found and found["usd"] and not found["kind"] else _KINDS.get(found["kind"]) if found else None
    seconds = PERIODS.get((found and found["period"]) or "ever")
    if found is None or kind is None or seconds is None or (found["usd"] and kind != "usd"):
        raise InputError(f"cannot read the limit {part!r} in {text!r}: write $5/day, 60/m, 100k tokens/m, or $20 for ever")
    return Limit(kind, float(found["amount"]) * {None: 1, "k": 1_000, "M": 1_000_000}[found["k"]], seconds)


def headers(standings: Iterable[Standing], now: float) -> Mapping[str, str]:
    """The `x-ratelimit-*` headers as OpenAI names them; of several limits of one kind, the one with the smallest part left."""
    tightest: dict[Kind, Standing] = {}
    for standing in standings:
        kind = standing.limit.kind
        if kind not in tightest or standing.left / standing.limit.amount < tightest[kind].left / tightest[kind].limit.amount:
            tightest[kind] = standing
    found: dict[str, str] = {}
    for kind, standing in tightest.items():
        found[f"x-ratelimit-limit-{kind}"] = f"{standing.limit.amount:.10g}"
        found[f"x-ratelimit-remaining-{kind}"] = f"{standing.left:.10g}"
        reset = standing.limit.reset(now)
        if reset is not None:
            found[f"x-ratelimit-reset-{kind}"] = span(reset)
    return found


def span(seconds: float) -> str:
    """A time as OpenAI writes it: 1s, 6m0s, 23h59m8s; rounded up, so that who waits for it does not come too early."""
    whole = ceil(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    parts = [f"{hours}h"] * (hours > 0) + [f"{minutes}m"] * (whole >= 60)
    return "".join([*parts, f"{whole % 60}s"])
