"""The OpenAI wire format: the JSON body of a request, and the structures that a reply is decoded into.

Only the fields that are used are declared; msgspec skips all others without building them. Names as in OpenAI's openapi.yaml, vLLM
and llama-server: they differ in where thinking text, cached tokens and the matched stop string stand, and all places are read.
"""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ponder.errors import ProtocolError
from ponder.types import Abilities, Call, Message, Request, Usage

Api = Literal["chat", "completions"]

PER_MESSAGE = 16  # tokens that a chat template writes around one more message; ChatML and Llama 3 write 5


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an endpoint wants to be spoken to, found out by probing or from its own errors.

    `limit` names the field that bounds the completion (OpenAI's reasoning models refuse `max_tokens`). `running_usage`: usage
    comes with every chunk of a stream, so that a cancelled draw is charged exactly. `overhead` bounds the prompt tokens that
    the chat template adds to a call of one message.
    """

    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    running_usage: bool = False
    overhead: int = 1024


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Piece(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None

    @property
    def calls(self) -> tuple[tuple[int, Call], ...]:
        """The pieces of calls with their numbers, which whole answers leave out."""
        if not self.tool_calls:
            return ()
        pieces = enumerate(self.tool_calls)
        return tuple((place if one.index is None else one.index, _called(one)) for place, one in pieces)


def _called(one: ToolCall) -> Call:
    function = one.function or Function()
    return Call(one.id or "", function.name or "", function.arguments or "")


class Logprob(msgspec.Struct, gc=False):
    logprob: float
    token: str = ""


class Place(msgspec.Struct, gc=False):
    logprob: float
    token: str = ""
    top_logprobs: list[Logprob] | None = None


class Logprobs(msgspec.Struct):
    content: list[Place] | None = None  # chat
    token_logprobs: list[float] | None = None  # completions
    tokens: list[str] | None = None  # completions
    top_logprobs: list[dict[str, float] | None] | None = None  # completions


class Choice(msgspec.Struct):
    index: int = 0
    delta: Piece | None = None
    message: Piece | None = None
    text: str | None = None
    logprobs: Logprobs | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None  # vLLM: a stop string or a token's id
    matched_stop: str | int | None = None  # SGLang: the same
    prompt_logprobs: list[dict[str, Logprob] | None] | None = None

    @property
    def piece(self) -> Piece:
        return self.delta or self.message or Piece(self.text)

    @property
    def stop(self) -> str | None:
        """The stop string that ended it, where the endpoint tells."""
        matched = self.stop_reason or self.matched_stop
        return matched if isinstance(matched, str) else None


class PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class Counts(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek


class Payload(msgspec.Struct):
    """A whole reply, or one event of a stream."""

    choices: list[Choice] | None = None
    usage: Counts | None = None
    error: dict[str, Any] | str | None = None
    prompt_logprobs: list[dict[str, Logprob] | None] | None = None


_decoder = msgspec.json.Decoder(Payload)


def decode(data: bytes, who: str) -> Payload:
    """The payload in `data`, from the model `who`. Raises ProtocolError, without quoting the data: they may hold the prompt."""
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"`{who}` sent {len(data)} bytes that are no OpenAI reply: {error}") from error
    except UnicodeDecodeError as error:
        raise ProtocolError(f"`{who}` sent {len(data)} bytes that are no UTF-8: {error.reason}") from None


def usage(counts: Counts | None, who: str) -> Usage | None:
    """The bill of one call of `who` in tokens; None where the endpoint does not say, which includes a prompt of no tokens at all.

    Thinking is part of the completion. Vendors that count it apart (their total exceeds prompt + completion, or the thinking
    exceeds the completion) are brought to that rule. Raises ProtocolError for figures that no count can give.
    """
    if counts is None or not counts.prompt_tokens or counts.completion_tokens is None:
        return None
    prompt, completion = counts.prompt_tokens, counts.completion_tokens
    details = counts.prompt_tokens_details
    cached = (details and details.cached_tokens) or counts.prompt_cache_hit_tokens or 0
    thinking = (counts.completion_tokens_details and counts.completion_tokens_details.reasoning_tokens) or 0
    if min(prompt, completion, cached, thinking) < 0 or cached > prompt:
        raise ProtocolError(
            f"`{who}` counts what cannot be: {prompt} prompt tokens, {cached} of them cached, {completion} completion tokens, "
            f"{thinking} of thinking; its bill cannot be trusted, so report this to its maker"
        )
    apart = completion + thinking if thinking > completion else completion
    return Usage(calls=1, prompt=prompt, cached=cached, completion=max(apart, (counts.total_tokens or 0) - prompt))


def body(request: Request, model: str, api: Api, abilities: Abilities, dialect: Dialect, stream: bool) -> dict[str, Any]:
    """The JSON object to send, with no field that the request does not need: endpoints refuse what they do not know."""
    fields: dict[str, Any] = {"model": model, "temperature": request.temperature}
    if api == "chat":
        fields |= _chat(request) | {dialect.limit: request.max_tokens}
        fields |= msgspec.json.decode(request.fields) if request.fields else {}
    else:
        fields |= {"prompt": prompt(request), "max_tokens": request.max_tokens}
    if request.logprobs or request.top_logprobs:
        fields["logprobs"] = True if api == "chat" else request.top_logprobs or 1
    if request.top_logprobs and api == "chat":
        fields["top_logprobs"] = request.top_logprobs
    if request.prompt_logprobs:
        fields["prompt_logprobs"] = 0  # none besides the prompt's own tokens
    if request.top_p != 1.0:
        fields["top_p"] = request.top_p
    if request.stop:
        fields["stop"] = request.stop
    if request.n > 1:
        fields["n"] = request.n
    if abilities.seed:
        fields["seed"] = request.seed
    if stream:
        fields["stream"] = True
        if abilities.usage:
            running = {"continuous_usage_stats": True} if dialect.running_usage else {}
            fields["stream_options"] = {"include_usage": True} | running
    return fields


def longest(request: Request, overhead: int) -> int:
    """The most tokens that a prompt can have: a token is at least one UTF-8 byte, and the template adds a bounded number of them.

    Bytes of all contents and of the prefix, `PER_MESSAGE` for each message, and `overhead` for the call.
    """
    texts = [message.raw or message.content for message in request.messages] + [request.prefix, request.fields]
    written = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return written + PER_MESSAGE * len(request.messages) + overhead


def prompt(request: Request) -> str:
    """The text that `/completions` continues: the messages' contents with a blank line between, then the prefix."""
    return "\n\n".join(message.content for message in request.messages) + request.prefix


def _chat(request: Request) -> dict[str, Any]:
    messages = [written(message) for message in request.messages]
    if not request.prefix:
        return {"messages": messages}
    return {
        "messages": [*messages, {"role": "assistant", "content": request.prefix}],
        "continue_final_message": True,
        "add_generation_prompt": False,
    }


def written(message: Message) -> msgspec.Raw | dict[str, str]:
    """A message as the chat API has it."""
    return msgspec.Raw(message.raw.encode()) if message.raw else {"role": message.role, "content": message.content}
