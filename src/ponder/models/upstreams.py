"""Several upstreams of one model as one model: the least busy is asked, who fails is replaced, who is slow is raced.

- **Routing**: the upstream with the fewest calls outstanding, of several the one asked least recently.
- **Failover**: until a call has shown something, another upstream takes it over when it is refused (429, 5xx, a wrong key or
  name), breaks off, times out or sends what is no answer; when all have failed, the round begins again after a pause. What a failed
  attempt may have cost is charged. Later, the draw is over: its text has been seen, and another draw would be another text.
- **Hedging** (Dean and Barroso, "The Tail at Scale", 2013): a call that has shown nothing after the time in which 95 % of calls
  show something is sent to a second upstream, for at most a tenth of the calls. The first to show something goes on; the other
  is cancelled meanwhile, and charged: what it says itself, or else its prompt, and the tokens that it has shown.
- **Circuit breaker**: an upstream that keeps failing is left alone, then tried with one call; `watch` asks its health meanwhile.

Every attempt that is not the draw itself is an event of its own in the trace, with the role `discarded`, and is reserved and
settled like every other call: the bill is right, and the budget holds.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, fields
from hashlib import sha256
from math import ceil
from typing import Any

from ponder import budget
from ponder.budget import Charge
from ponder.errors import EndpointError, InputError, ModelError, ProtocolError
from ponder.models import sample
from ponder.models.breaker import Breaker
from ponder.models.drawing import Drawing
from ponder.models.retry import Retry
from ponder.types import Abilities, Chunk, Model, Price, Request, Usage

OWN_FAULT = {400, 413, 422}  # the request is wrong, and would be so anywhere
ENOUGH = 20  # observations, before there is a percentile to speak of


@dataclass(eq=False)
class Line:
    """One upstream, and how it does. `asked` numbers its latest call, `waits` are the latest seconds to a first chunk."""

    model: Model
    breaker: Breaker = field(default_factory=Breaker)
    outstanding: int = 0
    asked: int = 0
    waits: deque[float] = field(default_factory=lambda: deque(maxlen=128))


@dataclass(eq=False)
class Attempt:
    """A call to one upstream. `first` is its first chunk, or why there is none; `drawing` what it is charged by; `leaving` ends it
    where another has beaten it."""

    line: Line
    stream: AsyncGenerator[Chunk, None]
    first: asyncio.Task[Chunk]
    drawing: Drawing
    began: float = field(default_factory=time.monotonic)
    leaving: asyncio.Task[None] | None = None

    @property
    def error(self) -> BaseException | None:
        """Why it has shown nothing, once `first` is done."""
        return self.first.exception()

    async def abandon(self) -> None:
        """Cancel it, and hear what was on its way: one that counts as it goes says there what it bills (`hangup`)."""
        self.first.cancel()
        await asyncio.wait({self.first})
        if not self.first.cancelled() and self.error is None:
            self.drawing.add(self.first.result())
            rest = asyncio.ensure_future(self._rest())
            await asyncio.sleep(0)  # cancelled before it has begun, it would hear nothing
            rest.cancel()
            await asyncio.wait({rest})
        await self.end()
        self.line.breaker.abandoned()

    async def _rest(self) -> None:
        with suppress(ModelError):
            async for chunk in self.stream:
                self.drawing.add(chunk)

    async def end(self) -> None:
        self.line.outstanding -= 1
        await self.stream.aclose()


@dataclass(eq=False)
class Upstreams:
    """`members` answer alike: one model, at one price. `retries` are the rounds over all of them after the first.

    `hedged` is the part of the calls that may be sent twice, 0 for none. Raises InputError for members that differ in price.
    """

    members: Sequence[Model]
    _: KW_ONLY
    retries: Retry = field(default_factory=Retry)
    hedged: float = 0.1
    shortest: float = 0.05

    def __post_init__(self) -> None:
        prices = {member.price for member in self.members}
        if len(prices) != 1:
            raise InputError(
                f"the upstreams of one model need one price, and these have {prices}; name them as models of their own"
            )
        self.lines = [Line(member) for member in self.members]
        self.hedges = 0
        self._credit, self._numbers = 0.0, itertools.count(1)

    @property
    def name(self) -> str:
        return "|".join(member.name for member in self.members)

    @property
    def fingerprint(self) -> str:
        """Changes with any member's: which of them answers is chance."""
        return sha256(repr(sorted(member.fingerprint for member in self.members)).encode()).hexdigest()[:16]

    @property
    def abilities(self) -> Abilities:
        """What every member can do."""
        able = [member.abilities for member in self.members]
        source = "model" if all(one.usage_source == "model" for one in able) else "rule"
        common: dict[str, Any] = {one.name: all(getattr(each, one.name) for each in able) for one in fields(Abilities)}
        return Abilities(**common | {"usage_source": source})

    @property
    def price(self) -> Price | None:
        return self.members[0].price

    @property
    def parameters(self) -> int | None:
        return self.members[0].parameters

    @property
    def concurrency(self) -> int:
        return sum(member.concurrency for member in self.members)

    def prompt_tokens(self, request: Request) -> int:
        return max(member.prompt_tokens(request) for member in self.members)

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """Draw from one of them. Raises what the last of them raised, when none could."""
        self._credit = min(10.0, self._credit + self.hedged)
        winner, loser = await self._begin(request)
        used: Usage | None = None
        try:
            yield (chunk := winner.first.result())
            used = chunk.usage
            async for chunk in winner.stream:
                yield chunk
                used = chunk.usage or used
            winner.line.breaker.success()
        except (EndpointError, ProtocolError):
            winner.line.breaker.failure()
            raise
        except BaseException:
            winner.line.breaker.abandoned()
            raise
        finally:
            await winner.end()
            if loser is not None and loser.leaving is not None:
                await loser.leaving
                self._lost(loser, request, used)

    async def close(self) -> None:
        for member in self.members:
            await member.close()

    async def watch(self, every: float = 5.0) -> None:
        """Ask those that can tell (`alive`) for their health, again and again, until this is cancelled."""
        while True:
            for line in self.lines:
                alive = getattr(line.model, "alive", None)
                if alive is not None and not await alive():
                    line.breaker.failure()
            await asyncio.sleep(every)

    async def _begin(self, request: Request) -> tuple[Attempt, Attempt | None]:
        """The attempt that has shown its first chunk, and the one that it has beaten. Fails over, round after round."""
        tried: set[Line] = set()
        for rounds in itertools.count():
            while (line := self._choose(tried)) is not None:
                tried.add(line)
                attempt, beaten = await self._race(self._attempt(line, request), tried, request)
                error = attempt.error
                if error is None:
                    return attempt, beaten
                last = rounds == self.retries.times and self._choose(tried) is None
                if last or not _elsewhere(error) or not await self._charged(attempt, request):
                    raise error
            await asyncio.sleep(self.retries.wait(rounds, getattr(error, "after", None)))
            tried.clear()
        raise AssertionError("rounds have no end")

    def _choose(self, tried: set[Line]) -> Line | None:
        """Whom to ask next; None when all were tried. When every breaker is open, the one that closes first."""
        left = [line for line in self.lines if line not in tried]
        ready = [line for line in left if line.breaker.allows()]
        if ready:
            return min(ready, key=lambda line: (line.outstanding, line.asked))
        return min(left, key=lambda line: line.breaker.until, default=None)

    def _attempt(self, line: Line, request: Request) -> Attempt:
        line.breaker.begin()
        line.outstanding += 1
        line.asked = next(self._numbers)
        stream = line.model.stream(request)
        drawing = Drawing(range(request.n), sample.worst(self, request))
        return Attempt(line, stream, asyncio.ensure_future(_first(stream, line.model)), drawing)

    async def _race(self, attempt: Attempt, tried: set[Line], request: Request) -> tuple[Attempt, Attempt | None]:
        """The attempt that shows something first, with the one that it beats; when none does, the last to fail.

        A second one begins when this takes too long. What is set aside for it pays for whichever is out first.
        """
        running = [attempt]
        try:
            await asyncio.wait({attempt.first}, timeout=self._delay())
            if not attempt.first.done() and (second := await self._second(tried, request)) is not None:
                running.append(second)
            while True:
                await asyncio.wait({one.first for one in running}, return_when=asyncio.FIRST_COMPLETED)
                done = min((one for one in running if one.first.done()), key=lambda one: one.error is not None)
                running.remove(done)
                await self._seen(done)
                if done.error is None:
                    for beaten in running:
                        beaten.leaving = asyncio.ensure_future(beaten.abandon())
                    return done, running[0] if running else None
                if not running:
                    return done, None
                self._pay(done, request, sample.most(self, request))
        except BaseException:
            for number, one in enumerate(running):
                await one.abandon()
                if number:
                    self._lost(one, request, None)
            raise

    def _delay(self) -> float | None:
        """Seconds after which a second attempt begins; None without experience, or someone to ask."""
        waits = sorted(wait for line in self.lines for wait in line.waits)
        if len(self.lines) < 2 or len(waits) < ENOUGH or self._credit < 1:
            return None
        return max(self.shortest, waits[ceil(0.95 * len(waits)) - 1])

    async def _second(self, tried: set[Line], request: Request) -> Attempt | None:
        """Another attempt beside the first, if someone is free and the budget has room for both."""
        line, reserved, meter = self._choose(tried), sample.most(self, request), budget.current()
        if line is None or not line.breaker.allows() or meter.room(reserved) < 1:
            return None
        await meter.reserve(reserved, ahead=True)
        tried.add(line)
        self._credit -= 1
        self.hedges += 1
        return self._attempt(line, request)

    async def _seen(self, attempt: Attempt) -> None:
        """Note how an attempt began; one that failed is over."""
        error, breaker = attempt.error, attempt.line.breaker
        if error is None:
            attempt.line.waits.append(time.monotonic() - attempt.began)
            return
        attempt.drawing.fail(error)
        if getattr(error, "passing", False):  # refused, or broken off before it had begun: as `Chat` does when it asks again
            attempt.drawing.count(0)
        await attempt.end()
        if getattr(error, "status", None) == 429:
            breaker.abandoned()
            breaker.rest(getattr(error, "after", None) or 1.0)
        elif _elsewhere(error):
            breaker.failure()
        else:
            breaker.abandoned()

    async def _charged(self, attempt: Attempt, request: Request) -> bool:
        """Charge a failed attempt beside the one to come, if the budget has room for that."""
        cost = sample.charge(self, attempt.drawing.usage)
        if budget.current().room(cost) < 1:
            return False
        await budget.current().reserve(cost, ahead=True)
        self._pay(attempt, request, cost)
        return True

    def _lost(self, attempt: Attempt, request: Request, winner: Usage | None) -> None:
        """Charge the attempt that was beaten: by its own word; else its prompt is the winner's, and it has produced what it has
        shown."""
        attempt.drawing.count(winner.prompt if winner else attempt.drawing.worst.prompt)
        self._pay(attempt, request, sample.most(self, request))

    def _pay(self, attempt: Attempt, request: Request, reserved: Charge) -> None:
        seconds = time.monotonic() - attempt.began
        budget.current().settle(reserved, sample.discard(attempt.line.model, request, attempt.drawing, seconds))


def _elsewhere(error: BaseException) -> bool:
    """Whether another upstream may answer what this one could not."""
    return isinstance(error, EndpointError | ProtocolError) and getattr(error, "status", None) not in OWN_FAULT


async def _first(stream: AsyncGenerator[Chunk, None], model: Model) -> Chunk:
    async for chunk in stream:
        return chunk
    raise ProtocolError(f"`{model.name}` ended its stream before it began; the draw cannot be trusted")
