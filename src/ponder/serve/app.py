"""The gateway as an ASGI application: `app(settings)`, and where its endpoints hang."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

import ponder
from ponder.errors import PonderError
from ponder.serve import chat, models, schema
from ponder.serve.ask import Ask
from ponder.serve.compute import Plan
from ponder.serve.errors import Refusal, refusal
from ponder.serve.house import House, open_house
from ponder.serve.run import Update, finished, running
from ponder.serve.seams import Seams
from ponder.serve.settings import Settings
from ponder.serve.sse import ClientGone, Stream, unless_gone


def app(settings: Settings, seams: Seams = Seams()) -> FastAPI:
    """The whole gateway. The models are opened when it starts and closed when it ends."""

    @asynccontextmanager
    async def lifespan(made: FastAPI) -> AsyncIterator[None]:
        async with open_house(settings, seams) as house:
            made.state.house = house
            yield

    made = FastAPI(title="ponder", version=ponder.__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    made.add_api_route("/v1/chat/completions", _chat, methods=["POST"])
    made.add_api_route("/v1/models", models.listed, methods=["GET"])
    made.add_api_route("/v1/models/{name:path}", models.one, methods=["GET"])
    made.add_api_route("/health", models.health, methods=["GET"])
    made.add_exception_handler(PonderError, _refused)
    made.add_exception_handler(RequestValidationError, _invalid)
    made.add_exception_handler(HTTPException, _unknown)
    made.add_exception_handler(ClientGone, _gone)
    return made


async def started(request: Request, ask: Ask) -> tuple[Plan, AsyncGenerator[Update, None]]:
    """The plan of a request and what will happen; nothing is spent until the first update is asked for."""
    house: House = request.app.state.house
    client = await house.seams.authorise(request.headers)
    plan = house.plan(ask)
    admission = await house.seams.admit(client, plan)
    return plan, running(plan, house, client, admission)


async def _chat(request: Request, body: schema.ChatRequest) -> Response:
    asked = chat.ask(body)
    plan, updates = await started(request, asked)
    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        return Stream(chat.chunks(plan, updates, usage, asked.reasoning), request.app.state.house.settings.alive)
    ended = await unless_gone(request.receive, finished(updates))
    return JSONResponse(chat.whole(plan, ended, asked.reasoning))


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, PonderError)
    told = refusal(error)
    return JSONResponse(told.body(), told.status, dict(told.headers))


async def _invalid(_: Request, error: Exception) -> Response:
    """What does not fit the schema, in one sentence for its first fault."""
    assert isinstance(error, RequestValidationError)
    fault: dict[str, Any] = dict(error.errors()[0])
    where = ".".join(str(place) for place in fault["loc"][1:])
    code = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}.get(fault["type"], "invalid_value")
    told = Refusal(400, f"`{where or 'the body'}`: {fault['msg']}", code, where or None)
    return JSONResponse(told.body(), 400)


async def _unknown(request: Request, error: Exception) -> Response:
    """No such path, or not by this method."""
    assert isinstance(error, HTTPException)
    told = Refusal(error.status_code, f"{request.method} {request.url.path}: {error.detail}", None)
    return JSONResponse(told.body(), error.status_code, error.headers)


async def _gone(_: Request, error: Exception) -> Response:  # noqa: ARG001 - a handler
    return Response(status_code=499)
