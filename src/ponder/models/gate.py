"""How many draws a model runs at once, and what part of its busy time each of them took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from ponder.types import Model


class Gate:
    """Lets `width` draws in at once, and shares the busy time out among them.

    The shares of all draws add up to the wall time in which at least one was running, whatever their concurrency: each moment is
    divided equally among the draws in flight (virtual time, as in fair queueing).
    """

    def __init__(self, width: int) -> None:
        self._places = asyncio.Semaphore(width)
        self._active, self._virtual, self._since = 0, 0.0, 0.0

    @asynccontextmanager
    async def enter(self, stay: Stay, draws: int) -> AsyncIterator[None]:
        """Wait for a place for a call of `draws` draws, and time its stay."""
        async with self._places:
            self._tick(draws)
            began, virtual = time.monotonic(), self._virtual
            try:
                yield
            finally:
                self._tick(-draws)
                stay.seconds, stay.share = time.monotonic() - began, self._virtual - virtual

    def _tick(self, change: int) -> None:
        now = time.monotonic()
        if self._active:
            self._virtual += (now - self._since) / self._active
        self._since, self._active = now, self._active + change


@dataclass(slots=True)
class Stay:
    """One call inside the gate: its latency in `seconds`, and each of its draws' `share` of the busy time."""

    seconds: float = 0.0
    share: float = 0.0


_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Gate]] = WeakKeyDictionary()


def gate(model: Model) -> Gate:
    """The model's gate in this event loop."""
    gates = _gates.setdefault(asyncio.get_running_loop(), {})
    return gates.setdefault(model.fingerprint, Gate(model.concurrency))
