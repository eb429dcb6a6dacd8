"""From a stream's chunks to samples, and from what was seen to what is charged."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from msgspec import structs

from ponder.errors import AbilityMissing, EndpointError, InputError, ModelError, ProtocolError
from ponder.types import Call, Chunk, FinishReason, Model, Request, Sample, Usage

Source = Literal["model", "rule", "reserved"]


@dataclass(slots=True)
class Choice:
    """One draw of a call, as it grows."""

    index: int
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    top_logprobs: list[tuple[float, ...]] = field(default_factory=list)
    prompt_logprobs: tuple[float | None, ...] = ()
    finish_reason: FinishReason | None = None
    stop: str | None = None
    cut: bool = False
    searched: int = 0
    calls: dict[int, Call] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    top_tokens: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        self.text.append(chunk.text)
        self.reasoning.append(chunk.reasoning)
        self.token_ids.extend(chunk.token_ids)
        self.logprobs.extend(chunk.logprobs)
        self.top_logprobs.extend(chunk.top_logprobs)
        self.prompt_logprobs = self.prompt_logprobs or chunk.prompt_logprobs
        self.finish_reason = chunk.finish_reason or self.finish_reason
        self.stop = chunk.stop or self.stop
        self.tokens.extend(chunk.tokens)
        self.top_tokens.extend(chunk.top_tokens)
        for number, piece in chunk.calls:
            so_far = self.calls.get(number, Call("", "", ""))
            arguments = so_far.arguments + piece.arguments
            self.calls[number] = Call(piece.id or so_far.id, piece.name or so_far.name, arguments)

    def ends(self, until: re.Pattern[str]) -> bool:
        """Whether `until` ends the draw; its text is then cut before the match, which becomes its `stop`.

        That is so as soon as a match ends before the last character seen: a greedy match may grow with what comes. Characters are
        taken one at a time, so the cut does not depend on how the stream was cut into chunks.
        """
        text = "".join(self.text)
        seen, self.searched = self.searched, len(text)
        sizes = range(seen + 1, len(text) + 1) if until.search(text) else ()
        matches = (found for size in sizes for found in until.finditer(text, 0, size) if 0 < found.end() < size)
        if (found := next(matches, None)) is None:
            return False
        self.text, self.finish_reason, self.stop = [text[: found.start()]], "stop", found[0]
        return True

    @property
    def counted(self) -> int:
        """Tokens seen one by one, where the model shows them."""
        return max(len(self.token_ids), len(self.logprobs), len(self.top_logprobs))

    @property
    def length(self) -> int:
        """Characters produced."""
        called = sum(len(call.name) + len(call.arguments) for call in self.calls.values())
        return sum(map(len, self.text)) + sum(map(len, self.reasoning)) + called


class Drawing:
    """One call of a model for the draws `indices`; `worst` is the most it can cost."""

    def __init__(self, indices: Sequence[int], worst: Usage) -> None:
        self.choices = [Choice(index) for index in indices]
        self.worst = worst
        self.started = False
        self.error: ModelError | InputError | None = None
        self._reported: Usage | None = None
        self._source: Source = "model"
        self._seen = 0

    async def run(self, model: Model, request: Request, heard: Callable[[Chunk], None] | None = None) -> None:
        """Read the stream to its end, or that of a single draw to where `request.until` or `request.watch` ends it.

        `heard` is given the chunks as they come. What the model cannot answer is the draws' error: a bad sample is data, no crash.
        """
        self.started, self._source = True, model.abilities.usage_source
        watching = request.watch() if request.watch else None
        try:
            async with aclosing(model.stream(request)) as stream:
                async for chunk in stream:
                    self.add(chunk)
                    if heard is not None:
                        heard(chunk)
                    if request.until is not None and self.choices[0].ends(request.until):
                        break
                    if watching is not None and watching(chunk) and chunk.finish_reason is None:
                        self.choices[0].finish_reason, self.choices[0].cut = "cancelled", True
                        break
            if any(choice.finish_reason is None for choice in self.choices):
                raise ProtocolError(f"`{model.name}` ended its stream without saying why it finished; the draw cannot be trusted")
        except (ModelError, InputError) as error:
            self.error = error

    def fail(self, error: BaseException) -> None:
        """It was sent, and failed."""
        self.started = True
        self.error = error if isinstance(error, ModelError | InputError) else ModelError(str(error))

    def count(self, prompt: int) -> None:
        """It was sent and cancelled: what the model has said by then; else so many prompt tokens, which another call has counted,
        and the tokens that it has shown."""
        self.started = True
        if self._reported is None:
            self._source, self._reported = "rule", Usage(1, prompt)

    @property
    def usage(self) -> Usage:
        """What the whole call is charged."""
        return sum(self._usages()[0], Usage())

    def add(self, chunk: Chunk) -> None:
        """Take a chunk. Raises ProtocolError for one of a draw that was not asked for."""
        if not 0 <= chunk.choice < len(self.choices):
            raise ProtocolError(f"asked for {len(self.choices)} draws, the model sent one numbered {chunk.choice}")
        self._seen += 1
        self._reported = chunk.usage or self._reported
        self.choices[chunk.choice].add(chunk)

    def samples(self, request: Request, seconds: float, share: float) -> list[Sample]:
        """The samples as they stand: whole ones, failed ones, and those cut short."""
        usages, source = self._usages()
        return [
            Sample(
                text="".join(choice.text),
                index=choice.index,
                finish_reason="error" if self.error else choice.finish_reason or "cancelled",
                usage=usage,
                usage_source=source,
                reasoning="".join(choice.reasoning),
                prefix=request.prefix,
                token_ids=tuple(choice.token_ids),
                logprobs=tuple(choice.logprobs) if request.logprobs else None,
                prompt_logprobs=choice.prompt_logprobs if request.prompt_logprobs else None,
                top_logprobs=tuple(choice.top_logprobs) if request.top_logprobs else None,
                stop=choice.stop,
                cut=choice.cut,
                calls=tuple(call for _, call in sorted(choice.calls.items())),
                tokens=tuple(choice.tokens) if request.logprobs or request.top_logprobs else (),
                top_tokens=tuple(choice.top_tokens) if request.top_logprobs else (),
                seconds=round(seconds, 6),
                share=round(share, 9),
                error=None if self.error is None else str(self.error),
            )
            for choice, usage in zip(self.choices, usages, strict=True)
        ]

    def _usages(self) -> tuple[list[Usage], Source]:
        """What each draw is charged: the model's own count; else the tokens it showed; else the most it can have cost.

        A call that was refused, by an error status or before it was sent, has produced nothing. The prompt and the call stand with
        the first draw.
        """
        counted = [choice.counted for choice in self.choices]
        unsent = isinstance(self.error, InputError | AbilityMissing)
        refused = unsent or (isinstance(self.error, EndpointError) and self.error.status is not None)
        source = self._source
        if not self.started or (not self._seen and refused):
            total = Usage(calls=int(self.started))
        elif isinstance(self.error, ProtocolError) and self.error.goes_on:
            total, source = self.worst, "reserved"
        elif self._reported is not None:
            said = self._reported
            total = Usage(1, said.prompt, said.cached, max(said.completion, sum(counted)))
        elif self._seen and all(choice.counted or not choice.length for choice in self.choices):
            total, source = structs.replace(self.worst, completion=sum(counted)), "rule"
        else:
            total, source = self.worst, "reserved"
        if len(counted) == 1:
            return [total], source
        parts = _split(total.completion, counted if sum(counted) == total.completion else [c.length for c in self.choices])
        rest = [Usage(completion=part) for part in parts]
        return [structs.replace(total, completion=parts[0]), *rest[1:]], source


def _split(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in proportion to `weights` (equally where all are 0), in whole numbers that add up to it."""
    weights = weights if sum(weights) else [1] * len(weights)
    whole, parts, given, seen = sum(weights), [], 0, 0
    for weight in weights:
        seen += weight
        parts.append(total * seen // whole - given)
        given += parts[-1]
    return parts
