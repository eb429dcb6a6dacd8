"""HTTP sessions that live as long as their event loop, and what their failures mean."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

import aiohttp

from ponder.models.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds to connect, of silence in a stream or before it (`idle`), and for a call with all its attempts (`total`)."""

    connect: float = 5.0
    idle: float = 120.0
    total: float = 600.0


@dataclass(frozen=True, slots=True)
class Lane:
    """What belongs to one event loop: a session, and a slot for each call that may run at once."""

    session: aiohttp.ClientSession
    slots: asyncio.Semaphore
    keeper: AsyncGenerator[None, None]


class Connections:
    """A lane for each event loop that asks for one, `width` calls wide. Every request carries `headers`."""

    def __init__(self, headers: Mapping[str, str], width: int) -> None:
        self._headers, self._width = dict(headers), width
        self._lanes: dict[asyncio.AbstractEventLoop, Lane] = {}

    async def lane(self) -> Lane:
        loop = asyncio.get_running_loop()
        lane = self._lanes.get(loop)
        if lane is None:
            connector = aiohttp.TCPConnector(limit=0)
            session = aiohttp.ClientSession(connector=connector, headers=self._headers, cookie_jar=aiohttp.DummyCookieJar())
            lane = Lane(session, asyncio.Semaphore(self._width), _keep(session))
            self._lanes = {old: open_lane for old, open_lane in self._lanes.items() if not open_lane.session.closed} | {loop: lane}
            await anext(lane.keeper)
        return lane

    async def close(self) -> None:
        """Close this event loop's lane; the next request opens another."""
        lane = self._lanes.pop(asyncio.get_running_loop(), None)
        if lane is not None:
            await lane.keeper.aclose()


async def _keep(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Lives as long as the session may: an event loop closes its generators before it closes (`asyncio.run` does)."""
    try:
        yield
    finally:
        await session.close()


def failure(who: str, error: Exception, timeout: Timeout) -> Refusal:
    """What an error of the connection means. aiohttp's own message is not quoted: it may hold the URL with its query.

    Only the connection's own timeout is worth another attempt: after the others the endpoint may still be at work on the draw.
    """
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Refusal(f"`{who}` cannot be reached within {timeout.connect:g} s: is it running?", None, passing=True)
    if isinstance(error, aiohttp.SocketTimeoutError):
        return Refusal(f"`{who}` was silent for {timeout.idle:g} s: raise timeout.idle, or ask for less", None, passing=False)
    if isinstance(error, TimeoutError):
        return Refusal(f"`{who}` took over {timeout.total:g} s: raise timeout.total, or ask for less", None, passing=False)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Refusal(f"`{who}` broke off in the middle of its answer: its own log may say why", None, passing=True)
    cause = getattr(error, "strerror", None) or type(error).__name__
    return Refusal(f"the connection to `{who}` failed ({cause}): is it running, and the URL right?", None, passing=True)
