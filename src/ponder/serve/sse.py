"""Answers on the wire: an event stream that begins at once, stays alive, and ends its work when the client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

ALIVE = b": alive\n\n"
_HEADERS = (
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
    (b"content-type", b"text/event-stream; charset=utf-8"),
)
_encode = msgspec.json.Encoder().encode


def frame(data: Any, event: str = "") -> bytes:
    """One event. `data` is an object, or text such as `[DONE]`."""
    text = data.encode() if isinstance(data, str) else _encode(data)
    return b"event: %b\ndata: %b\n\n" % (event.encode(), text) if event else b"data: %b\n\n" % text


def at_once(data: Any) -> Response:
    """An answer that is sent at once."""
    return Response(_encode(data), media_type="application/json")


class Stream(Response):
    """The `frames` of a generator as an event stream, with a comment whenever nothing came for `alive` seconds.

    The headers, and the frames that the generator has at hand, go out in the same turn of the event loop. When the client is gone
    the generator is closed at once, which cancels what it was waiting for.
    """

    def __init__(self, frames: AsyncGenerator[bytes, None], alive: float = 5.0) -> None:
        self.status_code, self.background, self.raw_headers = 200, None, list(_HEADERS)
        self._frames, self._alive, self._sent = frames, alive, 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        alive = asyncio.ensure_future(self._keep_alive(send))
        try:
            async with unless_gone(receive):
                await self._pump(send)
        except ClientGone:
            return
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, send: Send) -> None:
        async with aclosing(self._frames) as frames:
            async for one in frames:
                self._sent = asyncio.get_running_loop().time()
                await send({"type": "http.response.body", "body": one, "more_body": True})

    async def _keep_alive(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        self._sent = loop.time()
        while True:
            await asyncio.sleep(max(0.01, self._sent + self._alive - loop.time()))
            if loop.time() - self._sent >= self._alive:
                self._sent = loop.time()
                await send({"type": "http.response.body", "body": ALIVE, "more_body": True})


async def gone(receive: Receive) -> None:
    """Return when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


class ClientGone(Exception):
    """The client has closed the connection: there is nobody to answer."""


class unless_gone:
    """What is done inside is cancelled, and `ClientGone` raised, when the client is gone first."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._gone, self._left = receive, False, False

    async def __aenter__(self) -> None:
        inside = asyncio.current_task()
        assert inside is not None
        self._inside, self._before = inside, inside.cancelling()
        self._leaving = asyncio.ensure_future(gone(self._receive))
        self._leaving.add_done_callback(self._end)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._left = True
        self._leaving.cancel()
        if self._gone and self._inside.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise ClientGone from None

    def _end(self, _: asyncio.Task[None]) -> None:
        self._gone = not self._left and self._inside.cancel()  # what ends in the turn in which the client goes is not cancelled
