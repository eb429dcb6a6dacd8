"""How many calls a model runs at once, whose turn it is, and what part of the model's busy time each draw took."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Hashable
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

    def enter(self, draws: int, party: Hashable = None) -> Stay:
        """A call of `draws` draws: entered, it waits for a place. `party` is who asks: whatever is equal is one."""
        return Stay(self, draws, party)

    async def _take(self, name: Hashable) -> None:
        party = self._parties.get(name) or self._parties.setdefault(name, Party())
        if self._free and not self._asking:
            party.running += 1
            self._free -= 1
            return
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
        if self._asking:
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
        level = self._asking.get(before, {})
        if party in level:
            del level[party]
            if not level:
                del self._asking[before]
        if any(not turn.done() for turn in party.waiting):
            self._asking[party.running][party] = None

    def _tick(self, change: int) -> float:
        """So many more draws are in flight from now on; the virtual time of now."""
        now = time.monotonic()
        if self._active:
            self._virtual += (now - self._since) / self._active
        self._since, self._active = now, self._active + change
        return self._virtual


@dataclass(slots=True)
class Stay:
    """One call inside the gate. Left, it has its latency in `seconds`, and each of its draws' `share` of the busy time."""

    gate: Gate
    draws: int
    party: Hashable
    seconds: float = 0.0
    share: float = 0.0

    async def __aenter__(self) -> None:
        await self.gate._take(self.party)
        self.share -= self.gate._tick(self.draws)
        self.seconds -= time.monotonic()

    async def __aexit__(self, *_: object) -> None:
        self.share += self.gate._tick(-self.draws)
        self.seconds += time.monotonic()
        self.gate._leave(self.party)


_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Gate]] = WeakKeyDictionary()


def gate(model: Model) -> Gate:
    """The model's gate in this event loop."""
    gates, name = _gates.setdefault(asyncio.get_running_loop(), {}), model.fingerprint
    return gates.get(name) or gates.setdefault(name, Gate(model.concurrency))
