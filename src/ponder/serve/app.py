"""The gateway as an ASGI application: `app(settings)`, and where its endpoints hang."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

import ponder
from ponder.errors import PonderError
from ponder.serve import endpoints, messages, models, studio
from ponder.serve.document import described, refusals
from ponder.serve.errors import Refusal, refusal
from ponder.serve.house import open_house
from ponder.serve.route import Route, Straight
from ponder.serve.seams import Seams
from ponder.serve.settings import Settings
from ponder.serve.sse import ClientGone

_UNTOLD: Any = {"tracing": False, "metrics": False, "logs": False}  # FastAPI's own, which quote errors: ours do not


def app(settings: Settings, seams: Seams = Seams()) -> FastAPI:
    """The whole gateway. The models are opened when it starts and closed when it ends."""
    live = studio.Live()
    seams = live.beside(seams)

    @asynccontextmanager
    async def lifespan(made: FastAPI) -> AsyncIterator[None]:
        async with open_house(settings, seams) as house:
            made.state.house = house
            yield

    made = FastAPI(title="ponder", version=ponder.__version__, lifespan=lifespan, docs_url=None, redoc_url=None, telemetry=_UNTOLD)
    for method, path, endpoint in (
        ("POST", "/v1/chat/completions", endpoints.chat_completion),
        ("POST", "/v1/completions", endpoints.completion),
        ("POST", "/v1/responses", endpoints.response),
        ("GET", "/v1/responses/{name}", endpoints.kept_response),
        ("DELETE", "/v1/responses/{name}", endpoints.forgotten_response),
        ("POST", "/v1/messages", endpoints.message),
        ("POST", "/v1/messages/count_tokens", endpoints.counted_tokens),
        ("GET", "/v1/models", models.listed),
        ("GET", "/v1/models/{name:path}", models.one),
        ("GET", "/v1/ponder/traces/{name}", endpoints.trace),
        ("GET", "/health", models.health),
    ):
        made.router.add_api_route(
            path, endpoint, methods=[method], response_model=None, responses=refusals(path),
            route_class_override=Route if method == "POST" else None,
        )  # fmt: skip
    made.add_middleware(Straight, routes=made.routes)
    studio.add(made, live)
    made.add_exception_handler(PonderError, _refused)
    made.add_exception_handler(RequestValidationError, _invalid)
    made.add_exception_handler(HTTPException, _unknown)
    made.add_exception_handler(ClientGone, _gone)
    made.add_exception_handler(Exception, _broken)
    described(made)
    return made


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, PonderError)
    told = refusal(error)
    return _told(request, told)


async def _invalid(request: Request, error: Exception) -> Response:
    """What does not fit the schema, in one sentence for its first fault."""
    assert isinstance(error, RequestValidationError)
    fault: dict[str, Any] = dict(error.errors()[0])
    where = ".".join(str(place) for place in fault["loc"][1:])
    code = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}.get(fault["type"], "invalid_value")
    told = Refusal(400, f"`{where or 'the body'}`: {fault['msg']}", code, where or None)
    return _told(request, told)


async def _unknown(request: Request, error: Exception) -> Response:
    """No such path, or not by this method."""
    assert isinstance(error, HTTPException)
    told = Refusal(error.status_code, f"{request.method} {request.url.path}: {error.detail}", headers=error.headers or {})
    return _told(request, told)


async def _gone(_: Request, error: Exception) -> Response:  # noqa: ARG001 - a handler
    return Response(status_code=499)


async def _broken(request: Request, error: Exception) -> Response:  # noqa: ARG001 - a handler
    """A fault of ours: the server's log has it, the client is told no more than that."""
    return _told(request, Refusal(500, "this request met a fault of the server, which is in its log"))


def _told(request: Request, told: Refusal) -> Response:
    """The error in the shape of the API that was called."""
    anthropic = request.url.path.startswith("/v1/messages")
    return JSONResponse(messages.body_of(told) if anthropic else told.body(), told.status, dict(told.headers))
