"""The OpenAPI document: what can be sent, and the errors that can come back, each in the shape that is really sent."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel


class Fault(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """OpenAI's error object; Anthropic's endpoints have a `type` beside it."""

    error: Fault


def refusals(path: str) -> dict[int | str, dict[str, Any]]:
    """The errors that an endpoint can answer with."""
    free = path == "/health"
    statuses = () if free else (400, 401, 404, 413, 429, 500, 502, 503, 504)
    errors: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody, "description": "an error"} for status in statuses}
    answers: dict[str, Any] = {kind: {"schema": {}} for kind in ("application/json", "text/event-stream")}
    return errors | {200: {"description": "the answer, streamed where `stream` is true", "content": answers}}


def described(made: FastAPI) -> None:
    """Give the application its document. FastAPI's own 422 is taken out: what does not fit is answered with 400."""

    def document() -> dict[str, Any]:
        if made.openapi_schema is None:
            schema = get_openapi(title=made.title, version=made.version, routes=made.routes)
            for operations in schema["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)
            made.openapi_schema = schema
        return made.openapi_schema

    made.openapi = document  # type: ignore[method-assign]
