"""What happened in a solve, as a tree of events: enough to redraw the search, recompute the answer and recount the bill.

Kinds of event: `started` (settings), `drawn` (a sample, whole or cut), `scored`, `pruned`, `leading` (the answer if it stopped
now), `refused` (a budget's limit), `answered`. An event's `parent` is the id of the event it came from, so samples that continue a
prefix form a tree. One solve is one JSON line. The live view, the gateway and the studio read the same events as they happen; they
also hear `spoken`, which is not kept: a piece of a draw that is certain to be the answer, while it streams.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from hashlib import sha256
from typing import Any

import msgspec

from ponder.ambient import Ambient
from ponder.errors import InputError
from ponder.types import Answer, Chunk, Cost, Usage


class Event(msgspec.Struct, frozen=True):
    """`at` is in seconds since the trace began."""

    id: int
    kind: str
    at: float
    parent: int | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class Trace:
    """The events of one solve, in order; `listener` hears each as it happens. `leading` is the anytime answer.

    `hears`: the listener hears the pieces of draws too, where those are certain to be the answer. `spoken`: it has heard words.
    """

    def __init__(self, seed: int = 0, listener: Callable[[Event], None] | None = None, hears: bool = True) -> None:
        self.seed, self.events, self.hears = seed, list[Event](), hears
        self.leading: Answer | None = None
        self.spoken = False
        self.root = self
        self._listener, self._began = listener, time.monotonic()

    def record(self, kind: str, parent: int | None = None, **data: Any) -> int:
        event = Event(len(self.events), kind, round(time.monotonic() - self._began, 6), parent, data)
        self.events.append(event)
        if self._listener is not None:
            self._listener(event)
        return event.id

    def speak(self, index: int, chunk: Chunk) -> None:
        """Let the listener hear a piece of draw `index`, which is certain to be the answer."""
        if self._listener is not None:
            self.root.spoken = self.root.spoken or bool(chunk.text or chunk.reasoning or chunk.calls)
            at = round(time.monotonic() - self._began, 6)
            self._listener(Event(-1, "spoken", at, None, {"index": index, "chunk": chunk}))

    def branch(self, index: int) -> Trace:
        """The trace of a solve within this one: its events are this one's, its leading answer is its own.

        So is its seed, except that of branch 0, which draws what this one would.
        """
        branch = Trace(seed(self.seed, index), self._listener, self.hears)
        branch.events, branch.root, branch._began = self.events, self.root, self._began
        return branch

    def line(self) -> str:
        """The whole trace as one line of JSON."""
        return msgspec.json.encode({"seed": self.seed, "events": self.events}).decode()

    @classmethod
    def read(cls, line: str | bytes) -> Trace:
        """Read back what `line` wrote. Raises `InputError` where it is not a trace."""
        try:
            stored = msgspec.json.decode(line, type=_Line)
        except msgspec.DecodeError as error:
            raise InputError(f"not a trace: {error}; expected one JSON object with `seed` and `events`") from error
        trace = cls(stored.seed)
        trace.events = stored.events
        return trace


def seed(root: int, index: int) -> int:
    """The seed of branch `index` of a trace with the seed `root`, 31 bits: a hash of both, or for branch 0 the trace's own."""
    return int.from_bytes(sha256(f"{root}:{index}".encode()).digest()[:4], "big") >> 1 if index else root


class _Line(msgspec.Struct):
    seed: int
    events: list[Event]


def usage(events: Iterable[Event]) -> dict[str, Usage]:
    """Recount the bill: tokens by role, from the `drawn` events alone. What came from the store stands under `replayed`."""
    by_role: dict[str, Usage] = {}
    for event in _drawn(events):
        role = event.data["role"]
        by_role[role] = by_role.get(role, Usage()) + Usage(**event.data["usage"])
    return by_role


def cost(events: Iterable[Event], seconds: float) -> Cost:
    """What the draws cost that were made, and not replayed. Dollars and FLOPs are None as soon as those of one draw are unknown."""
    made = [event for event in _drawn(events) if event.data["role"] != "replayed"]
    tokens = sum(Usage(**event.data["usage"]).computed for event in made)
    return Cost(tokens, _total(made, "usd"), seconds, _total(made, "flops"))


def _drawn(events: Iterable[Event]) -> Iterator[Event]:
    return (event for event in events if event.kind == "drawn")


def _total(events: list[Event], what: str) -> float | None:
    amounts = [event.data[what] for event in events]
    return None if None in amounts else sum(amounts)


def span(event: Event, model: str) -> tuple[str, dict[str, Any]]:
    """The OpenTelemetry span of a `drawn` event, by the GenAI semantic conventions: its name, and attributes with the usage.

    Only these leaves carry usage: a sum over all spans is then the bill.
    """
    used = Usage(**event.data["usage"])
    return f"chat {model}", {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai" if "@http" in model else "ponder",
        "gen_ai.request.model": model,
        "gen_ai.response.finish_reasons": (event.data["finish_reason"],),
        "gen_ai.usage.input_tokens": used.prompt,
        "gen_ai.usage.output_tokens": used.completion,
        "gen_ai.usage.cache_read.input_tokens": used.cached,
        "ponder.role": event.data["role"],
    }


def workflow(strategy: str, model: str) -> tuple[str, dict[str, Any]]:
    """The span of a whole solve: no usage, which its leaves have."""
    return f"invoke_workflow {strategy}", {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": strategy,
        "gen_ai.request.model": model,
    }


_current: ContextVar[Trace | None] = ContextVar("ponder.trace", default=None)


def current() -> Trace:
    """The ambient trace; outside a solve, one that nobody reads."""
    return _current.get() or Trace()


def tracing(trace: Trace) -> Ambient[Trace]:
    """Make it the ambient trace."""
    return Ambient(_current, trace)


def lead(answer: Answer) -> Answer:
    """Offer the answer that would be given if everything stopped now, and return it."""
    trace = current()
    previous, trace.leading = trace.leading, answer
    if previous is None or (previous.answer, previous.text) != (answer.answer, answer.text):
        trace.record("leading", answer=answer.answer, text=answer.text)
    return answer


_aloud: ContextVar[bool] = ContextVar("ponder.aloud", default=False)


def aloud() -> bool:
    """Whether what is drawn now is certain to be the answer, and there is someone who hears its pieces."""
    return _aloud.get() and current().hears


def speaking(certain: bool = True) -> Ambient[bool]:
    """What is drawn inside is certain to be the answer, or is not: then it is heard only when it is done."""
    return Ambient(_aloud, certain)
