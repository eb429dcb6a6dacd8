"""A route that reads its body and calls its endpoint, and does nothing else.

FastAPI makes the document of it as of any other. What FastAPI would do besides for every request, solving dependencies and keeping
two stacks of contexts, takes longer than all that the gateway itself does before it answers.
"""

from __future__ import annotations

from typing import Any, get_type_hints

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ponder.serve.errors import Refusal


class Route(APIRoute):
    """The endpoint is `async (request, body) -> Response`; its `body` is declared as what the JSON has to be."""

    def __init__(self, path: str, endpoint: Any, **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        self._read = TypeAdapter(get_type_hints(endpoint)["body"]).validate_json
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await self.endpoint(request, self._body(request, await request.body()))
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
