"""One replica while it is simulated. All its streams gain tokens at one pace, so a clock that counts tokens tells when each ends.

A stream of T tokens that enters when the clock shows V ends when it shows V + T; between events the clock runs at one token a step.
So an event costs the logarithm of the streams, however many tokens lie between (virtual time, as in fair queueing).
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from math import inf

from ponder.cost.fanout import Draw
from ponder.cost.server import Server

_CLOSE = 1e-9


class Query:
    """A query under way: its number, its draws by rising `after`, how many have started, run and ended, its part of busy time."""

    __slots__ = ("draws", "ended", "number", "replica", "running", "share", "started")

    def __init__(self, number: int, draws: tuple[Draw, ...], replica: Replica) -> None:
        self.number, self.draws, self.replica = number, draws, replica
        self.started = self.running = self.ended = 0
        self.share = 0.0


class Replica:
    """It is ordered at `up`, serves from `ready`, takes no more queries once it is `leaving`, and is gone at `down`.

    `load` counts the draws that run or wait, `busy` the seconds in which at least one ran, `decoded` the tokens of ended draws;
    `due` numbers the latest plan for its next event.
    """

    __slots__ = (
        "base", "batch", "busy", "clock", "decoded", "down", "due", "fair", "leaving", "load", "number", "pace", "queue", "ready",
        "running", "server", "stall", "time", "up", "used",
    )  # fmt: skip

    def __init__(self, server: Server, up: float = 0.0, ready: float = 0.0) -> None:
        self.server, self.up, self.ready = server, up, ready
        self.down = inf
        self.time = ready
        self.clock = self.stall = self.base = self.used = self.busy = self.fair = self.decoded = 0.0
        self.pace = 1.0
        self.batch = self.load = self.number = self.due = 0
        self.leaving = False
        self.running: list[tuple[float, int, float, Query, Draw]] = []
        self.queue: deque[tuple[Query, Draw]] = deque()

    def advance(self, now: float) -> None:
        """Let the clock run until `now`: first what prompts keep it waiting, then a token a step."""
        passed = now - self.time
        if passed <= 0:
            return
        self.time = now
        if not self.batch:
            return
        self.busy += passed
        self.fair += passed / self.batch
        if self.stall:
            if passed <= self.stall:
                self.stall -= passed
                return
            passed -= self.stall
            self.stall = 0.0
        self.clock += passed / self.pace

    def admit(self, query: Query, draw: Draw) -> None:
        """A draw enters, or waits its turn. Call `advance` first."""
        self.load += 1
        if self.queue or not self._fits(draw):
            self.queue.append((query, draw))
        else:
            self._enter(query, draw)

    def end(self, now: float) -> list[Query]:
        """The queries whose draws end at `now`, which `next` has said, each once; what waited enters in the draws' places."""
        self.advance(now)
        self.clock = max(self.clock, self.running[0][0])  # whatever the time's last bits say
        ended: dict[Query, None] = {}
        horizon = self.clock + _CLOSE * max(1.0, self.clock)
        while self.running and self.running[0][0] <= horizon:
            last, _, fair, query, draw = heappop(self.running)
            self.batch -= 1
            self.load -= 1
            self.base -= draw.prompt - (last - draw.tokens - self.server.lag)
            self.used -= draw.new + draw.tokens
            self.decoded += draw.tokens
            query.share += self.fair - fair
            query.running -= 1
            query.ended += 1
            ended[query] = None
        if not self.batch:
            self.clock = self.base = self.used = 0.0  # rounding errors end with the streams
        while self.queue and self._fits((turn := self._turn())[1]):
            self.queue.remove(turn)
            self._enter(*turn)
        return list(ended)

    def next(self) -> float:
        """When the next draw ends if nothing enters before; the step is that of the mean context on the way."""
        if not self.batch:
            return inf
        left = self.running[0][0] - self.clock
        context = self.base + self.batch * (self.clock + left / 2)
        self.pace = self.server.step(self.batch, context)
        return self.time + self.stall + max(0.0, left) * self.pace

    def _turn(self) -> tuple[Query, Draw]:
        """Which of those that wait is next: the first, or, at a fair server, the first of a query with the fewest draws running."""
        return min(self.queue, key=lambda one: one[0].running) if self.server.fair else self.queue[0]

    def _fits(self, draw: Draw) -> bool:
        if not self.batch:
            return True  # alone it must be let in: it would wait for ever
        return self.batch < self.server.batch and self.used + draw.new + draw.tokens <= self.server.room

    def _enter(self, query: Query, draw: Draw) -> None:
        self.stall += self.server.prompt(draw.new, draw.prompt)
        self.number += 1
        heappush(self.running, (self.clock + draw.tokens + self.server.lag, self.number, self.fair, query, draw))
        self.batch += 1
        query.running += 1
        self.base += draw.prompt - self.clock
        self.used += draw.new + draw.tokens
