"""Who comes in: at most so many requests at once, and none any more when the server is about to stop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import ceil

from ponder.serve.errors import Refusal

ABREAST = 8
MOMENT = 1.0


class Door:
    """`limit` bounds the requests inside, running or waiting for their turn; None is no bound."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit, self.inside = limit, 0
        self._entered = self._before = 0
        self._queue = deque[tuple[float, asyncio.Future[None]]]()
        self.closing = self.hurried = False
        self._stay = 1.0  # seconds, the mean of the latest requests
        self._patience = set[asyncio.Timeout]()
        self._empty = asyncio.Event()

    def knock(self) -> None:
        """Raise `Refusal(503)`, with the seconds after which to ask again, when there is no room or the server stops."""
        if self.closing:
            raise self._refusal("the server is about to stop", {"Connection": "close"})
        if self.limit is not None and self.inside >= self.limit:
            raise self._refusal(f"the server has {self.inside} requests already, as many as it takes", {})

    def _refusal(self, why: str, headers: dict[str, str]) -> Refusal:
        after = str(min(30, max(1, ceil(self._stay))))
        return Refusal(503, f"{why}; ask again in {after} s", "overloaded", headers={"Retry-After": after} | headers)

    def enter(self) -> Callable[[], None]:
        """A request is inside, until it calls what this returns."""
        self.inside += 1
        self._entered += 1
        self._empty.clear()
        began = time.monotonic()

        def leave() -> None:
            self._stay += 0.1 * (time.monotonic() - began - self._stay)
            self.inside -= 1
            if not self.inside:
                self._empty.set()

        return leave

    async def turn(self) -> None:
        """Wait for the turn to begin the work of a request: those who come with many others are all greeted first.

        Who comes alone begins in the next turn of the event loop. Of many, `ABREAST` begin in a turn, the earliest first; and none
        for `MOMENT` seconds, while others come in.
        """
        entered = self._entered
        await asyncio.sleep(0)
        if entered == self._entered and not self._queue:
            return
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[None] = loop.create_future()
        if not self._queue:
            self._before = self._entered
            loop.call_soon(self._serve)
        self._queue.append((time.monotonic() + MOMENT, mine))
        await mine

    def _serve(self) -> None:
        calm, self._before = self._entered == self._before, self._entered
        for _ in range(min(ABREAST, len(self._queue))):
            if not calm and self._queue[0][0] > time.monotonic():
                break
            _, one = self._queue.popleft()
            if not one.done():  # it has not been cancelled
                one.set_result(None)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._serve)

    @asynccontextmanager
    async def patience(self, seconds: float | None) -> AsyncIterator[None]:
        """Raise `TimeoutError` after so many seconds, or when the server can wait no longer."""
        async with asyncio.timeout(0 if self.hurried else seconds) as limit:
            self._patience.add(limit)
            try:
                yield
            finally:
                self._patience.discard(limit)

    async def close(self, grace: float, last: float = 5.0) -> None:
        """Let nobody in any more. Who is inside may finish within `grace` seconds, and then gives the best answer so far."""
        self.closing = True
        if await self._left(grace):
            return
        self.hurried = True
        now = asyncio.get_running_loop().time()
        for limit in self._patience:
            limit.reschedule(now)
        await self._left(last)

    async def _left(self, seconds: float) -> bool:
        """Whether everyone has left within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while self.inside:
                    await self._empty.wait()
        except TimeoutError:
            return False
        return True
