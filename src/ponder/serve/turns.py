"""Messages with more than text in them, as the chat API writes them: what other shapes are turned into before they are sent on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ponder.serve.errors import Refusal
from ponder.types import Message


def turn(role: str, parts: Sequence[Mapping[str, Any]]) -> Message:
    """A message of parts; plain where they are all text."""
    words = "".join(str(part.get("text") or "") for part in parts if part.get("type") == "text")
    if all(part.get("type") == "text" and set(part) == {"type", "text"} for part in parts):
        return Message(role, words)
    return _raw({"role": role, "content": list(parts)}, words)


def called(calls: Sequence[tuple[str, str, str]], text: str = "") -> Message:
    """An assistant's message that asks for calls, each an id, a name and arguments in JSON."""
    written = [{"id": call, "type": "function", "function": {"name": name, "arguments": given}} for call, name, given in calls]
    return _raw({"role": "assistant", "content": text or None, "tool_calls": written}, text)


def returned(call: str, result: str) -> Message:
    """What a called tool has returned."""
    return _raw({"role": "tool", "tool_call_id": call, "content": result}, result)


def image(url: str, detail: str | None = None) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def worded(part: Any) -> str:
    """The text of a part of what a tool has returned. Raises `Refusal` where it is none: the chat API has tools return text."""
    if not isinstance(part, dict) or part.get("type") not in ("text", "input_text", "output_text"):
        raise Refusal(400, "what a tool returns must be text: models are sent no other", "invalid_value")
    return str(part.get("text") or "")


def _raw(message: Mapping[str, Any], words: str) -> Message:
    return Message(str(message["role"]), words, msgspec.json.encode(message).decode())
