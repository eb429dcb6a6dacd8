"""What a client asks, in our own terms: every endpoint reads its own shape into an `Ask`, and all the rest is the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ponder.budget import Budget
from ponder.types import Message

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one draw is made. None is left to the task, the model or the server."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: bool = False
    top_logprobs: int = 0


@dataclass(frozen=True, slots=True)
class Compute:
    """How much is to be spent and how, as far as the request's body says so. The model's name may say more.

    `thinking` is a number of tokens that may be spent besides the answer itself (Anthropic's `budget_tokens`).
    """

    strategy: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    verifier: str | None = None
    budget: Budget = Budget()
    effort: Effort | None = None
    thinking: int | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """The answer must be JSON: an object, or what `schema` describes. `sent` is what one that knows formats is told, in JSON."""

    schema: Mapping[str, Any] | None = None
    sent: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """`messages` are the conversation, the last one what is asked. `fields` are sent on to the model (`Request.fields`).

    `reasoning`: the caller wants the hidden thinking too; `kept`: the server may keep the trace.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    compute: Compute = Compute()
    n: int = 1
    fields: str = ""
    format: Format | None = None
    reasoning: bool = False
    kept: bool = True

    @property
    def whole(self) -> bool:
        """It holds what not every strategy carries: images, tools, a format of the answer, log-probabilities."""
        asks = self.fields or self.format or self.sampling.logprobs or self.sampling.top_logprobs
        return bool(asks) or any(message.raw for message in self.messages)
