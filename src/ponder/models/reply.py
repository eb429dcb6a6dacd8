"""One call's bytes become chunks, and the chunks must add up: no input or output happens here, so every split can be tested."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from ponder.errors import ProtocolError
from ponder.models import wire
from ponder.models.refusal import broke
from ponder.models.sse import Events
from ponder.models.thoughts import Thoughts
from ponder.types import Chunk, FinishReason, Request, Usage

FINISHES: dict[str, FinishReason] = {
    "stop": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "tool_calls": "stop",
    "length": "length",
    "abort": "cancelled",
}


@dataclass(slots=True)
class Draft:
    """What has arrived of one choice. `thoughts` is None where inline tags are not looked for."""

    thoughts: Thoughts | None
    spoke: bool = False
    counted: int = 0
    ranked: bool = False
    finished: bool = False


@dataclass(slots=True)
class Reply:
    """Decodes a call's answer, streamed (`feed` ...) or whole (`whole`) and then `end`, to `Chunk`s of `request.n` choices.

    A prefix is text that the caller will join with what comes, so after one nothing is taken out: inline tags stay. The chunk
    that finishes the last choice is held until the stream's end, because the call's usage comes after it. Raises ProtocolError
    when the answer contradicts the request or itself, Refusal when it is an error object.
    """

    who: str
    request: Request
    secrets: tuple[str, ...] = ()
    running: bool = False
    _running: dict[int, int] = field(default_factory=dict)
    _done: bool = False
    _open: int = 0
    _usage: Usage | None = None
    _held: Chunk | None = None
    _events: Events = field(default_factory=Events)
    _drafts: list[Draft] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._drafts = [Draft(None if self.request.prefix else Thoughts()) for _ in range(self.request.n)]
        self._open = self.request.n

    @property
    def started(self) -> bool:
        """Something was produced: another attempt would be another draw."""
        return any(draft.spoke or draft.finished for draft in self._drafts)

    @property
    def complete(self) -> bool:
        """Every choice is finished; what may still come is the usage."""
        return not self._open

    def feed(self, block: bytes) -> Iterator[Chunk]:
        """The chunks that `block`, a part of an event stream, completes."""
        for data in self._events.feed(block):
            if data == b"[DONE]":
                self._done = True
            elif not self._done:
                yield from self._payload(wire.decode(data, self.who))

    def whole(self, body: bytes) -> Iterator[Chunk]:
        """The chunks of an answer that came at once, one a choice."""
        payload = wire.decode(body, self.who)
        for position, choice in enumerate(payload.choices or ()):
            choice.index = position  # not all servers number them
        yield from self._payload(payload)

    def end(self) -> Iterator[Chunk]:
        """The held last chunk, with the call's usage. Raises ProtocolError if a choice is unfinished or the bill is too small.

        A bill that is too small is not passed on: the chunk comes without usage, and then the error.
        """
        if not self.complete:
            missing = [index for index, draft in enumerate(self._drafts) if not draft.finished]
            raise ProtocolError(
                f"`{self.who}` ended its answer without a finish_reason for choice {missing} of {self.request.n}: "
                f"it lost them, or does not know `n`"
            )
        fault = self._fault()
        if self._held is not None:
            yield structs.replace(self._held, usage=None if fault else self._usage)
            self._held = None
        if fault:
            raise ProtocolError(f"`{self.who}` {fault}")

    def _payload(self, payload: wire.Payload) -> Iterator[Chunk]:
        if payload.error is not None:
            raise broke(self.who, payload.error, self.secrets)
        if payload.choices is None and payload.usage is None:
            raise ProtocolError(f"`{self.who}` sent JSON with neither `choices` nor `usage`: is the URL that of its OpenAI API?")
        for choice in payload.choices or ():
            chunk = self._chunk(choice, payload)
            if chunk is None:
                continue
            so_far = self._so_far(choice.index, payload) if self.running else None
            if self.complete:
                self._held, self._usage = chunk, so_far
            else:
                yield structs.replace(chunk, usage=so_far) if self.running else chunk
        of_one = self.request.n > 1 and (not self.complete or (self.running and payload.choices))  # as vLLM's running counts are
        if payload.usage is not None and not of_one:
            self._usage = wire.usage(payload.usage, self.who) or self._usage

    def _so_far(self, choice: int, payload: wire.Payload) -> Usage | None:
        """The call's usage until now: vLLM's running counts are those of one choice, and are added up."""
        said = wire.usage(payload.usage, self.who)
        if said is None:
            return None
        self._running[choice] = said.completion
        return structs.replace(said, completion=sum(self._running.values()))

    def _chunk(self, choice: wire.Choice, payload: wire.Payload) -> Chunk | None:
        """The choice's news; None if there is none, as in the events that some vendors send first and last."""
        if not 0 <= choice.index < self.request.n:
            error = ProtocolError(f"`{self.who}` sent choice {choice.index}, and was asked for {self.request.n}")
            error.goes_on = True
            raise error
        draft, piece = self._drafts[choice.index], choice.piece
        calls = piece.calls
        reasoning, text = piece.reasoning_content or piece.reasoning or "", piece.content or ""
        if draft.finished and (reasoning or text or calls):
            raise ProtocolError(f"`{self.who}` went on with choice {choice.index} after finishing it")
        if draft.finished or not (reasoning or text or calls or choice.logprobs or choice.prompt_logprobs or choice.finish_reason):
            return None
        draft.spoke = draft.spoke or bool(reasoning or text or calls)
        draft.finished = bool(choice.finish_reason)  # some send "" until the end
        self._open -= draft.finished
        if draft.thoughts is not None:
            reasoning, text = _separate(draft.thoughts, reasoning, text, draft.finished)
        spoken = {}
        if choice.logprobs is not None:
            spoken = self._spoken(choice.logprobs)
            draft.counted += len(spoken["logprobs"])
            draft.ranked = draft.ranked or any(spoken["top_logprobs"])
        return Chunk(
            text=text,
            choice=choice.index,
            reasoning=reasoning,
            prompt_logprobs=prompt_logprobs(choice.prompt_logprobs or payload.prompt_logprobs or ()),
            finish_reason=FINISHES.get(choice.finish_reason, "error") if choice.finish_reason else None,
            stop=choice.stop,
            calls=calls,
            **spoken,
        )

    def _spoken(self, sent: wire.Logprobs) -> dict[str, Any]:
        """What a chunk says of its tokens, where the endpoint tells."""
        count = self.request.top_logprobs
        return {
            "logprobs": logprobs(sent, self.who),
            "tokens": tokens(sent),
            "top_logprobs": top_logprobs(sent, count, self.who),
            "top_tokens": top_tokens(sent, count),
        }

    def _fault(self) -> str | None:
        """What is wrong with an answer that is complete."""
        least = sum(max(draft.counted, draft.spoke) for draft in self._drafts)
        if self._usage is not None and self._usage.completion < least:
            return f"counts {self._usage.completion} completion tokens, and sent at least {least}: its bill cannot be trusted"
        if self.request.logprobs and any(draft.spoke and not draft.counted for draft in self._drafts):
            return "was asked for log-probabilities and sent none: probe it again, or take a strategy that needs none"
        if self.request.top_logprobs and any(draft.spoke and not draft.ranked for draft in self._drafts):
            return "was asked for the likeliest tokens and sent none: probe it again, or take a strategy that needs none"
        return None


