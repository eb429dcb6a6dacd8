"""Any OpenAI-compatible endpoint as a model: one call a draw or `n` draws a call, streamed, retried, timed and cancellable."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial

import aiohttp
import msgspec

from ponder.cost import architecture
from ponder.cost.architecture import Architecture
from ponder.errors import AbilityMissing, InputError
from ponder.models import wire
from ponder.models.connection import Connections, Timeout, accept, address, again
from ponder.models.hangup import blocks, reached
from ponder.models.refusal import Refusal
from ponder.models.reply import Reply
from ponder.models.retry import Retry
from ponder.types import Abilities, Chunk, Price, Request, Usage

PROBE = "if the endpoint can do it after all, probe it (`ponder.models.abilities.probe`)"
ADVICE = {
    "continues": f"serve the model with vLLM, SGLang or llama-server, or take a strategy that needs no prefix; {PROBE}",
    "logprobs": f"take a strategy or verifier that needs no log-probabilities; {PROBE}",
    "top_logprobs": f"take a strategy or verifier that needs no log-probabilities of other tokens; {PROBE}",
    "prompt_logprobs": f"serve the model with vLLM, or score with an embedded engine; {PROBE}",
    "n": f"make one call a draw; {PROBE}",
    "stop": f"leave `stop` out and cut the text afterwards; {PROBE}",
}

_encoder = msgspec.json.Encoder()


@dataclass(eq=False)
class Chat:
    """The model called `model` behind the API at `url`, which ends where `/chat/completions` is to follow.

    `api="completions"` is for base models: the messages' contents become one plain text, and a prefix is continued by nature.
    `streaming=False` asks for whole answers: cheaper for the client, but a cancelled draw is charged the most that it can cost.
    Until `abilities.probe` has found out more, only what every endpoint can do is asked of it. Raises InputError for a bad URL or
    concurrency.
    """

    model: str
    url: str = field(repr=False)
    _: KW_ONLY
    api_key: str | None = field(default=None, repr=False)
    price: Price | None = None
    abilities: Abilities = field(default_factory=partial(Abilities, names_stop=False))
    concurrency: int = 64
    timeout: Timeout = field(default_factory=Timeout)
    retries: Retry = field(default_factory=Retry)
    streaming: bool = True
    api: wire.Api = "chat"
    parameters: int | None = None
    dialect: wire.Dialect = field(default_factory=wire.Dialect)

    def __post_init__(self) -> None:
        base, self._shown = address(self.url)
        self._connections = Connections(self.api_key, self.concurrency)
        path = ("chat", "completions") if self.api == "chat" else ("completions",)
        self._target = base.joinpath(*path).with_query(base.query)
        self._health = base.joinpath("models").with_query(base.query)
        self.abilities = self.able(self.abilities)

    @property
    def name(self) -> str:
        return f"{self.model}@{self._shown}"

    @property
    def architecture(self) -> Architecture | None:
        """The shape of a well-known open model, by its name."""
        return architecture.find(self.model)

    @property
    def fingerprint(self) -> str:
        """The endpoint, the model's name and the API. What a vendor changes behind a name cannot be seen."""
        return f"{self.api}:{self.name}"

    def able(self, found: Abilities) -> Abilities:
        """What was found out, with what the API itself can do: go on from a text, or take its own messages and fields."""
        return replace(found, continues=found.continues or self.api == "completions", raw=self.api == "chat")

    def prompt_tokens(self, request: Request) -> int:
        """An upper bound without a tokenizer: `wire.longest`, with the dialect's overhead for the call."""
        return wire.longest(request, self.dialect.overhead)

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """Draw. Attempts are repeated only until something was produced.

        Cancelled, it still gives what the endpoint has written by then, so that the bill is the endpoint's own
        (`hangup`). Raises AbilityMissing before anything is spent, EndpointError when the endpoint refuses, breaks off or
        is too slow, ProtocolError when what it says cannot be.
        """
        self._require(request)
        lane = await self._connections.lane()
        secrets = (self.api_key or "", request.prefix, *(message.content for message in request.messages))
        async with lane.slots:
            deadline = asyncio.get_running_loop().time() + self.timeout.total
            for attempt in itertools.count():
                dialect = self.dialect
                reply = Reply(self.name, request, secrets, running=dialect.running_usage)
                try:
                    posting = self._post(lane.session, request, dialect, deadline)
                    response, cancelled = await reached(posting, reply.running)
                    if response is None:  # it was cancelled before the endpoint had written anything
                        yield Chunk(usage=Usage(calls=1))
                        raise asyncio.CancelledError
                    async with response:
                        await self._accept(response, dialect, secrets)
                        if self._streams(request) and response.content_type != "application/json":
                            async for block in blocks(response, cancelled, reply.running):
                                for chunk in reply.feed(block):
                                    yield chunk
                                if not block and not reply.started:
                                    yield Chunk(usage=Usage(calls=1))
                        elif cancelled:
                            raise asyncio.CancelledError
                        else:
                            for chunk in reply.whole(await response.read()):
                                yield chunk
                    break
                except asyncio.CancelledError:
                    for chunk in reply.end() if reply.complete else ():
                        yield chunk
                    raise
                except (Refusal, aiohttp.ClientError, TimeoutError, OSError) as error:
                    if reply.complete:
                        break  # only the usage is lost
                    retries = Retry(times=0) if reply.started else self.retries
                    try:
                        await again(self.name, error, attempt, retries, self.timeout, deadline)
                    except asyncio.CancelledError:  # between two attempts nothing is written
                        yield Chunk(usage=Usage(calls=1))
                        raise
            for chunk in reply.end():
                yield chunk

    async def alive(self) -> bool:
        """Whether the endpoint answers at all: any status below 500 to `/models` within `timeout.connect` seconds."""
        lane = await self._connections.lane()
        limit = aiohttp.ClientTimeout(total=self.timeout.connect)
        try:
            async with lane.session.get(self._health, timeout=limit, allow_redirects=False) as response:
                return response.status < 500
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def close(self) -> None:
        """Close this event loop's connections. The model can be used again."""
        await self._connections.close()

    def _require(self, request: Request) -> None:
        able = self.abilities
        for needed, has, ability in (
            (request.prefix, able.continues, "continues"),
            (request.logprobs, able.logprobs, "logprobs"),
            (request.prompt_logprobs, able.prompt_logprobs, "prompt_logprobs"),
            (request.top_logprobs, able.top_logprobs, "top_logprobs"),
            (request.n > 1, able.n, "n"),
            (request.stop, able.stop, "stop"),
        ):
            if needed and not has:
                raise AbilityMissing(self.name, ability, ADVICE[ability])

    def _post(
        self, session: aiohttp.ClientSession, request: Request, dialect: wire.Dialect, deadline: float
    ) -> Awaitable[aiohttp.ClientResponse]:
        """Send one attempt."""
        streams = self._streams(request)
        fields = wire.body(request, self.model, self.api, self.abilities, dialect, streams)
        limits = self.timeout.until(deadline, streams)
        try:
            data = _encoder.encode(fields)
        except UnicodeEncodeError as error:
            raise InputError(f"the prompt holds half a surrogate pair, which is no character ({error.reason}): remove it") from None
        return session.post(self._target, data=data, timeout=limits, allow_redirects=False)

    def _streams(self, request: Request) -> bool:
        """vLLM gives prompt log-probabilities in whole answers only."""
        return self.streaming and not request.prompt_logprobs

    async def _accept(self, response: aiohttp.ClientResponse, dialect: wire.Dialect, secrets: tuple[str, ...]) -> None:
        """Raise what `accept` does; the refusal of a field that other endpoints want is passing, and it is remembered."""
        try:
            await accept(response, self.name, self._shown, secrets)
        except Refusal as error:
            if error.status == 400 and "max_completion_tokens" in str(error) and self.api == "chat":
                error.passing = dialect.limit == "max_tokens"
                self.dialect = replace(self.dialect, limit="max_completion_tokens")
            raise
