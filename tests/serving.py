"""A gateway on a port of its own, in the test's event loop: what the official clients talk to."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI

from ponder.serve.app import app
from ponder.serve.seams import Seams
from ponder.serve.settings import Settings


def serving(settings: Settings, seams: Seams = Seams()) -> contextlib.AbstractAsyncContextManager[str]:
    """The URL of a gateway, without the `/v1`."""
    return listening(app(settings, seams))


@contextlib.asynccontextmanager
async def listening(made: FastAPI) -> AsyncIterator[str]:
    """The URL of an application."""
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # so named, asyncio sets TCP_NODELAY
    place.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(made, log_level="error", timeout_graceful_shutdown=2))
    running = asyncio.create_task(server.serve(sockets=[place]))
    while not server.started:
        if running.done():
            await running
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{place.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        place.close()
