"""The bill of one request: everything that was generated for it, over all calls, and how much of that the caller sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ponder import trace
from ponder.trace import Event
from ponder.types import Sample, Usage


@dataclass(frozen=True, slots=True)
class Bill:
    """Tokens by role, `visible` those of the answers that the caller sees.

    What came from a store stands under `replayed` and is in no sum. `usd` is None where a price is unknown. `counted` is false
    where an upstream did not say what a draw cost, and the most that it can have cost was charged.
    """

    usage: Mapping[str, Usage] = field(default_factory=dict)
    visible: int = 0
    usd: float | None = None
    seconds: float = 0.0
    counted: bool = True

    @property
    def total(self) -> Usage:
        return sum((one for role, one in self.usage.items() if role != "replayed"), Usage())

    @property
    def reasoning(self) -> int:
        """Generated, and not seen by the caller."""
        return max(0, self.total.completion - self.visible)

    def openai(self) -> dict[str, Any]:
        """As `usage` of a chat completion."""
        total = self.total
        return {
            "prompt_tokens": total.prompt,
            "completion_tokens": total.completion,
            "total_tokens": total.prompt + total.completion,
            "prompt_tokens_details": {"cached_tokens": total.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }

    def ours(self) -> dict[str, Any]:
        """What `ponder` objects say of the cost."""
        roles = {
            role: {
                "calls": one.calls,
                "prompt_tokens": one.prompt,
                "cached_tokens": one.cached,
                "completion_tokens": one.completion,
            }
            for role, one in self.usage.items()
        }
        return {"usd": self.usd, "seconds": round(self.seconds, 3), "counted": self.counted, "usage": roles}


def bill(events: Sequence[Event], seconds: float, shown: Iterable[Sample] = ()) -> Bill:
    """Recount the bill from the events of all of a request's solves, of which the samples `shown` are what the caller sees."""
    drawn = [event for event in events if event.kind == "drawn"]
    return Bill(
        usage=trace.usage(drawn),
        visible=sum(_visible(sample) for sample in shown),
        usd=trace.cost(drawn, seconds).usd,
        seconds=seconds,
        counted=all(event.data["usage_source"] != "reserved" for event in drawn),
    )


def _visible(sample: Sample) -> int:
    """The tokens of a sample's answer: all but its thinking, which has the part of them that it has of the characters."""
    if sample.replayed:
        return 0
    spoken, thought = len(sample.text) + sum(len(one.arguments) for one in sample.calls), len(sample.reasoning)
    return sample.usage.completion * spoken // (spoken + thought) if thought else sample.usage.completion
