"""A fleet of engines under load, event by event: queries arrive, fan out, wait for room, share steps, and end.

Nothing is drawn: a token is a number. Between two events of a replica its streams gain tokens at one pace (`replica.py`), so the
work grows with the draws and not with their tokens, and an hour of a million queries takes a minute or two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import ceil, inf
from random import Random
from typing import TYPE_CHECKING

from ponder.cost import energy
from ponder.cost.fanout import Fanout
from ponder.cost.replica import Query, Replica
from ponder.cost.server import Server
from ponder.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scaling:
    """Looks every `every` seconds and wants so many replicas that each has `target` draws in flight, between `least` and `most`.

    A new one costs from the order and serves `startup` seconds later; one that is no longer wanted takes no new queries and goes
    when it is empty.
    """

    target: float
    least: int = 1
    most: int = 1000
    every: float = 15.0
    startup: float = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened. Arrays have one entry a query, in the order of arrival: `kind`, `latency` in seconds, decoded `tokens`, and
    `share`, its part of the replicas' busy seconds (each moment is divided equally among the draws that run).

    `seconds` is the time of the last arrival, `end` that of the last end; `paid` and `busy` are replica-seconds; `decoded` the
    tokens that the replicas have counted; `inside` the mean number of queries in the fleet until the end; `replicas` (time, number)
    pairs.
    """

    server: Server
    kind: NDArray[np.int64]
    latency: Floats
    tokens: Floats
    share: Floats
    seconds: float
    end: float
    paid: float
    busy: float
    decoded: float
    inside: float
    replicas: tuple[tuple[float, int], ...]

    def quantile(self, share: float, kind: int | None = None) -> float:
        """A quantile of latency in seconds, of all queries or of one kind."""
        import numpy as np

        return float(np.quantile(self.latency if kind is None else self.latency[self.kind == kind], share))

    def within(self, seconds: float) -> float:
        """The part of the queries that were answered in so many seconds."""
        return float((self.latency <= seconds).mean())

    @property
    def rate(self) -> float:
        """Decoded tokens a second until the end."""
        return self.decoded / self.end

    @property
    def usd(self) -> float | None:
        """What the replicas cost from their order to their end."""
        return None if self.server.usd_hour is None else self.paid / 3600 * self.server.usd_hour

    def bill(self, kind: int) -> float | None:
        """The dollars of one kind's queries, by their share of the busy time."""
        total = float(self.share.sum())
        return None if self.usd is None else self.usd * float(self.share[self.kind == kind].sum()) / total

    def joules(self, load: float = energy.LOAD, pue: float = energy.PUE) -> float | None:
        """Joules of the replicas' paid time at the part `load` of their power, with the building's."""
        return None if self.server.watts is None else self.paid * self.server.watts * load * pue


@dataclass(slots=True)
class _State:
    """The fleet between two events: the replicas that take queries, all that there ever were, and when their next draws end."""

    server: Server
    random: Random
    serving: list[Replica]
    every: list[Replica]
    sizes: list[tuple[float, int]]
    events: list[tuple[float, int, Replica]] = field(default_factory=list)
    stamp: int = 0
    inside: int = 0
    area: float = 0.0
    now: float = 0.0


def simulate(
    arrivals: ArrayLike,
    kinds: ArrayLike,
    fanouts: Sequence[Sequence[Fanout]],
    server: Server,
    replicas: int = 1,
    *,
    scaling: Scaling | None = None,
    seed: int = 0,
) -> Outcome:
    """Serve queries that arrive at these times, each of a kind, whose fan-out is one of `fanouts[kind]`, chosen at random.

    All draws of a query go to one replica, where its prompt is cached: to the one with fewer draws of two chosen at random. Raises
    `InputError` for no queries or no replicas.
    """
    import numpy as np

    times, chosen = np.asarray(arrivals, float), np.asarray(kinds, np.int64)
    if not len(times) or replicas < 1:
        raise InputError(f"a fleet needs queries and replicas: it has {len(times)} and {replicas}")
    plans = _plans(chosen, fanouts, seed)
    fleet = [Replica(server) for _ in range(replicas)]
    state = _State(server, Random(seed), fleet, list(fleet), [(0.0, replicas)])
    ends, shares = _run(state, times.tolist(), plans, scaling)
    tokens = np.array([sum(draw.tokens for draw in plan) for plan in plans])
    return Outcome(
        server, chosen, np.asarray(ends) - times, tokens, np.asarray(shares), float(times[-1]), state.now,
        sum(min(one.down, state.now) - one.up for one in state.every), sum(one.busy for one in state.every),
        sum(one.decoded for one in state.every), state.area / state.now, tuple(state.sizes),
    )  # fmt: skip


