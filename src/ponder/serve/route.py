"""A route that reads its body, calls its endpoint and answers its errors, and does nothing else.

FastAPI makes the document of it as of any other. What FastAPI would do besides for every request, solving dependencies and keeping
two stacks of contexts, takes longer than all that the gateway itself does before it answers; and so do the layers on the way to a
route, which need not be gone through where the path is a route's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, get_type_hints

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from ponder.serve.errors import Refusal


class Route(APIRoute):
    """The endpoint is `async (request, body) -> Response`; its `body` is declared as what the JSON has to be."""

    def __init__(self, path: str, endpoint: Any, **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        self._read = TypeAdapter(get_type_hints(endpoint)["body"]).validate_json
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            response = await self.endpoint(request, self._body(request, await request.body()))
        except Exception as error:  # noqa: BLE001 - what no handler takes is raised again
            response = await _told(request, error)
        await response(scope, receive, send)

    def _body(self, request: Request, body: bytes) -> Any:
        """The body as it was declared. Raises `Refusal` for another type of content, which a browser's form could send from any
        page, and `RequestValidationError` for what does not fit."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise Refusal(400, "the body must be JSON, and its Content-Type application/json", "invalid_value")
        try:
            return self._read(body)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None


async def _told(request: Request, error: Exception) -> Response:
    """What the application's handler of such errors says. One that has none is raised: it is a fault of ours, for the log."""
    handlers: dict[Any, Any] = request.app.exception_handlers
    handler = next((handlers[kind] for kind in type(error).__mro__ if kind is not Exception and kind in handlers), None)
    if handler is None:
        raise error
    response: Response = await handler(request, error)
    return response


class Straight:
    """ASGI middleware: what is posted to the path of a `Route` goes straight to it, all else the common way."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app, self._routes = app, {route.path: route.app for route in routes if isinstance(route, Route)}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        posted = scope["type"] == "http" and scope["method"] == "POST"
        return (self._routes.get(scope["path"], self._app) if posted else self._app)(scope, receive, send)
