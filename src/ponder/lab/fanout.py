"""Fan-outs recorded from strategies as they run: on the simulated model for nothing, or on any model.

The model is watched: each draw is noted with how many draws of its query had ended when it started. Where a strategy stops early,
widens or goes deep depends on what it sees, so a kind of query has many fan-outs; the fleet's simulation takes them at random.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from ponder.cost.fanout import Draw, Fanout
from ponder.solve import solve
from ponder.types import Abilities, Chunk, Model, Price, Problem, Request


@dataclass(eq=False)
class Watched:
    """A model (`types.Model`) that notes the draws of one solve; they are made one a call."""

    model: Model
    draws: list[Draw] = field(default_factory=list)
    ended: int = 0
    seen: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def fingerprint(self) -> str:
        return self.model.fingerprint

    @property
    def abilities(self) -> Abilities:
        return replace(self.model.abilities, n=False)

    @property
    def price(self) -> Price | None:
        return self.model.price

    @property
    def parameters(self) -> int | None:
        return self.model.parameters

    @property
    def concurrency(self) -> int:
        return self.model.concurrency

    def prompt_tokens(self, request: Request) -> int:
        return self.model.prompt_tokens(request)

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """The model's stream, noted when it is over or closed."""
        text = "".join(message.content for message in request.messages) + request.prefix
        prompt, after, place = self.prompt_tokens(request), self.ended, len(self.draws)
        new = prompt * (1 - max((_common(text, one) for one in self.seen), default=0) / max(1, len(text)))
        self.seen.append(text)
        self.draws.append(Draw(0.0, prompt, new, after))
        said, tokens = [text], 0
        try:
            async with aclosing(self.model.stream(request)) as chunks:
                async for chunk in chunks:
                    said.append(chunk.text)
                    tokens = chunk.usage.completion if chunk.usage else tokens + max(1, len(chunk.token_ids))
                    yield chunk
        finally:
            self.ended += 1
            self.seen.append("".join(said))
            self.draws[place] = Draw(float(tokens), prompt, new, after)

    async def close(self) -> None:
        """The model is its owner's to close."""

    @property
    def fanout(self) -> Fanout:
        """The draws so far, by rising `after`."""
        return tuple(sorted(self.draws, key=lambda one: one.after))


async def record(problem: Problem, model: Model, **settings: Any) -> Fanout:
    """The fan-out of one solve with these settings (those of `ponder.solve`)."""
    watched = Watched(model)
    await solve(problem, model=watched, **settings)
    return watched.fanout


async def recorded(problems: Sequence[Problem], model: Model, **settings: Any) -> list[Fanout]:
    """The fan-outs of the same strategy on several problems, one after another: side by side they would wait for one another."""
    return [await record(problem, model, **settings) for problem in problems]


def _common(text: str, other: str) -> int:
    """How many characters the two begin with in common."""
    low, high = 0, min(len(text), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if text[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
