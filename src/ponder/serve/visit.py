"""One HTTP request from outside the application: its id, its limits, what it took; one line of log for each.

No prompt, answer or key is ever logged, and of an error neither its message nor its values: those may quote them.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ponder.serve.errors import Refusal

_ID = re.compile(rb"[\w.:-]{1,64}")
_PARTS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


@dataclass(slots=True)
class Visit:
    """What is known of a request when it ends. `headers` go out with the answer; `first`: when its body began."""

    id: str
    method: str = ""
    path: str = ""
    began: float = field(default_factory=time.monotonic)
    status: int = 499
    first: float | None = None
    bytes: int = 0
    client: str = ""
    known: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def line(self) -> dict[str, Any]:
        """What the log says of it."""
        first = None if self.first is None else round(1000 * (self.first - self.began), 2)
        return {
            "id": self.id, "method": self.method, "path": self.path, "status": self.status, "client": self.client,
            "seconds": round(self.seconds, 4), "first_byte_ms": first, "bytes": self.bytes, **self.known,
        }  # fmt: skip


_current: ContextVar[Visit | None] = ContextVar("ponder.visit", default=None)


def current() -> Visit:
    """The request that is served; outside of one, a visit that nobody looks at."""
    return _current.get() or Visit("")


@dataclass(slots=True)
class Visits:
    """ASGI middleware around the whole application. `ended` hears each visit when it is over.

    `largest` bounds a body in bytes, `deepest` its nesting: 413 and 400.
    """

    app: ASGIApp
    ended: Callable[[Visit], None]
    largest: int = 8 * 2**20
    deepest: int = 64

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        identity = asked.decode() if _ID.fullmatch(asked) else secrets.token_hex(12)
        visit = Visit(identity, scope["method"], scope["path"])
        token = _current.set(visit)
        try:
            await self._serve(scope, receive, self._counted(visit, send))
        finally:
            _current.reset(token)
            asyncio.get_running_loop().call_soon(self.ended, visit)  # when the answer is on its way

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            await self.app(scope, receive, send)
            return
        try:
            body = await self._body(receive)
        except Refusal as error:
            await JSONResponse(error.body(), error.status)(scope, receive, send)
            return
        if body is not None:
            await self.app(scope, _again(body, receive), send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body, within its limits; None when the client has gone."""
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > self.largest:
                raise Refusal(413, f"the body is larger than the {self.largest:,} bytes that this server takes", "body_too_large")
        body = b"".join(parts)
        if depth(body, self.deepest) > self.deepest:
            raise Refusal(400, f"the body is nested deeper than {self.deepest} levels", "body_too_deep")
        return body

    def _counted(self, visit: Visit, send: Send) -> Send:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                more = {"x-request-id": visit.id, **visit.headers}
                message["headers"] = [*message["headers"], *((name.encode(), value.encode()) for name, value in more.items())]
            elif message.get("body"):
                visit.bytes += len(message["body"])
                visit.first = visit.first or time.monotonic()
            await send(message)

        return counting


def depth(body: bytes, enough: int) -> int:
    """How deep the arrays and objects of a JSON text are nested; at most `enough` + 1 is looked for."""
    if body.count(b"[") + body.count(b"{") <= enough:
        return 0
    now = most = 0
    for part in _PARTS.finditer(body):
        mark = part[0]
        now += mark in (b"[", b"{")
        now -= mark in (b"]", b"}")
        most = max(most, now)
        if most > enough:
            break
    return most


def _again(body: bytes, receive: Receive) -> Receive:
    """The body in one piece, then whatever comes."""
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving
