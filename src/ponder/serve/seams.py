"""Where operations plug in: who asks, whether there is room, what is billed, what is watched. Plain functions.

`app(settings, seams)` calls them in this order for every request that costs anything:

1. `authorise(headers)`: who asks. Raises `Refusal(401)`.
2. `admit(client, plan)`: at once, yes or no. Raises `Refusal(429)` for a spent budget or rate, `Refusal(503)` when the house is
   full. What it returns is entered when the work begins and left when it has ended: the place to wait for one's turn. By then a
   stream's headers are out, so that waiting costs no client its connection.
3. `watch(client, plan, event, choice)`: every event of the solve for answer number `choice`, as it happens (metrics, live pages,
   spans).
4. `settle(client, plan, bill)`: once, when everything is counted; cancelled, timed-out and failed requests too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from ponder.budget import Meter
from ponder.serve.bill import Bill
from ponder.serve.compute import Plan
from ponder.trace import Event


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: the key's name, never the key."""

    id: str = "anonymous"


Admission = AbstractAsyncContextManager[Meter | None]
"""Entered, it gives the meter that the request spends under, beside its own budget."""


async def anyone(headers: Mapping[str, str]) -> Client:  # noqa: ARG001 - a seam
    """No keys are needed."""
    return Client()


async def everyone(client: Client, plan: Plan) -> Admission:  # noqa: ARG001 - a seam
    """There is always room."""
    return nullcontext()


def unwatched(client: Client, plan: Plan, event: Event, choice: int) -> None:
    """Nobody watches."""


async def unsettled(client: Client, plan: Plan, bill: Bill) -> None:
    """Nobody keeps accounts."""


@dataclass(frozen=True, slots=True)
class Seams:
    authorise: Callable[[Mapping[str, str]], Awaitable[Client]] = anyone
    admit: Callable[[Client, Plan], Awaitable[Admission]] = everyone
    watch: Callable[[Client, Plan, Event, int], None] = unwatched
    settle: Callable[[Client, Plan, Bill], Awaitable[None]] = unsettled
