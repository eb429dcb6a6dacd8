"""`/v1/chat/completions`: OpenAI's chat shape, in and out."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from ponder.errors import PonderError
from ponder.serve import schema
from ponder.serve.ask import Ask, Format, Sampling
from ponder.serve.compute import Plan
from ponder.serve.errors import Refusal, refusal
from ponder.serve.run import Ended, Reply, Said, Told, Update
from ponder.serve.schema.chat import AsObject, AsSchema, ChatMessage, ChatRequest
from ponder.serve.sse import frame
from ponder.types import Chunk, Message, Sample


def ask(body: ChatRequest) -> Ask:
    """The request in our own terms. Raises `Refusal` for what contradicts itself."""
    if body.top_logprobs and not body.logprobs:
        raise Refusal(400, "`top_logprobs` needs `logprobs: true`", "invalid_value", "top_logprobs")
    return Ask(
        model=body.model,
        messages=tuple(map(message, body.messages)),
        sampling=Sampling(
            max_tokens=body.max_completion_tokens or body.max_tokens,
            temperature=body.temperature,
            top_p=body.top_p,
            stop=stops(body.stop),
            seed=body.seed,
            logprobs=bool(body.logprobs),
            top_logprobs=body.top_logprobs or 0,
        ),
        compute=schema.compute(body.ponder, body.reasoning_effort),
        n=body.n or 1,
        fields=_fields(body),
        format=_format(body),
        reasoning=body.include_reasoning,
        kept=body.store is not False,
    )


def message(given: ChatMessage) -> Message:
    """A message of text alone is its role and its text; any other is sent on as it is.

    What an SDK writes into a message that it sends back, and what says nothing, is left out: the reasoning of earlier turns, and
    fields that are null or empty.
    """
    if isinstance(given.content, str) and given.model_fields_set <= _PLAIN:
        return Message(given.role, given.content)
    sent = {
        key: value for key, value in given.model_dump(exclude_unset=True).items() if key not in _OURS and value not in (None, [])
    }
    if given.tool_calls and not given.content:
        sent["content"] = None
    if isinstance(given.content, list) and all(
        part.get("type") == "text" and set(part) == {"type", "text"} for part in given.content
    ):
        sent["content"] = "".join(str(part["text"]) for part in given.content)
    if isinstance(sent.get("content"), str) and set(sent) <= {"role", "content"}:
        return Message(given.role, sent["content"])
    return Message(given.role, _words(given), msgspec.json.encode(sent).decode())


_PLAIN = {"role", "content"}
_OURS = {"reasoning_content", "reasoning"}


def _words(given: ChatMessage) -> str:
    if isinstance(given.content, list):
        return "".join(str(part.get("text", "")) for part in given.content if part.get("type") == "text")
    return given.content or ""


def stops(given: str | list[str] | None) -> tuple[str, ...]:
    found = (given,) if isinstance(given, str) else tuple(given or ())
    if "" in found:
        raise Refusal(400, "a stop string has at least one character", "invalid_value", "stop")
    return found


def _fields(body: ChatRequest) -> str:
    """What is sent on to the model: tools, and what is said of them."""
    if not body.tools:
        return ""
    sent: dict[str, Any] = body.model_dump(
        include={"tools", "tool_choice", "parallel_tool_calls"}, exclude_unset=True, exclude_none=True, by_alias=True
    )
    return msgspec.json.encode(sent).decode()


def _format(body: ChatRequest) -> Format | None:
    """What the answer must be, where that is no plain text."""
    match body.response_format:
        case AsObject():
            schema = None
        case AsSchema(json_schema=described):
            schema = described.schema_ or {}
        case _:
            return None
    sent = body.model_dump(include={"response_format"}, exclude_unset=True, by_alias=True)
    return Format(schema, msgspec.json.encode(sent).decode())


def whole(plan: Plan, ended: Ended, reasoning: bool) -> dict[str, Any]:
    """The answer at once."""
    return _head(plan, "chat.completion") | {
        "choices": [_choice(number, plan, ended, one, reasoning) for number, one in enumerate(ended.replies)],
        "usage": ended.bill.openai(),
        "ponder": extension(plan, ended),
    }


async def chunks(plan: Plan, updates: AsyncGenerator[Update, None], usage: bool, reasoning: bool) -> AsyncGenerator[bytes, None]:
    """The answer as it comes: a chunk with the role at once, then sentences about the search and the pieces of the answer."""
    head = _head(plan, "chat.completion.chunk")
    try:
        async with aclosing(updates) as running:
            for number in range(plan.n):
                yield frame(head | {"choices": [_delta(number, {"role": "assistant", "content": ""})]})
            async for update in running:
                match update:
                    case Told(text):
                        yield frame(head | {"choices": [_delta(0, _thought(text))]})
                    case Said(choice, chunk, refused):
                        if said := {"refusal": refused} if refused else _piece(chunk, reasoning):
                            yield frame(head | {"choices": [_delta(choice, said) | {"logprobs": _logprobs(chunk)}]})
                    case Ended():
                        for number, one in enumerate(update.replies):
                            yield frame(
                                head | {"choices": [_delta(number, {}, finish(plan, one))], "ponder": extension(plan, update)}
                            )
                        if usage:
                            yield frame(head | {"choices": [], "usage": update.bill.openai()})
    except PonderError as error:
        yield frame(refusal(error).body())
    yield frame("[DONE]")


def finish(plan: Plan, reply: Reply) -> str:
    """Why an answer ends: `length` where its own draw, or the search for it, came to a limit of the client's or the server's."""
    if reply.limit is not None and not (plan.soft and reply.limit == "tokens"):
        return "length"
    if reply.sample.finish_reason in ("length", "cancelled"):
        return "length"
    return "tool_calls" if reply.sample.calls else "stop"


def extension(plan: Plan, ended: Ended) -> dict[str, Any]:
    """The `ponder` object of an answer: what ran, why it stopped, what it cost, and the name of its trace."""
    parameters = {name: value for name, value in plan.parameters.items() if name != "policy"}
    ran = {
        "strategy": plan.strategy.name,
        "parameters": parameters,
        "stopped": ended.stopped,
        "limit": ended.limit,
        "trace": plan.id,
    }
    return ran | {"model": plan.model.name, "answers": [one.answer.answer for one in ended.replies]} | ended.bill.ours()


def _head(plan: Plan, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{plan.id}", "object": kind, "created": int(time.time()), "model": plan.name}


def _choice(number: int, plan: Plan, ended: Ended, reply: Reply, reasoning: bool) -> dict[str, Any]:
    sample = reply.sample
    text = None if reply.refusal or (sample.calls and not sample.text) else sample.text
    said: dict[str, Any] = {"role": "assistant", "content": text, "refusal": reply.refusal or None}
    if sample.calls:
        said["tool_calls"] = [_call(place, call.id, call.name, call.arguments) for place, call in enumerate(sample.calls)]
    if thought := (ended.story if number == 0 else "") + (sample.reasoning if reasoning else ""):
        said |= _thought(thought)
    chosen = Chunk(
        logprobs=sample.logprobs or (), tokens=sample.tokens, top_logprobs=sample.top_logprobs or (), top_tokens=sample.top_tokens
    )
    return {"index": number, "message": said, "logprobs": _logprobs(chosen), "finish_reason": finish(plan, reply)}


def _delta(number: int, delta: dict[str, Any], finished: str | None = None) -> dict[str, Any]:
    return {"index": number, "delta": delta, "logprobs": None, "finish_reason": finished}


def _thought(text: str) -> dict[str, str]:
    """DeepSeek's and llama-server's name for it, and vLLM's."""
    return {"reasoning_content": text, "reasoning": text}


