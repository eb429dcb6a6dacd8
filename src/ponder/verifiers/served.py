"""Reward models behind an API: vLLM's `/pooling` (process), `/classify` and `/score` (outcome)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

import aiohttp
import msgspec

from ponder.errors import InputError, ProtocolError
from ponder.models import wire
from ponder.models.connection import Connections, Timeout, accept, address, again
from ponder.models.refusal import Refusal, broke
from ponder.models.retry import Retry
from ponder.types import Abilities, Chunk, Message, Price, Request, Usage
from ponder.verifiers.reward import parted

Api = Literal["pooling", "classify", "score"]

OVERHEAD = 256  # tokens that a chat template adds to a call
ROUNDING = 1e-3
STEPWISE = 'serve it with --pooler-config \'{"pooling_type": "STEP", "step_tag_id": ID}\', where ID is the separator\'s token'
ACTIVE = "serve it with its activation (`use_activation` of --pooler-config)"


class Datum(msgspec.Struct):
    data: list[Any] | None = None  # pooling: a row of class probabilities for each step
    probs: list[float] | None = None  # classify
    score: float | None = None


class Reply(msgspec.Struct):
    data: list[Datum] | None = None
    usage: wire.Counts | None = None
    error: dict[str, Any] | str | None = None


_decoder = msgspec.json.Decoder(Reply)


@dataclass(eq=False)
class Served:
    """The reward model at `url`, which ends where `/pooling` is to follow; `verifiers.reward.Reward` asks it. A `types.Model`.

    `pooling` gives a value for each step (told apart by `separator`, Qwen2.5-Math-PRM's by default); `classify` and `score` give
    one for the solution. Of several classes the last is the good one. The server applies the chat template; only `score` is given
    plain texts, question and solution. `model` is needed where several are served. Tokens are what the server counts. Raises
    InputError for a bad URL, API or concurrency.
    """

    url: str = field(repr=False)
    _: KW_ONLY
    model: str | None = None
    api: Api = "pooling"
    separator: str = "<extra_0>"
    api_key: str | None = field(default=None, repr=False)
    price: Price | None = None
    parameters: int | None = None
    concurrency: int = 64
    timeout: Timeout = field(default_factory=Timeout)
    retries: Retry = field(default_factory=Retry)
    abilities: Abilities = field(default_factory=Abilities)

    def __post_init__(self) -> None:
        if self.api not in ("pooling", "classify", "score"):
            raise InputError(f"there is no API {self.api!r} of reward models; take pooling, classify or score")
        base, self._shown = address(self.url)
        self._target = base.joinpath(self.api).with_query(base.query)
        self._connections = Connections(self.api_key, self.concurrency)

    @property
    def name(self) -> str:
        return f"{self.model or self.api}@{self._shown}"

    @property
    def fingerprint(self) -> str:
        """The endpoint, its API and the model's name. What is changed behind a name cannot be seen."""
        return f"{self.api}:{self.separator}:{self.name}"

    def prompt_tokens(self, request: Request) -> int:
        """An upper bound without a tokenizer: `wire.longest`."""
        return wire.longest(request, OVERHEAD)

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """One chunk, the JSON that `Reward` reads.

        Raises EndpointError when the endpoint refuses, breaks off or is too slow, ProtocolError when what it says cannot be.
        """
        question, steps = parted(request)
        secrets = (self.api_key or "", *(message.content for message in request.messages))
        lane = await self._connections.lane()
        async with lane.slots:
            body = await self._post(lane.session, self._fields(question, steps), secrets)
        reply = self._decode(body, secrets)
        values = self._values(reply, len(steps))
        yield Chunk(msgspec.json.encode(values).decode(), finish_reason="stop", usage=self._usage(reply))

    async def close(self) -> None:
        """Close this event loop's connections. The model can be used again."""
        await self._connections.close()

    def _fields(self, question: tuple[Message, ...], steps: list[str]) -> dict[str, Any]:
        fields: dict[str, Any] = {"model": self.model} if self.model else {}
        if self.api == "score":
            return fields | {"text_1": question[-1].content, "text_2": "".join(steps)}
        marked = "".join(steps)
        if self.api == "pooling":
            marked = "".join(step.replace(self.separator, "").strip() + self.separator for step in steps)
        fields |= {
            "messages": [wire.written(one) for one in (*question, Message("assistant", marked))],
            "add_generation_prompt": False,
        }
        return fields | {"task": "token_classify"} if self.api == "pooling" else fields

    async def _post(self, session: aiohttp.ClientSession, fields: dict[str, Any], secrets: tuple[str, ...]) -> bytes:
        deadline = asyncio.get_running_loop().time() + self.timeout.total
        data = msgspec.json.encode(fields)
        for attempt in itertools.count():
            limits = self.timeout.until(deadline, streams=False)
            try:
                async with session.post(self._target, data=data, timeout=limits, allow_redirects=False) as response:
                    await accept(response, self.name, self._shown, secrets)
                    return await response.read()
            except (Refusal, aiohttp.ClientError, TimeoutError, OSError) as error:
                await again(self.name, error, attempt, self.retries, self.timeout, deadline)
        raise AssertionError("the last attempt returns or raises")

    def _decode(self, body: bytes, secrets: tuple[str, ...]) -> Reply:
        try:
            reply = _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            why = "it holds NaN, which no score is" if b"NaN" in body else error
            raise ProtocolError(f"`{self.name}` sent {len(body)} bytes that are no reply of /{self.api}: {why}") from None
        if reply.error is not None:
            raise broke(self.name, reply.error, secrets)
        return reply

    def _values(self, reply: Reply, steps: int) -> float | list[float]:
        """What the reply says of the one solution; ProtocolError if that cannot be, or is not about these steps."""
        if reply.data is None or len(reply.data) != 1:
            count = "no `data`" if reply.data is None else f"{len(reply.data)} results"
            raise ProtocolError(f"`{self.name}` sent {count} for 1 solution: is /{self.api} what it serves?")
        [datum] = reply.data
        if self.api == "classify":
            return self._good(datum.probs)
        if self.api == "score":
            return self._good(None if datum.score is None else [datum.score])
        rows = datum.data if datum.data is not None else []
        if len(rows) != steps:
            raise ProtocolError(f"`{self.name}` sent {len(rows)} values for {steps} steps: {STEPWISE}")
        return [self._good(row if isinstance(row, list) else [row]) for row in rows]

    def _good(self, probabilities: list[Any] | None) -> float:
        """The last class's probability; a model of one class gives just that."""
        if not probabilities or not all(isinstance(value, float | int) for value in probabilities):
            said = "nothing" if probabilities is None else f"{probabilities}"[:60]
            raise ProtocolError(f"`{self.name}` sent {said} in the place of a score: is /{self.api} what it serves?")
        one = len(probabilities) == 1 or abs(sum(probabilities) - 1) <= 10 * ROUNDING
        if not (one and all(-ROUNDING <= value <= 1 + ROUNDING for value in probabilities)):
            raise ProtocolError(f"`{self.name}` sent {f'{probabilities}'[:60]}, which are no probabilities: {ACTIVE}")
        return min(max(float(probabilities[-1]), 0.0), 1.0)

    def _usage(self, reply: Reply) -> Usage | None:
        if reply.usage is not None and reply.usage.completion_tokens is None:
            reply.usage.completion_tokens = 0
        return wire.usage(reply.usage, self.name)
