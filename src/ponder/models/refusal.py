"""What an endpoint says when it refuses, told without the API key or the prompt."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ponder.errors import EndpointError
from ponder.models.retry import passes

WINDOW = 12  # so many equal characters in a row are a quotation

ADVICE = {
    401: "give a valid API key",
    403: "this API key may not use this model",
    404: "check the model's name, and that the URL ends before `/chat/completions`, `/pooling` or what else is asked",
    429: "lower the concurrency, or raise the limit at the vendor",
}


class Refusal(EndpointError):
    """The endpoint refused or broke off. `passing`: asking again may help; `after`: not before so many seconds (None: not said)."""

    def __init__(self, message: str, status: int | None, *, passing: bool, after: float | None = None) -> None:
        super().__init__(message, status)
        self.passing, self.after = passing, after


def refused(who: str, status: int, body: bytes, after: float | None, secrets: Iterable[str]) -> Refusal:
    """The error for an answer with an error status."""
    try:
        said = explain(msgspec.json.decode(body), secrets)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = f"{len(body)} bytes that are no JSON"
    advice = f"; {ADVICE[status]}" if status in ADVICE else ""
    return Refusal(f"`{who}` refused with status {status}: {said}{advice}", status, passing=passes(status), after=after)


def broke(who: str, error: object, secrets: Iterable[str]) -> Refusal:
    """The error for an error object that came with status 200, as it does in the middle of a stream."""
    code = error.get("code") if isinstance(error, Mapping) else None
    status = code if isinstance(code, int) else None
    return Refusal(f"`{who}` broke off: {explain(error, secrets)}", status, passing=status is not None and passes(status))


def explain(said: Any, secrets: Iterable[str]) -> str:
    """The message, type, code and param of an error object, those parts left out that quote one of `secrets`."""
    inner = said.get("error", said) if isinstance(said, Mapping) else said
    fields = [inner.get(key) for key in ("message", "type", "code", "param")] if isinstance(inner, Mapping) else [inner]
    if fields == [None] * 4 and isinstance(inner, Mapping):
        fields = [inner.get("detail")]  # FastAPI's own errors
    texts = [str(value)[:300] for value in fields if value is not None]
    known = [secret for secret in secrets if secret]
    kept = [text for text in texts if not any(quotes(text, secret) for secret in known)]
    if len(kept) < len(texts):
        kept.append("(its message is withheld: it quotes the prompt or the key)")
    return ", ".join(kept) or "it does not say why"


def quotes(text: str, secret: str) -> bool:
    """Whether `text` holds `secret`, or `WINDOW` characters of it in a row."""
    width = min(WINDOW, len(secret))
    return any(text[at : at + width] in secret for at in range(len(text) - width + 1))
