"""What a client is told when it gets no answer: OpenAI's error object, with the right status.

{"error": {"message", "type", "param", "code"}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from ponder import errors
from ponder.errors import PonderError

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


@dataclass(eq=False)
class Refusal(PonderError):
    """A request that is not answered, and the HTTP status that says so. `headers` go with it, such as `Retry-After`."""

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    @property
    def type(self) -> str:
        return TYPES.get(self.status, "server_error")

    def body(self) -> dict[str, Any]:
        """OpenAI's error object."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def refusal(error: PonderError) -> Refusal:
    """The status and code that an error of ours stands for. What a client did wrong is 400, what an upstream did is 502."""
    match error:
        case Refusal():
            return error
        case errors.LimitReached(limit=limit, after=after):
            code = "rate_limit_exceeded" if _soon(limit, after) else "insufficient_quota"
            return Refusal(429, str(error), code, headers=_again(after))
        case errors.BudgetExhausted(limit="seconds"):
            return Refusal(504, f"no answer was ready in time: {error}", "timeout")
        case errors.BudgetError():
            return Refusal(400, str(error), "budget_exhausted" if isinstance(error, errors.BudgetExhausted) else "price_unknown")
        case errors.AbilityMissing():
            return Refusal(400, str(error), "unsupported_ability")
        case errors.InputError() | errors.MissingExtra():
            return Refusal(400, str(error), "invalid_value")
        case errors.EndpointError(status=429):
            return Refusal(429, str(error), "upstream_rate_limit")
        case errors.EndpointError(status=400 | 413 | 422):
            return Refusal(400, str(error), "upstream_refused")
        case errors.ModelError() | errors.VerifierError():
            return Refusal(502, str(error), "upstream_error")
        case _:
            return Refusal(500, str(error), "server_error")


def _soon(limit: str, after: float | None) -> bool:
    """Whether waiting helps, as OpenAI's codes distinguish it."""
    return limit != "usd" and after is not None and after <= 3600


def _again(after: float | None) -> dict[str, str]:
    """When to ask again; the official clients do so by themselves unless they are told not to."""
    if after is None:
        return {"x-should-retry": "false"}
    return {"Retry-After": str(ceil(after))} | ({"x-should-retry": "false"} if after > 60 else {})
