"""The studio: a page of the requests that run, those that have run, two strategies side by side, and the policies in use.

The page itself holds no data; all that it shows is fetched behind the same key as the API, and each key sees its own requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.resources import files

import msgspec
from fastapi import FastAPI, Request
from starlette.responses import Response

import ponder
from ponder import trace
from ponder.policy import policy as policies
from ponder.serve.archive import traces
from ponder.serve.bill import Bill
from ponder.serve.compute import Plan
from ponder.serve.errors import Refusal
from ponder.serve.house import House
from ponder.serve.seams import Client, Seams
from ponder.serve.sse import Stream, frame
from ponder.strategies import registry
from ponder.trace import Event

FOLDER = files("ponder.serve") / "studio"
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
GUARD = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
LISTED = 50  # requests in the history
KEPT = 20_000  # events of requests that have run, so that a page opened later sees them


Happened = tuple[str, int, Event]
"""The request, the number of the answer, the event."""


@dataclass(slots=True)
class Seen:
    """A request's events so far."""

    client: str
    events: list[tuple[int, Event]] = field(default_factory=list)
    running: bool = True


class Live:
    """Hears every request, and tells those who look: first what has happened, then what happens."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}
        self._followers: dict[asyncio.Queue[Happened], str] = {}
        self._kept = 0

    def watch(self, client: Client, plan: Plan, event: Event, choice: int) -> None:
        """A seam: an event of a request. What is spoken is not shown here: the client that asked hears it."""
        if event.kind == "spoken":
            return
        seen = self._seen.get(plan.id) or self._seen.setdefault(plan.id, Seen(client.id))
        seen.events.append((choice, event))
        self._kept += 1
        for queue, follower in self._followers.items():
            if follower == client.id:
                queue.put_nowait((plan.id, choice, event))
        if self._kept > KEPT:
            self._forget()

    def beside(self, seams: Seams) -> Seams:
        """The seams, with this one hearing what they hear."""

        def watch(client: Client, plan: Plan, event: Event, choice: int) -> None:
            seams.watch(client, plan, event, choice)
            self.watch(client, plan, event, choice)

        async def settle(client: Client, plan: Plan, bill: Bill) -> None:
            if plan.id in self._seen:
                self._seen[plan.id].running = False
            await seams.settle(client, plan, bill)

        return replace(seams, watch=watch, settle=settle)

    async def follow(self, client: Client) -> AsyncGenerator[bytes, None]:
        """Frames of an event stream: `{request, choice, event}`."""
        with self._following(client) as queue:
            for request, seen in list(self._seen.items()):
                if seen.client == client.id:
                    for choice, event in list(seen.events):
                        yield frame({"request": request, "choice": choice, "event": event})
            while True:
                request, choice, event = await queue.get()
                yield frame({"request": request, "choice": choice, "event": event})

    @contextmanager
    def _following(self, client: Client) -> Iterator[asyncio.Queue[Happened]]:
        queue: asyncio.Queue[Happened] = asyncio.Queue()
        self._followers[queue] = client.id
        try:
            yield queue
        finally:
            del self._followers[queue]

    def _forget(self) -> None:
        """Let the oldest requests go that have ended, down to half of what is kept."""
        for request in [name for name, seen in self._seen.items() if not seen.running]:
            self._kept -= len(self._seen.pop(request).events)
            if self._kept <= KEPT // 2:
                return


def add(made: FastAPI, live: Live) -> None:
    """Hang the studio on the gateway."""

    async def feed(request: Request) -> Response:
        return Stream(live.follow(await _client(request)), _house(request).settings.alive)

    made.add_api_route("/studio/history", _history, methods=["GET"], include_in_schema=False)
    made.add_api_route("/studio", _page, methods=["GET"], include_in_schema=False)
    made.add_api_route("/studio/live", feed, methods=["GET"], include_in_schema=False)
    made.add_api_route("/studio/about", _about, methods=["GET"], include_in_schema=False)
    made.add_api_route("/studio/{name}", _file, methods=["GET"], include_in_schema=False)


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


async def _client(request: Request) -> Client:
    return await _house(request).seams.authorise(request.headers)


async def _page() -> Response:
    return await _file("index.html")


async def _file(name: str) -> Response:
    """A file of the page; it holds no data, and so needs no key."""
    found, kind = FOLDER / name, TYPES.get(name.rpartition(".")[2])
    if kind is None or not found.is_file():
        raise Refusal(404, f"the studio has no file `{name}`", None)
    return Response(found.read_bytes(), media_type=kind, headers=GUARD)


async def _history(request: Request) -> Response:
    """The latest requests of whoever asks, the newest first: what `history.js` lists."""
    client, archive = await _client(request), _house(request).archive
    kept = [] if archive is None else await archive.latest(client.id, LISTED)
    listed = {"kept": archive is not None, "traces": [_summary(*one) for one in kept]}
    return Response(msgspec.json.encode(listed), media_type="application/json")


def _summary(name: str, at: float, body: bytes) -> dict[str, object]:
    """A kept request in a line: what was asked, what was answered first, and what it cost in all."""
    events = [event for one in traces(body) for event in one.events]
    asked = next((event.data for event in events if event.kind == "started"), {})
    said = next((event.data for event in events if event.kind == "answered"), {})
    cost = trace.cost(events, 0.0)
    shown = {"question": asked.get("question"), "strategy": asked.get("strategy"), "answer": said.get("answer") or said.get("text")}
    return {"id": name, "at": at, "tokens": cost.tokens, "usd": cost.usd} | shown


async def _about(request: Request) -> Response:
    """What there is to choose from, and the policies that `auto` follows here."""
    await _client(request)
    house = _house(request)
    about = {
        "version": ponder.__version__,
        "models": list(house.settings.models),
        "strategies": [{"name": name, "about": one.about} for name, one in registry.all().items()],
        "policies": list(house.tuned.values()) or policies.brought({one.name for one in house.models.values()}),
    }
    return Response(msgspec.json.encode(about), media_type="application/json")
