"""`/v1/messages`: Anthropic's shape, in and out."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from ponder.errors import PonderError
from ponder.serve import chat, schema, turns
from ponder.serve.ask import Ask, Effort, Sampling
from ponder.serve.compute import Plan
from ponder.serve.errors import Refusal, refusal
from ponder.serve.run import Ended, Reply, Said, Told, Update
from ponder.serve.schema.messages import Counted, MessageRequest, Turn
from ponder.serve.sse import frame
from ponder.types import Call, Message


def ask(body: MessageRequest) -> Ask:
    """The request in our own terms. Raises `Refusal` for blocks that cannot be sent on."""
    thinking = body.thinking
    if thinking and thinking.type == "enabled" and thinking.budget_tokens is None:
        raise Refusal(
            400, "`thinking.budget_tokens` says how much may be spent; give it, or `adaptive`", "invalid_value", "thinking"
        )
    effort: Effort | None = body.output_config.effort if body.output_config else None
    if thinking and thinking.type == "disabled" and effort is None:
        effort = "none"
    elif thinking and thinking.type == "adaptive" and effort is None:
        effort = "high"
    return Ask(
        model=body.model,
        messages=conversation(body),
        sampling=Sampling(body.max_tokens, body.temperature, body.top_p, chat.stops(body.stop_sequences)),
        compute=schema.compute(body.ponder, effort, thinking.budget_tokens if thinking else None),
        fields=_fields(body),
        reasoning=body.include_reasoning,
    )


def conversation(body: Counted) -> tuple[Message, ...]:
    system = body.system if isinstance(body.system, str | None) else "".join(block.text or "" for block in body.system)
    told = (Message("system", system),) if system else ()
    said = [message for turn in body.messages for message in _messages(turn)]
    if not said:
        raise Refusal(400, "`messages` hold no content", "invalid_value", "messages")
    return (*told, *said)


def _messages(turn: Turn) -> Iterator[Message]:
    """A turn as messages: what tools have returned is a message of its own each, thinking is not sent again."""
    if isinstance(turn.content, str):
        yield Message(turn.role, turn.content)
        return
    blocks = [block.model_dump(exclude_unset=True) for block in turn.content]
    for block in blocks:
        if block["type"] == "tool_result":
            yield turns.returned(str(block.get("tool_use_id") or ""), _returned(block.get("content")))
    calls = [
        (str(one.get("id") or ""), str(one.get("name") or ""), json.dumps(one.get("input") or {}))
        for one in blocks
        if one["type"] == "tool_use"
    ]
    parts = [_part(block) for block in blocks if block["type"] in ("text", "image")]
    if calls:
        yield turns.called(calls, "".join(str(part.get("text") or "") for part in parts))
    elif parts:
        yield turns.turn(turn.role, parts)


def _part(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "text":
        return turns.text(str(block.get("text") or ""))
    source = block.get("source") or {}
    match source.get("type"):
        case "base64":
            return turns.image(f"data:{source.get('media_type')};base64,{source.get('data')}")
        case "url":
            return turns.image(str(source.get("url")))
        case kind:
            raise Refusal(
                400, f"an image's source of type {kind!r} is not supported; there are base64 and url", "invalid_value", "messages"
            )


def _returned(content: Any) -> str:
    if isinstance(content, list):
        return "".join(turns.worded(part) for part in content)
    return str(content or "")


def _fields(body: Counted) -> str:
    if not body.tools:
        return ""
    functions = [{"name": one.name, "description": one.description or "", "parameters": one.input_schema} for one in body.tools]
    sent: dict[str, Any] = {"tools": [{"type": "function", "function": one} for one in functions]}
    if choice := body.tool_choice:
        named = {"type": "function", "function": {"name": choice.name}}
        sent["tool_choice"] = named if choice.type == "tool" else {"any": "required"}.get(choice.type, choice.type)
        if choice.disable_parallel_tool_use is not None:
            sent["parallel_tool_calls"] = not choice.disable_parallel_tool_use
    return msgspec.json.encode(sent).decode()


def shown(body: MessageRequest) -> bool:
    """Whether the caller has asked to see thinking, of which the story of the search is the summary."""
    return body.thinking is not None and body.thinking.type != "disabled" and body.thinking.display != "omitted"


def whole(plan: Plan, body: MessageRequest, ended: Ended) -> dict[str, Any]:
    [reply] = ended.replies
    content: list[dict[str, Any]] = []
    thought = ended.story + (reply.sample.reasoning if body.include_reasoning else "")
    if thought and shown(body):
        content.append(_thinking(plan, thought))
    if said := reply.refusal or reply.sample.text:
        content.append({"type": "text", "text": said})
    content += [_use(number, call) | {"input": _input(call.arguments)} for number, call in enumerate(reply.sample.calls)]
    return (
        _head(plan)
        | {"content": content, "usage": usage(ended), "ponder": chat.extension(plan, ended)}
        | _stopped(plan, body, reply)
    )


async def events(plan: Plan, body: MessageRequest, updates: AsyncGenerator[Update, None]) -> AsyncGenerator[bytes, None]:
    """The events of a message. Its first cannot know the usage yet: what it says is nothing, and the last says all."""
    nothing = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    out = Blocks(plan, shown(body), body.include_reasoning)
    head = _head(plan) | {"content": [], "usage": nothing, "stop_reason": None, "stop_sequence": None}
    try:
        async with aclosing(updates) as running:
            yield out.event("message_start", message=head)
            yield out.event("ping")
            async for update in running:
                for one in out.heard(update):
                    yield one
                if isinstance(update, Ended):
                    delta = _stopped(plan, body, update.replies[0])
                    yield out.event("message_delta", delta=delta, usage=usage(update), ponder=chat.extension(plan, update))
                    yield out.event("message_stop")
    except PonderError as error:
        yield frame(body_of(refusal(error)), "error")


class Blocks:
    """The content blocks of a message as they grow; at most one is open."""

    def __init__(self, plan: Plan, thinking: bool, raw: bool) -> None:
        self._plan, self._thinking, self._raw = plan, thinking, raw
        self._open, self._number, self._call = "", -1, -1

    def event(self, kind: str, **data: Any) -> bytes:
        return frame({"type": kind} | data, kind)

    def heard(self, update: Update) -> Iterator[bytes]:
        match update:
            case Told(text) if self._thinking and (self._open == "thinking" or self._number < 0):
                yield from self._think(text)
            case Said(_, chunk, refused):
                if chunk.reasoning and self._raw and self._thinking and (self._open == "thinking" or self._number < 0):
                    yield from self._think(chunk.reasoning)
                if refused or chunk.text:
                    yield from self._begin("text", {"type": "text", "text": ""})
                    yield self._delta({"type": "text_delta", "text": refused or chunk.text})
                for number, piece in chunk.calls:
                    yield from self._calls(number, piece)
            case Ended():
                yield from self._end()

    def _think(self, text: str) -> Iterator[bytes]:
        yield from self._begin("thinking", _thinking(self._plan, "") | {"signature": ""})
        yield self._delta({"type": "thinking_delta", "thinking": text})

    def _calls(self, number: int, piece: Call) -> Iterator[bytes]:
        if self._call != number:
            yield from self._end()
            self._call = number
        yield from self._begin("tool_use", _use(number, piece))
        if piece.arguments:
            yield self._delta({"type": "input_json_delta", "partial_json": piece.arguments})

    def _begin(self, kind: str, block: dict[str, Any]) -> Iterator[bytes]:
        if self._open == kind:
            return
        yield from self._end()
        self._open, self._number = kind, self._number + 1
        yield self.event("content_block_start", index=self._number, content_block=block)

    def _end(self) -> Iterator[bytes]:
        if self._open == "thinking":
            yield self._delta({"type": "signature_delta", "signature": self._plan.id})
        if self._open:
            yield self.event("content_block_stop", index=self._number)
        self._open = ""

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self.event("content_block_delta", index=self._number, delta=delta)


def usage(ended: Ended) -> dict[str, Any]:
    """Anthropic counts cached tokens apart from the other input."""
    total = ended.bill.total
    return {
        "input_tokens": total.prompt - total.cached,
        "output_tokens": total.completion,
        "cache_read_input_tokens": total.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens_details": {"thinking_tokens": ended.bill.reasoning},
    }


def body_of(told: Refusal) -> dict[str, Any]:
    """An error in both shapes: Anthropic's keys around OpenAI's object."""
    return {"type": "error"} | told.body()


def _head(plan: Plan) -> dict[str, Any]:
    return {"id": f"msg_{plan.id}", "type": "message", "role": "assistant", "model": plan.name}


def _thinking(plan: Plan, text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": plan.id}


def _use(number: int, call: Call) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id or f"toolu_{number}", "name": call.name, "input": {}}


def _input(arguments: str) -> dict[str, Any]:
    try:
        found = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"arguments": arguments}


def _stopped(plan: Plan, body: MessageRequest, reply: Reply) -> dict[str, Any]:
    stops: Sequence[str] = body.stop_sequences or ()
    if reply.sample.stop in stops:
        return {"stop_reason": "stop_sequence", "stop_sequence": reply.sample.stop}
    if reply.refusal:
        return {"stop_reason": "refusal", "stop_sequence": None}
    reasons = {"length": "max_tokens", "tool_calls": "tool_use", "stop": "end_turn"}
    return {"stop_reason": reasons[chat.finish(plan, reply)], "stop_sequence": None}
