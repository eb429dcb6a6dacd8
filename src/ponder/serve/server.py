"""The gateway as a process: sockets, TLS, signals, and an end that loses nobody's answer."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ponder.errors import InputError
from ponder.models.upstreams import Upstreams
from ponder.serve.app import app
from ponder.serve.house import House
from ponder.serve.ledger import DAY, Ledger
from ponder.serve.log import log, to_stderr
from ponder.serve.metrics import mounted
from ponder.serve.operations import Operations
from ponder.serve.settings import Settings
from ponder.serve.spans import Spans
from ponder.serve.visit import Visits

BACKLOG = 4096
ABREAST = 1 if sys.platform == "win32" else 16  # connections to take in a turn; without libuv all that have come are taken
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a server runs.

    `ledger` is the file of keys and spend. `origins` may call it from a browser (CORS). `grace` is how long requests may go on
    after SIGTERM, in seconds; `retention` how long they and their traces are kept. `open` lets in whoever asks from elsewhere.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    ledger: Path | None = None
    origins: tuple[str, ...] = ()
    certificate: Path | None = None
    private_key: Path | None = None
    grace: float = 30.0
    largest: int = 8 * 2**20
    retention: float = 30 * DAY
    spans: bool = False
    open: bool = False


def run(settings: Settings, place: Place) -> None:
    """Serve until a signal ends it. Raises InputError for what would be unsafe or cannot be."""
    operations = Operations(Ledger(place.ledger) if place.ledger else None, Spans() if place.spans else None)
    _safe(place, operations)
    for path in (place.certificate, place.private_key):
        if path is not None and not path.is_file():
            raise InputError(f"there is no file `{path}`; TLS needs a certificate and its private key")
    to_stderr()
    try:
        server = Server(gateway(settings, place, operations), place)
        _collect_seldom()
        server.run(listening(place))
    finally:
        operations.close()


def _collect_seldom() -> None:
    """What the program is made of lives as long as it does: the collector of cycles need not look at it again, nor at every 700th
    object of a request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def gateway(settings: Settings, place: Place, operations: Operations) -> FastAPI:
    """The application with its operations."""
    made = app(settings, operations.seams())
    made.add_api_route("/metrics", mounted(operations.metrics), methods=["GET"], include_in_schema=False)
    if place.origins:
        made.add_middleware(CORSMiddleware, allow_origins=list(place.origins), allow_methods=["*"], allow_headers=["*"])
    made.add_middleware(Visits, ended=operations.ended, largest=place.largest)
    inner = made.router.lifespan_context

    @asynccontextmanager
    async def lifespan(of: FastAPI) -> AsyncIterator[None]:
        async with inner(of), _kept_up(of.state.house, operations, place):
            yield

    made.router.lifespan_context = lifespan
    return made


def listening(place: Place) -> list[socket.socket]:
    """The sockets to listen at, several of each address. Raises InputError where it cannot be listened at.

    An event loop of libuv takes one connection a turn from each socket (since 1.45): through a single one, each of a thousand that
    come at once would wait for all that a turn does for those before it.
    """
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        opened = [socket.create_server(address, family=family, backlog=BACKLOG) for family, *_, address in found]
    except OSError as error:
        raise InputError(f"cannot listen at {place.host}, port {place.port}: {error}; choose another --host or --port") from error
    for one in opened:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by the connections
    return opened + [one.dup() for one in opened for _ in range(ABREAST - 1)]


class Gathering:
    """A transport that sends at once what is written in one turn of the event loop, or `most` bytes of it.

    So an answer's head goes out with its body: sent on its own it would wake the client for nothing, who may run where we could.
    """

    def __init__(self, transport: asyncio.Transport, most: int = 2**16) -> None:
        self._transport, self._most = transport, most
        self._parts: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            asyncio.get_running_loop().call_soon(self.flush)
        self._parts.append(data)
        self._size += len(data)
        if self._size > self._most:
            self.flush()

    def flush(self) -> None:
        parts, self._parts, self._size = self._parts, [], 0
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        self.flush()
        self._transport.close()


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 over such transports."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Gathering(transport))  # type: ignore[arg-type]

    def on_response_complete(self) -> None:
        cast(Gathering, self.transport).flush()
        super().on_response_complete()


class Server(uvicorn.Server):
    """Ends in two steps: at the first signal nobody is let in any more, and the process ends when all are answered."""

    def __init__(self, made: FastAPI, place: Place) -> None:
        config = uvicorn.Config(
            made, log_config=None, access_log=False, lifespan="on", ssl_certfile=place.certificate, ssl_keyfile=place.private_key,
            http=Protocol, backlog=BACKLOG, timeout_graceful_shutdown=10, date_header=False, server_header=False,
            proxy_headers=False,
        )  # fmt: skip
        super().__init__(config)
        self._grace = place.grace
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        for where in dict.fromkeys(one.getsockname()[:2] for one in sockets or ()):
            log.info("listening", extra={"line": {"host": where[0], "port": where[1]}})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT or self._closing is not None or self._loop is None:
            super().handle_exit(sig, frame)
        else:
            self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._closing = self._closing or asyncio.ensure_future(self._closed())

    async def _closed(self) -> None:
        assert isinstance(self.config.app, FastAPI)
        house: House = self.config.app.state.house
        log.info("stopping", extra={"line": {"inside": house.door.inside, "grace": self._grace}})
        await house.door.close(self._grace)
        self.should_exit = True


def _safe(place: Place, operations: Operations) -> None:
    locked = operations.keyring is not None and operations.keyring.needed()
    if place.host not in LOOPBACK and not locked and not place.open:
        raise InputError(
            f"at {place.host} anyone could spend what the models cost: make a key first (ponder keys create NAME), or say --open"
        )


@asynccontextmanager
async def _kept_up(house: House, operations: Operations, place: Place) -> AsyncIterator[None]:
    """First the requests of a killed server are closed; then, beside the new ones, upstreams are watched and what is old goes."""
    ledger = operations.accounts.ledger if operations.accounts else None
    if ledger is not None and (lost := ledger.recover()):
        await ledger.kept()
        log.warning("interrupted", extra={"line": {"requests": lost}})
    tasks = [asyncio.ensure_future(model.watch()) for model in house.models.values() if isinstance(model, Upstreams)]
    tasks.append(asyncio.ensure_future(_forgetting(house, ledger, place.retention)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _forgetting(house: House, ledger: Ledger | None, retention: float) -> None:
    while True:
        if ledger is not None:
            ledger.forget(retention)
        if house.archive is not None:
            await house.archive.prune(retention)
        await asyncio.sleep(3600)
