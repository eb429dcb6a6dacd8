"""How a cancelled call ends: the endpoint is told, and what it has written by then is read, so that the bill is the endpoint's own.

It is told by the end of our side of the connection (a half-closed one: TLS has none, and is closed at once). A server that reads
its connections takes that for the end of its client, stops, and closes its own side, behind all that it has written. One that
`counts` as it goes has said there what it bills; one that had written nothing has nothing to bill. One that goes on talking for
more than `LAST` seconds does not mind the end, and one that is silent for `PATIENCE` seconds may not have seen it: they are closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable
from contextvars import ContextVar
from typing import Any

import aiohttp

LAST = 0.08
PATIENCE = 0.5

_taken: ContextVar[list[aiohttp.connector.Connection] | None] = ContextVar("ponder.taken", default=None)


class Connector(aiohttp.TCPConnector):
    """A connector that says which connection a call has taken, before there is a response."""

    async def connect(self, *arguments: Any, **named: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(*arguments, **named)
        if (taken := _taken.get()) is not None:
            taken.append(connection)
        return connection


async def reached(posting: Awaitable[aiohttp.ClientResponse], counts: bool) -> tuple[aiohttp.ClientResponse | None, bool]:
    """The response, and whether the caller was cancelled while it waited; then None means that nothing was written.

    Raises CancelledError where it is not known what was written, and what `posting` does.
    """
    taken: list[aiohttp.connector.Connection] = []
    token = _taken.set(taken)
    sending = asyncio.ensure_future(posting)
    _taken.reset(token)
    try:
        return await asyncio.shield(sending), False
    except asyncio.CancelledError:
        if not taken:  # nothing was sent
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):  # once more: it is known all the same
                await asyncio.wait({sending})
            return None, True
        told = counts and _told(taken[-1])
        until = asyncio.get_running_loop().time() + PATIENCE
        while told and not sending.done() and (left := until - asyncio.get_running_loop().time()) > 0:
            with contextlib.suppress(asyncio.CancelledError):  # once more: it is over in a moment
                await asyncio.wait({sending}, timeout=left)
        if not sending.done():
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            raise
        return (sending.result() if sending.exception() is None else None), True


async def blocks(response: aiohttp.ClientResponse, cancelled: bool, counts: bool) -> AsyncGenerator[bytes, None]:
    """The blocks of a stream as they come. One that is cancelled ends properly, and only then is that raised.

    An empty block says that a cancelled stream has ended properly. `cancelled`: it is so before the first block.
    """
    stopping = asyncio.CancelledError() if cancelled else None
    while stopping is None:
        try:
            block = await response.content.readany()
        except asyncio.CancelledError as stop:
            stopping = stop
            continue
        if not block:
            return
        yield block
    if counts and (response.connection is None or _told(response.connection)):  # what is whole has none any more
        began = asyncio.get_running_loop().time()
        while (last := await _before(began + PATIENCE, response)) is not None:
            yield last
            if not last or asyncio.get_running_loop().time() > began + LAST:
                break
    raise stopping


async def _before(until: float, response: aiohttp.ClientResponse) -> bytes | None:
    """The next block of a stream, b"" at its end; None if it does not come in time, or the connection breaks.

    To be cancelled once more changes nothing: it is over in a moment.
    """
    try:
        async with asyncio.timeout_at(until):
            return await response.content.readany()
    except asyncio.CancelledError:
        return await _before(until, response)
    except aiohttp.ClientPayloadError:  # the end of the connection, which is that of the stream; what came before it is still there
        return response.content._read_nowait(-1)
    except (TimeoutError, aiohttp.ClientError, OSError):
        return None


def _told(connection: aiohttp.connector.Connection) -> bool:
    """End our side of the connection; whether the rest can be read then. One that is closed already has said all."""
    transport = connection.transport
    if transport is None:
        return True
    if not transport.can_write_eof():
        return False
    transport.write_eof()
    return True
