"""What Anthropic's `/v1/messages` takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ponder.serve.schema import Count, JSONObject, ModelName, Name, Ponder, Share, Strict, Text


class Block(BaseModel):
    """A content block, as Anthropic writes it."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text", "image", "tool_use", "tool_result", "thinking", "redacted_thinking"]
    text: Text | None = None


class Turn(Strict):
    role: Literal["user", "assistant"]
    content: Text | list[Block]


class Tool(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: Literal["custom"] | None = None
    name: Name
    description: str | None = None
    input_schema: JSONObject


class ToolChoice(Strict):
    type: Literal["auto", "any", "none", "tool"]
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Strict):
    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: Annotated[int, Field(ge=1024, le=10_000_000, strict=True)] | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputConfig(Strict):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class UserMetadata(Strict):
    user_id: str | None = None


class Counted(Strict):
    """What is counted, without an answer to it."""

    model: ModelName = ""
    messages: Annotated[list[Turn], Field(min_length=1, max_length=10_000)]
    system: Text | list[Block] | None = None
    tools: Annotated[list[Tool], Field(max_length=256)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None


class MessageRequest(Counted):
    """A message to be answered."""

    max_tokens: Count
    ponder: Ponder | None = None
    include_reasoning: bool = False
    output_config: OutputConfig | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Share | None = None
    stop_sequences: Annotated[list[Text], Field(max_length=16)] | None = None
    stream: bool | None = None
    metadata: UserMetadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
