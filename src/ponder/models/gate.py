"""How many calls a model runs at once, whose turn it is, and what part of the model's busy time each draw took."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from ponder.types import Model


@dataclass(slots=True, eq=False)
class Party:
    """Who has calls at a gate: how many run, and those that wait, in order."""

    running: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Gate:
    """Lets `width` calls in at once, fairly among those who ask, and shares the busy time out among the draws.

    A place that becomes free goes to the party with the fewest calls running, and of several to the one that has stood so the
    longest (max-min fairness of places). So a party of one call does not wait for the 256 of another: only for the next place, and
    for the parties that were before it. A party's own calls keep their order.

    The shares of all draws add up to the wall time in which at least one was running, whatever their concurrency: each moment is
    divided equally among the draws in flight (virtual time, as in fair queueing).
    """

    def __init__(self, width: int) -> None:
        self._free = width
        self._parties: dict[Hashable, Party] = {}
        self._asking = defaultdict[int, dict[Party, None]](dict)  # those that wait, by how many they have running
        self._active, self._virtual, self._since = 0, 0.0, 0.0

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return sum(len(party.waiting) for party in self._parties.values())

    @asynccontextmanager
    async def enter(self, stay: Stay, draws: int, party: Hashable = None) -> AsyncIterator[None]:
        """Wait for a place for a call of `draws` draws, and time its stay. `party` is who asks: whatever is equal is one."""
        await self._take(party)
        self._tick(draws)
        began, virtual = time.monotonic(), self._virtual
        try:
            yield
        finally:
            self._tick(-draws)
            stay.seconds, stay.share = time.monotonic() - began, self._virtual - virtual
            self._leave(party)

    async def _take(self, name: Hashable) -> None:
        party = self._parties.setdefault(name, Party())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        party.waiting.append(turn)
        self._asking[party.running][party] = None
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                party.waiting.remove(turn)
                self._settle(name, party, party.running)
            else:  # it got its place in the moment it gave up
                self._leave(name)
            raise

    def _leave(self, name: Hashable) -> None:
        party = self._parties[name]
        party.running -= 1
        self._free += 1
        self._settle(name, party, party.running + 1)
        self._serve()

    def _serve(self) -> None:
        """Give free places away."""
        while self._free and self._asking:
            fewest = min(self._asking)
            party = next(iter(self._asking[fewest]))
            turn = next((one for one in party.waiting if not one.done()), None)  # a cancelled one is about to be told
            if turn is not None:
                party.waiting.remove(turn)
                turn.set_result(None)
                party.running += 1
                self._free -= 1
            self._move(party, fewest)

    def _settle(self, name: Hashable, party: Party, before: int) -> None:
        """Put a party where it belongs now; who has nothing here is forgotten."""
        self._move(party, before)
        if not party.running and not party.waiting:
            del self._parties[name]

    def _move(self, party: Party, before: int) -> None:
        level = self._asking[before]
        level.pop(party, None)
        if any(not turn.done() for turn in party.waiting):
            self._asking[party.running][party] = None
        if not level:
            del self._asking[before]

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
