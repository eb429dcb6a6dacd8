"""`/v1/responses`: OpenAI's newer shape, whole. How it streams is in `unfolding`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from ponder.serve import chat, schema, turns
from ponder.serve.ask import Ask, Format, Sampling
from ponder.serve.compute import Plan
from ponder.serve.errors import Refusal
from ponder.serve.run import Ended, Reply
from ponder.serve.schema.responses import Called, Item, ObjectFormat, ResponseRequest, Returned, Said, SchemaFormat
from ponder.types import Message, Sample


def ask(body: ResponseRequest, before: Sequence[Message] = ()) -> Ask:
    """The request in our own terms; `before` is the conversation that it goes on from. Instructions hold for this turn alone."""
    told = (Message("system", body.instructions),) if body.instructions else ()
    effort = body.reasoning.effort if body.reasoning else None
    return Ask(
        model=body.model,
        messages=(*told, *before, *messages(body)),
        sampling=Sampling(body.max_output_tokens, body.temperature, body.top_p),
        compute=schema.compute(body.ponder, effort),
        fields=_fields(body),
        format=_format(body),
        reasoning=body.include_reasoning,
        kept=body.store is not False,
    )


def messages(body: ResponseRequest) -> tuple[Message, ...]:
    """The input as messages. Raises `Refusal` where it holds none."""
    if isinstance(body.input, str):
        return (Message("user", body.input),)
    found = tuple(message for item in body.input if (message := _message(item)) is not None)
    if not found:
        raise Refusal(400, "`input` holds no message", "invalid_value", "input")
    return found


def _message(item: Item) -> Message | None:
    match item:
        case Said(role=role, content=str(words)):
            return Message(role, words)
        case Said(role=role, content=list(parts)):
            return turns.turn(role, [_part(part) for part in parts])
        case Called():
            return turns.called([(item.call_id, item.name, item.arguments)])
        case Returned(output=str(words)):
            return turns.returned(item.call_id, words)
        case Returned(output=list(parts)):
            return turns.returned(item.call_id, "".join(turns.worded(part) for part in parts))
        case _:
            return None  # the reasoning of earlier turns


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return turns.text(str(part.get("text") or ""))
        case "refusal":
            return turns.text(str(part.get("refusal") or ""))
        case "input_image" if part.get("image_url"):
            return turns.image(str(part["image_url"]), part.get("detail"))
        case kind:
            raise Refusal(
                400,
                f"input of type {kind!r} is not supported; there are input_text and input_image (by URL)",
                "invalid_value",
                "input",
            )


def _fields(body: ResponseRequest) -> str:
    if not body.tools:
        return ""
    tools = [{"type": "function", "function": one.model_dump(exclude={"type"}, exclude_none=True)} for one in body.tools]
    sent: dict[str, Any] = {"tools": tools}
    if body.tool_choice is not None:
        named = None if isinstance(body.tool_choice, str) else {"type": "function", "function": {"name": body.tool_choice.name}}
        sent["tool_choice"] = named or body.tool_choice
    if body.parallel_tool_calls is not None:
        sent["parallel_tool_calls"] = body.parallel_tool_calls
    return msgspec.json.encode(sent).decode()


def _format(body: ResponseRequest) -> Format | None:
    match body.text.format if body.text else None:
        case ObjectFormat():
            return Format(None, '{"response_format":{"type":"json_object"}}')
        case SchemaFormat() as described:
            named = described.model_dump(exclude={"type"}, exclude_none=True, by_alias=True)
            sent = {"response_format": {"type": "json_schema", "json_schema": named}}
            return Format(described.schema_ or {}, msgspec.json.encode(sent).decode())
        case _:
            return None


def whole(plan: Plan, body: ResponseRequest, ended: Ended) -> dict[str, Any]:
    """The response when all is over."""
    [reply] = ended.replies
    finish, output = chat.finish(plan, reply), []
    if story := ended.story:
        output.append(reasoning(plan, story, reply.sample.reasoning if body.include_reasoning else ""))
    if reply.sample.text or reply.refusal or not reply.sample.calls:
        output.append(message(plan, reply))
    output += [call(plan, number, one.id, one.name, one.arguments) for number, one in enumerate(reply.sample.calls)]
    over: dict[str, Any] = {"status": "completed", "output": output, "usage": usage(ended), "ponder": chat.extension(plan, ended)}
    if finish == "length":
        over |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    return begun(plan, body) | over


def begun(plan: Plan, body: ResponseRequest) -> dict[str, Any]:
    """The response when nothing is there yet: what was asked, as the API echoes it."""
    text = body.text.model_dump(exclude_none=True, by_alias=True) if body.text else {}
    return {
        "id": f"resp_{plan.id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "model": plan.name,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "reasoning": {"effort": body.reasoning.effort if body.reasoning else None, "summary": None},
        "store": body.store is not False,
        "temperature": body.temperature,
        "text": {"format": {"type": "text"}} | text,
        "tool_choice": body.tool_choice if isinstance(body.tool_choice, str | None) else body.tool_choice.model_dump(),
        "tools": [{"strict": None, "parameters": None} | one.model_dump() for one in body.tools or ()],
        "top_p": body.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": body.user,
    } | ({"tool_choice": "auto"} if body.tool_choice is None else {})


def reasoning(plan: Plan, story: str, raw: str = "") -> dict[str, Any]:
    """The reasoning item: the story of the search as its summary, and hidden thinking only where it is asked for."""
    item: dict[str, Any] = {"id": f"rs_{plan.id}", "type": "reasoning", "summary": [{"type": "summary_text", "text": story}]}
    return item | ({"content": [{"type": "reasoning_text", "text": raw}]} if raw else {})


def message(plan: Plan, reply: Reply) -> dict[str, Any]:
    status = "incomplete" if chat.finish(plan, reply) == "length" else "completed"
    return {"id": f"msg_{plan.id}", "type": "message", "role": "assistant", "status": status, "content": [content(reply)]}


def content(reply: Reply) -> dict[str, Any]:
    if reply.refusal:
        return {"type": "refusal", "refusal": reply.refusal}
    return {"type": "output_text", "text": reply.sample.text, "annotations": [], "logprobs": []}


def call(plan: Plan, number: int, name_of_call: str, name: str, arguments: str, status: str = "completed") -> dict[str, Any]:
    named = {"id": f"fc_{plan.id}_{number}", "type": "function_call", "call_id": name_of_call or f"call_{number}", "name": name}
    return named | {"arguments": arguments, "status": status}


def usage(ended: Ended) -> dict[str, Any]:
    total = ended.bill.total
    return {
        "input_tokens": total.prompt,
        "input_tokens_details": {"cached_tokens": total.cached, "cache_write_tokens": 0},
        "output_tokens": total.completion,
        "output_tokens_details": {"reasoning_tokens": ended.bill.reasoning},
        "total_tokens": total.prompt + total.completion,
    }


def remembered(before: Sequence[Message], body: ResponseRequest, sample: Sample) -> tuple[Message, ...]:
    """The conversation that a next response goes on from."""
    if sample.calls:
        calls = [(one.id or f"call_{number}", one.name, one.arguments) for number, one in enumerate(sample.calls)]
        said = turns.called(calls, sample.text)
    else:
        said = Message("assistant", sample.text)
    return (*before, *messages(body), said)
