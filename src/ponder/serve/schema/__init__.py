"""What the endpoints take, as pydantic models: they are checked here and nowhere else, and the OpenAPI document is made of them.

A field that is not declared is refused: a parameter that is dropped without a word makes a wrong answer. Those that are taken and
change nothing here are listed in docs/serve.md.
"""

from __future__ import annotations

from typing import Annotated, Any

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
    if given is None:
        return Compute(effort=effort, thinking=thinking)
    budget = Budget(**given.budget.model_dump()) if given.budget else Budget()
    return Compute(given.strategy, given.parameters, given.verifier, budget, effort, thinking)


Name = Annotated[str, Field(min_length=1, max_length=64)]
ModelName = Annotated[str, Field(max_length=400)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Share = Annotated[float, Field(gt=0, le=1)]
Metadata = dict[str, str]
Part = Annotated[JSONObject, Field(description="a content part, as the API writes it")]


class Described(BaseModel):
    """A JSON schema with a name."""

    model_config = ConfigDict(populate_by_name=True)

    name: Name
    description: str | None = None
    schema_: JSONObject | None = Field(default=None, alias="schema")
    strict: bool | None = None