def _plans(kinds: NDArray[np.int64], fanouts: Sequence[Sequence[Fanout]], seed: int) -> list[Fanout]:
    """The fan-out of each query."""
    import numpy as np

    rng = np.random.default_rng([seed, 2])
    places = (rng.random(len(kinds)) * np.array([len(one) for one in fanouts])[kinds]).astype(int).tolist()
    return [fanouts[kind][place] for kind, place in zip(kinds.tolist(), places, strict=True)]


def _run(state: _State, times: list[float], plans: list[Fanout], scaling: Scaling | None) -> tuple[list[float], list[float]]:
    """All events in their order; the ends and the busy shares of the queries."""
    ends, shares = [0.0] * len(times), [0.0] * len(times)
    events, coming, count = state.events, 0, len(times)
    tick = scaling.every if scaling else inf
    while coming < count or state.inside:
        arrival = times[coming] if coming < count else inf
        event = events[0][0] if events else inf
        now = min(arrival, event, tick)
        state.area += state.inside * (now - state.now)
        state.now = now
        if now == event:
            _, stamp, replica = heappop(events)
            if replica.due != stamp:
                continue  # something has entered since
            for query in replica.end(now):
                _proceed(state, query, ends, shares)
        elif now == arrival:
            replica = _least(state)
            replica.advance(now)
            _start(Query(coming, plans[coming], replica))
            state.inside += 1
            coming += 1
        else:
            assert scaling is not None
            tick += scaling.every
            _scale(state, scaling)
            continue
        _schedule(state, replica)
    return ends, shares


def _proceed(state: _State, query: Query, ends: list[float], shares: list[float]) -> None:
    """A draw of the query has ended: start what waited for it, or end the query."""
    if query.ended == len(query.draws):
        ends[query.number], shares[query.number] = state.now, query.share
        state.inside -= 1
    else:
        _start(query)


def _start(query: Query) -> None:
    draws, place = query.draws, query.started
    while place < len(draws) and draws[place].after <= query.ended:
        query.replica.admit(query, draws[place])
        place += 1
    query.started = place


def _schedule(state: _State, replica: Replica) -> None:
    """Note when the replica's next draw ends; what was noted before no longer holds."""
    state.stamp += 1
    replica.due = state.stamp
    due = replica.next()
    if due < inf:
        heappush(state.events, (due, state.stamp, replica))
    elif replica.leaving:
        replica.down = state.now


def _least(state: _State) -> Replica:
    """The one with fewer draws of two that serve, chosen at random."""
    fleet, random = state.serving, state.random.random
    if len(fleet) == 1:
        return fleet[0]
    one, other = fleet[int(random() * len(fleet))], fleet[int(random() * len(fleet))]
    if one.ready > state.now or other.ready > state.now:
        fleet = [each for each in fleet if each.ready <= state.now]
        one, other = fleet[int(random() * len(fleet))], fleet[int(random() * len(fleet))]
    return one if one.load <= other.load else other


def _scale(state: _State, scaling: Scaling) -> None:
    """Order replicas, or let go those with the fewest draws; one that serves is always kept."""
    load = sum(one.load for one in state.serving)
    wanted = min(scaling.most, max(scaling.least, ceil(load / scaling.target)))
    while len(state.serving) < wanted:
        state.serving.append(Replica(state.server, state.now, state.now + scaling.startup))
        state.every.append(state.serving[-1])
    ready = sorted((one for one in state.serving if one.ready <= state.now), key=lambda one: one.load)
    for one in ready[: max(0, min(len(ready) - 1, len(state.serving) - wanted))]:
        state.serving.remove(one)
        one.leaving = True
        if not one.load:
            one.down = state.now
    if state.sizes[-1][1] != len(state.serving):
        state.sizes.append((state.now, len(state.serving)))
