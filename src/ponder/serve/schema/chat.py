"""What `/v1/chat/completions` and `/v1/completions` take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ponder.serve.ask import Effort
from ponder.serve.schema import (
    Count,
    Described,
    JSONObject,
    Metadata,
    ModelName,
    Name,
    Part,
    Ponder,
    Share,
    Strict,
    Temperature,
    Text,
)


class StreamOptions(Strict):
    include_usage: bool = False
    include_obfuscation: bool = False


class Function(BaseModel):
    name: Name
    description: str | None = None
    parameters: JSONObject | None = None
    strict: bool | None = None


class Tool(BaseModel):
    type: Literal["function"]
    function: Function


class NamedFunction(BaseModel):
    name: Name


class NamedTool(BaseModel):
    type: Literal["function"]
    function: NamedFunction


class AsText(Strict):
    type: Literal["text"]


class AsObject(Strict):
    type: Literal["json_object"]


class AsSchema(Strict):
    type: Literal["json_schema"]
    json_schema: Described


class ChatMessage(BaseModel):
    """A message as OpenAI writes it; what is more than text is sent on untouched."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | list[Part] | None = None
    name: str | None = None
    tool_calls: list[JSONObject] | None = None
    tool_call_id: str | None = None


class ChatRequest(Strict):
    """A chat completion."""

    model: ModelName = ""
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    ponder: Ponder | None = None
    reasoning_effort: Effort | None = None
    include_reasoning: bool = False
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    n: Annotated[int, Field(ge=1, le=128, strict=True)] | None = None
    stop: Text | Annotated[list[Text], Field(max_length=16)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: Annotated[AsText | AsObject | AsSchema, Field(discriminator="type")] | None = None
    tools: Annotated[list[Tool], Field(max_length=256)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    presence_penalty: Literal[0] | None = None
    frequency_penalty: Literal[0] | None = None
    user: str | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    service_tier: Literal["auto", "default"] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class CompletionRequest(Strict):
    """A completion of the older kind."""

    model: ModelName = ""
    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=1)]
    ponder: Ponder | None = None
    max_tokens: Count | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    n: Annotated[int, Field(ge=1, le=128, strict=True)] | None = None
    stop: Text | Annotated[list[Text], Field(max_length=16)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    presence_penalty: Literal[0] | None = None
    frequency_penalty: Literal[0] | None = None
    user: str | None = None