def _piece(chunk: Chunk, reasoning: bool) -> dict[str, Any]:
    piece: dict[str, Any] = {}
    if chunk.reasoning and reasoning:
        piece |= _thought(chunk.reasoning)
    if chunk.text:
        piece["content"] = chunk.text
    if chunk.calls:
        piece["tool_calls"] = [
            {"index": number} | _call(number, call.id, call.name, call.arguments) if call.name else _more(number, call.arguments)
            for number, call in chunk.calls
        ]
    return piece


def _call(number: int, name_of_call: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": name_of_call or f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _more(number: int, arguments: str) -> dict[str, Any]:
    return {"index": number, "function": {"arguments": arguments}}


def _logprobs(chunk: Chunk | Sample) -> dict[str, Any] | None:
    """OpenAI's object for the tokens of a piece; None where they were not asked for."""
    if not chunk.tokens or not chunk.logprobs:
        return None
    places = []
    for place, (token, logprob) in enumerate(zip(chunk.tokens, chunk.logprobs, strict=False)):
        values = (chunk.top_logprobs or ())[place : place + 1]
        texts = chunk.top_tokens[place : place + 1]
        top = [_token(*pair) for row, names in zip(values, texts, strict=False) for pair in zip(names, row, strict=False)]
        places.append(_token(token, logprob) | {"top_logprobs": top})
    return {"content": places, "refusal": None}


def _token(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode(errors="surrogatepass"))}
