"""HTTP sessions that live as long as their event loop, what their answers and failures mean, and when to ask again."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import aiohttp
from yarl import URL

from ponder.errors import InputError, ProtocolError
from ponder.models.hangup import Connector
from ponder.models.refusal import Refusal, refused
from ponder.models.retry import Retry, retry_after

ERROR_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds to connect, of silence in a stream or before it (`idle`), and for a call with all its attempts (`total`)."""

    connect: float = 5.0
    idle: float = 120.0
    total: float = 600.0

    def until(self, deadline: float, streams: bool) -> aiohttp.ClientTimeout:
        """The limits of one attempt. A whole answer is silent until it comes, so only a stream can be idle."""
        left = max(deadline - asyncio.get_running_loop().time(), 0.001)
        return aiohttp.ClientTimeout(total=left, sock_connect=self.connect, sock_read=self.idle if streams else None)


def address(url: str) -> tuple[URL, str]:
    """The URL, and what of it may be shown: the rest may hold secrets. Raises InputError for one that is none of HTTP."""
    base = URL(url)
    if base.scheme not in {"http", "https"} or not base.host:
        raise InputError(f"an endpoint's URL begins with http:// or https:// and a host, not `{base.scheme}://{base.host or ''}`")
    return base, str(base.with_user(None).with_query(None)).rstrip("/")


@dataclass(frozen=True, slots=True)
class Lane:
    """What belongs to one event loop: a session, and a slot for each call that may run at once."""

    session: aiohttp.ClientSession
    slots: asyncio.Semaphore
    keeper: AsyncGenerator[None, None]


class Connections:
    """A lane for each event loop that asks for one, `width` calls wide. Every request carries the key, if there is one."""

    def __init__(self, api_key: str | None, width: int) -> None:
        if width < 1:
            raise InputError(f"concurrency must be at least 1: {width}")
        self._headers = {"Content-Type": "application/json", "User-Agent": "ponder"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._width = width
        self._lanes: dict[asyncio.AbstractEventLoop, Lane] = {}

    async def lane(self) -> Lane:
        loop = asyncio.get_running_loop()
        lane = self._lanes.get(loop)
        if lane is None:
            connector = Connector(limit=0)
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


async def accept(response: aiohttp.ClientResponse, who: str, shown: str, secrets: tuple[str, ...]) -> None:
    """Raise the error that an answer with an error status, or with a page for people, stands for."""
    if response.status == 200 and response.content_type != "text/html":
        return
    if response.status == 200:
        raise ProtocolError(f"`{who}` answered with an HTML page: is `{shown}` the URL of its API, and not of its site?")
    body = await response.content.read(ERROR_BYTES)
    raise refused(who, response.status, body, retry_after(response.headers.get("Retry-After")), secrets)


async def again(who: str, error: Exception, attempt: int, retries: Retry, timeout: Timeout, deadline: float) -> None:
    """Sleep until the next attempt, or raise the error if there must be none."""
    told = error if isinstance(error, Refusal) else failure(who, error, timeout)
    wait = retries.wait(attempt, told.after)
    left = deadline - asyncio.get_running_loop().time()
    if not told.passing or attempt >= retries.times or wait > left:
        raise told from None  # aiohttp's own errors may hold the URL with its query, and the headers
    await asyncio.sleep(wait)
