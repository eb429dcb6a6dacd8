"""A hard budget: every draw reserves the most it can cost and settles to what it did cost, so a limit is never overdrawn.

A draw that does not fit beside what is in flight waits for others to settle, in order of arrival under each limit, and is refused
with `BudgetExhausted` only when it could not fit even then. Settling never costs more than was reserved, so *which* draws a budget
admits depends on their order and their own lengths alone, not on concurrency. (A verifier's draws go ahead of the policy's that
wait: what is judged first then depends on what finishes first.) The meter is ambient (a context variable) and nests:
what a stage spends, the whole spends too.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

import msgspec

from ponder.ambient import Ambient
from ponder.errors import BudgetExhausted, InputError

CHARGED = ("tokens", "usd", "calls")
LIMITS = (*CHARGED, "seconds")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_AMOUNT = re.compile(
    r"(?P<usd>\$\s*[0-9]*\.?[0-9]+)"
    r"|(?P<amount>[0-9][0-9_]*\.?[0-9]*(?:e[0-9]+)?)\s*(?P<k>[kM](?![a-z]))?\s*(?P<unit>[a-z]*)"
)


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits on computed tokens (`Usage.computed`), US dollars, wall-clock seconds and model calls. None is no limit."""

    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    calls: int | None = None

    def __post_init__(self) -> None:
        for name in LIMITS:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"a budget of {value!r} {name} allows nothing; give a number above 0")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `4000` (tokens), `16k`, `$0.02`, `30s`, `2m`, `64 calls`, or several joined by commas: `4000,30s`."""
        limits: dict[str, float] = {}
        for part in text.split(","):
            kind, value = _amount(part.strip(), text)
            if kind in limits:
                raise InputError(f"the budget {text!r} names {kind} twice; give each limit once")
            limits[kind] = value
        whole = {kind: int(value) if kind in ("tokens", "calls") else value for kind, value in limits.items()}
        return cls(**whole)  # type: ignore[arg-type]


def _amount(part: str, text: str) -> tuple[str, float]:
    found = _AMOUNT.fullmatch(part)
    if found and found["usd"]:
        return "usd", float(found["usd"].lstrip("$ "))
    if found:
        value = float(found["amount"].replace("_", "")) * {None: 1, "k": 1_000, "M": 1_000_000}[found["k"]]
        unit = found["unit"]
        if unit in ("", "token", "tokens", "tok"):
            return "tokens", value
        if unit in ("call", "calls"):
            return "calls", value
        if unit in _SECONDS and not found["k"]:
            return "seconds", value * _SECONDS[unit]
    raise InputError(f"cannot read the budget {text!r}: write tokens as 4000, dollars as $0.02, time as 30s, or 64 calls")


class Charge(msgspec.Struct, frozen=True):
    """What a draw costs, or the most that it can. Seconds are not charged: they pass."""

    tokens: int = 0
    calls: int = 0
    usd: float = 0.0

    def __add__(self, other: Charge) -> Charge:
        return Charge(self.tokens + other.tokens, self.calls + other.calls, self.usd + other.usd)

    def __sub__(self, other: Charge) -> Charge:
        return Charge(self.tokens - other.tokens, self.calls - other.calls, self.usd - other.usd)


class Meter:
    """Keeps one budget, inside its parent's. Not for use from several threads."""

    def __init__(self, budget: Budget, parent: Meter | None = None) -> None:
        self.budget, self.parent = budget, parent
        self.spent, self.reserved = Charge(), Charge()
        self.started = time.monotonic()
        own = float("inf") if budget.seconds is None else self.started + budget.seconds
        self.deadline: float = min(own, parent.deadline if parent else float("inf"))
        self._waiting: deque[tuple[Meter, Charge, asyncio.Future[None]]] = parent._waiting if parent else deque()
        self._chain: tuple[Meter, ...] = (self, *(parent._chain if parent else ()))
        self._charged = [(kind, allowed) for kind in CHARGED if (allowed := getattr(budget, kind)) is not None]

    def limits(self, kind: str) -> bool:
        """Whether this meter, or one around it, limits `kind`."""
        return any(getattr(meter.budget, kind) is not None for meter in self._chain)

    def without(self, kept: Charge) -> Budget:
        """What is left of every limit when `kept` is held back: the budget of a stage that must leave that much for the next.

        Raises `BudgetExhausted` when nothing would be left.
        """
        left: dict[str, float] = {}
        for meter in self._chain:
            gone = meter.spent + kept
            for kind, allowed in meter._charged:
                used = getattr(gone, kind)
                if used >= allowed:
                    raise BudgetExhausted(kind, allowed, getattr(meter.spent, kind), getattr(kept, kind))
                left[kind] = min(allowed - used, left.get(kind, allowed))
        return Budget(**left)  # type: ignore[arg-type]

    def room(self, each: Charge) -> float:
        """How many charges of `each` fit beside what is spent and reserved; infinite without limits."""
        rooms = [
            (allowed - getattr(meter.spent, kind) - getattr(meter.reserved, kind)) / need
            for meter in self._chain
            for kind, allowed in meter._charged
            if (need := getattr(each, kind)) > 0
        ]
        return max(0.0, min(rooms, default=float("inf")))

    async def reserve(self, most: Charge, *, ahead: bool = False) -> None:
        """Set `most` aside, waiting for draws in flight to settle, `ahead` of others or behind. Each `reserve` needs its `settle`.

        Raises `BudgetExhausted` when it cannot fit even after everything in flight has settled, or when time is up.
        """
        self._refuse(most)
        if (ahead or not self._waiting) and self._fits(most):
            self._take(most)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.appendleft if ahead else self._waiting.append
        queue((self, most, turn))
        self._admit()
        try:
            async with self.in_time():
                await turn
        except (asyncio.CancelledError, TimeoutError) as stop:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # admitted in the moment it gave up
                self.settle(most, Charge())
            self._admit()
            if isinstance(stop, TimeoutError):
                raise self.out_of_time() from None
            raise

    def in_time(self) -> AbstractAsyncContextManager[object]:
        """Raises `TimeoutError` inside when the time is up, if there is a limit on it."""
        return nullcontext() if self.deadline == float("inf") else asyncio.timeout_at(self.deadline)

    def settle(self, most: Charge, actual: Charge) -> None:
        """Give back what was reserved and spend what was used."""
        for meter in self._chain:
            meter.reserved -= most
            meter.spent += actual
        self._admit()

    def exhausted(self, limit: str, allowed: float, spent: float, needed: float) -> BudgetExhausted:
        """The error for this meter's own limit."""
        return BudgetExhausted(limit, allowed, spent, needed)

    def out_of_time(self) -> BudgetExhausted:
        """The error for a deadline that has passed, naming the meter whose deadline it was."""
        for meter in self._chain:
            allowed = meter.budget.seconds
            if allowed is not None and meter.started + allowed <= self.deadline:
                return BudgetExhausted("seconds", allowed, time.monotonic() - meter.started, 0)
        raise AssertionError("no meter of this chain has a deadline")

    def _lacking(self, most: Charge, in_flight: bool) -> Iterator[tuple[Meter, str, float, float, float]]:
        """The limits, here and above, that `most` would break beside what is spent (and reserved, if `in_flight`)."""
        for meter in self._chain:
            for kind, allowed in meter._charged:
                used, need = getattr(meter.spent, kind), getattr(most, kind)
                used += getattr(meter.reserved, kind) if in_flight else 0
                if used + need > allowed * (1 + 1e-12):
                    yield meter, kind, allowed, used, need

    def _fits(self, most: Charge) -> bool:
        return not any(self._lacking(most, in_flight=True))

    def _refuse(self, most: Charge) -> None:
        if time.monotonic() >= self.deadline:
            raise self.out_of_time()
        for meter, limit, allowed, spent, needed in self._lacking(most, in_flight=False):
            raise meter.exhausted(limit, allowed, spent, needed)

    def _take(self, most: Charge) -> None:
        for meter in self._chain:
            meter.reserved += most

    def _admit(self) -> None:
        """Let waiting draws in, those under one limit first come first served, and refuse those that can never fit."""
        full, kept = set[Meter](), deque[tuple[Meter, Charge, asyncio.Future[None]]]()
        while self._waiting:
            meter, most, turn = self._waiting.popleft()
            if turn.done():
                continue
            if not full.isdisjoint(meter._chain):  # behind another under the same limit
                kept.append((meter, most, turn))
                continue
            try:
                meter._refuse(most)
            except BudgetExhausted as refusal:
                turn.set_exception(refusal)
                continue
            lacking = {one for one, *_ in meter._lacking(most, in_flight=True)}
            if lacking:
                full |= lacking
                kept.append((meter, most, turn))
            else:
                meter._take(most)
                turn.set_result(None)
        self._waiting.extend(kept)


_current: ContextVar[Meter | None] = ContextVar("ponder.meter", default=None)


def current() -> Meter:
    """The ambient meter; outside any, a fresh one without limits."""
    return _current.get() or Meter(Budget())


def under(meter: Meter) -> Ambient[Meter]:
    """Spend under a meter that others may spend under too."""
    return Ambient(_current, meter)


def spending(budget: Budget) -> Ambient[Meter]:
    """Spend under `budget`, inside whatever budget is ambient already."""
    return under(Meter(budget, parent=_current.get()))
