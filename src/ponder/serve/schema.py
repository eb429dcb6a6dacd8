"""What the endpoints take, as pydantic models: they are checked here and nowhere else, and the OpenAPI document is made of them.

A field that is not declared is refused, unless it is one of those that change nothing here (`IGNORED`): a parameter that would be
dropped without a word is a wrong answer.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ponder.budget import Budget
from ponder.errors import InputError
from ponder.serve.ask import Compute, Effort

Count = Annotated[int, Field(ge=1, le=10_000_000, strict=True)]
Amount = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=2_000_000)]
JSONObject = dict[str, Any]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Limits(Strict):
    """Hard limits of one request: computed tokens, US dollars, seconds, model calls."""

    tokens: Count | None = None
    usd: Amount | None = None
    seconds: Amount | None = None
    calls: Count | None = None


def _limits(value: Any) -> Any:
    """`"4000,30s"` is read as the command line reads it."""
    if not isinstance(value, str):
        return value
    try:
        budget = Budget.parse(value)
    except InputError as error:
        raise ValueError(str(error)) from error
    return {"tokens": budget.tokens, "usd": budget.usd, "seconds": budget.seconds, "calls": budget.calls}


class Ponder(Strict):
    """The `ponder` object of a request: which strategy answers, and what it may spend."""

    strategy: Annotated[str, Field(max_length=400)] | None = None
    parameters: dict[str, bool | int | float | str] = Field(default_factory=dict, max_length=20)
    verifier: Annotated[str, Field(max_length=200)] | None = None
    budget: Annotated[Limits | None, BeforeValidator(_limits)] = None


def compute(given: Ponder | None, effort: Effort | None = None, thinking: int | None = None) -> Compute:
    given = given or Ponder()
    budget = Budget(**given.budget.model_dump()) if given.budget else Budget()
    return Compute(given.strategy, given.parameters, given.verifier, budget, effort, thinking)


class StreamOptions(Strict):
    include_usage: bool = False
    include_obfuscation: bool = False


class Function(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str | None = None
    parameters: JSONObject | None = None
    strict: bool | None = None


class Tool(BaseModel):
    type: Literal["function"]
    function: Function


class NamedFunction(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=64)]


class NamedTool(BaseModel):
    type: Literal["function"]
    function: NamedFunction


class Schema(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str | None = None
    schema_: JSONObject | None = Field(default=None, alias="schema")
    strict: bool | None = None


class AsText(Strict):
    type: Literal["text"]


class AsObject(Strict):
    type: Literal["json_object"]


class AsSchema(Strict):
    type: Literal["json_schema"]
    json_schema: Schema


Part = Annotated[JSONObject, Field(description="a content part: text, image_url, input_audio, file, as OpenAI writes it")]


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

    model: Annotated[str, Field(max_length=400)] = ""
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    ponder: Ponder | None = None
    reasoning_effort: Effort | None = None
    include_reasoning: bool = False
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
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
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: Literal["auto", "default"] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
