"""What `/v1/responses` takes."""

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


class Said(BaseModel):
    """A message of the conversation."""

    model_config = ConfigDict(extra="allow")

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[Part]


class Called(BaseModel):
    """A call that the model has asked for in an earlier turn."""

    model_config = ConfigDict(extra="allow")

    type: Literal["function_call"]
    call_id: str
    name: Name
    arguments: Text


class Returned(BaseModel):
    """What a called tool has returned."""

    model_config = ConfigDict(extra="allow")

    type: Literal["function_call_output"]
    call_id: str
    output: Text | list[Part]


class Thought(BaseModel):
    """The reasoning of an earlier turn, which is not sent again."""

    model_config = ConfigDict(extra="allow")

    type: Literal["reasoning"]


Item = Called | Returned | Thought | Said


class FunctionTool(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: JSONObject | None = None
    strict: bool | None = None


class ChosenFunction(Strict):
    type: Literal["function"]
    name: Name


class Reasoning(Strict):
    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class TextFormat(Strict):
    type: Literal["text"]


class ObjectFormat(Strict):
    type: Literal["json_object"]


class SchemaFormat(Described):
    type: Literal["json_schema"]


class TextConfig(Strict):
    format: Annotated[TextFormat | ObjectFormat | SchemaFormat, Field(discriminator="type")] | None = None
    verbosity: Literal["medium"] | None = None


class ResponseRequest(Strict):
    """A response."""

    model: ModelName = ""
    input: Text | Annotated[list[Item], Field(min_length=1, max_length=10_000)]
    instructions: Text | None = None
    previous_response_id: Annotated[str, Field(max_length=100)] | None = None
    ponder: Ponder | None = None
    reasoning: Reasoning | None = None
    include_reasoning: bool = False
    max_output_tokens: Count | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    text: TextConfig | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=256)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    stream_options: JSONObject | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    include: list[Literal["reasoning.encrypted_content"]] | None = None
    background: Literal[False] | None = None
    truncation: Literal["disabled"] | None = None
    service_tier: Literal["auto", "default"] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