def _separate(thoughts: Thoughts, reasoning: str, text: str, finished: bool) -> tuple[str, str]:
    inline, text = thoughts.feed(text)
    if finished:
        last_inline, last = thoughts.end()
        inline, text = inline + last_inline, text + last
    return reasoning + inline, text


def logprobs(sent: wire.Logprobs, who: str) -> tuple[float, ...]:
    """Natural log-probabilities of the tokens; ProtocolError if one is above 0 (rounding apart)."""
    return _sound(sent.token_logprobs or [token.logprob for token in sent.content or ()], who)


def top_logprobs(sent: wire.Logprobs, count: int, who: str) -> tuple[tuple[float, ...], ...]:
    """Those of the `count` likeliest tokens at each place, falling; none if none were asked for. Errors as in `logprobs`.

    Some endpoints add the drawn token where it is not among them.
    """
    if not count:
        return ()
    places = [list((place or {}).values()) for place in sent.top_logprobs or ()]
    places = places or [[token.logprob for token in place.top_logprobs or ()] for place in sent.content or ()]
    return tuple(_sound(sorted(place, reverse=True)[:count], who) for place in places)


def tokens(sent: wire.Logprobs) -> tuple[str, ...]:
    """The texts of the tokens, as many as there are log-probabilities."""
    return tuple(sent.tokens or [token.token for token in sent.content or ()])


def top_tokens(sent: wire.Logprobs, count: int) -> tuple[tuple[str, ...], ...]:
    """The texts of the `count` likeliest tokens at each place, the likeliest first: those of `top_logprobs`."""
    if not count:
        return ()
    places = [list((place or {}).items()) for place in sent.top_logprobs or ()]
    places = places or [[(token.token, token.logprob) for token in place.top_logprobs or ()] for place in sent.content or ()]
    return tuple(tuple(text for text, _ in sorted(place, key=lambda one: -one[1])[:count]) for place in places)


def _sound(values: Sequence[float], who: str) -> tuple[float, ...]:
    wrong = next((value for value in values if not value <= 1e-3), None)
    if wrong is not None:
        raise ProtocolError(f"`{who}` sent the log-probability {wrong}, which none can be: its figures cannot be trusted")
    return tuple(min(value, 0.0) for value in values)


def prompt_logprobs(sent: Sequence[dict[str, wire.Logprob] | None]) -> tuple[float | None, ...]:
    """vLLM's: None for the first token, then a map that begins with the prompt's own token."""
    return tuple([next(iter(token.values())).logprob if token else None for token in sent]) if sent else ()
