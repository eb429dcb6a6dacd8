"""What an endpoint can really do, found out by asking: a status of 200 proves nothing, so every check looks for the effect.

vLLM only logs the fields that it does not know, Ollama answers one choice whatever `n` is, many take a seed and ignore it. Ten
calls of at most 32 tokens tell; what they found is kept under the cache folder, by API, URL and model, with the date.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ponder import cache
from ponder.errors import EndpointError, ProtocolError
from ponder.models.chat import Chat
from ponder.models.wire import Api, Dialect
from ponder.types import Abilities, Chunk, FinishReason, Message, Request, Usage

WEEK = Request(
    (Message("user", "Write the seven days of the week in English, from Monday to Sunday, separated by commas."),),
    max_tokens=32,
    temperature=1.0,  # OpenAI's reasoning models refuse any other
)
WORDS = replace(WEEK, messages=(Message("user", "Write a list of random English words."),), seed=1)
EVERYTHING = Abilities(continues=True, logprobs=True, prompt_logprobs=True, n=True, seed=True, top_logprobs=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found out, and when (ISO 8601, UTC)."""

    model: str
    api: Api
    date: str
    abilities: Abilities
    dialect: Dialect


@dataclass(slots=True)
class Heard:
    """One answer to a probe: the chunks added up, by choice."""

    texts: list[str]
    thoughts: list[str]
    logprobs: int = 0
    top_logprobs: int = 0
    prompt_logprobs: int = 0
    finish_reason: FinishReason | None = None
    stop: str | None = None
    usages: list[Usage | None] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        self.texts[chunk.choice] += chunk.text
        self.thoughts[chunk.choice] += chunk.reasoning
        self.logprobs += len(chunk.logprobs)
        self.top_logprobs += sum(map(len, chunk.top_logprobs))
        self.prompt_logprobs += len(chunk.prompt_logprobs)
        self.finish_reason = chunk.finish_reason
        self.stop = chunk.stop
        self.usages.append(chunk.usage)

    @property
    def drawn(self) -> list[str]:
        """All that each choice produced."""
        return [thought + text for thought, text in zip(self.thoughts, self.texts, strict=True)]


async def probe(model: Chat, *, refresh: bool = False) -> Abilities:
    """Find out what `model` can do, from the cache or (with `refresh`, or when it is not there) by asking, and let it do that.

    Raises EndpointError or ProtocolError when the endpoint does not even answer a plain request, is overloaded or is gone: what
    cannot be checked is not recorded as lacking. Raises InputError when the cache folder cannot be written.
    """
    if refresh or recall(model) is None:
        finding = await _find(model)
        cache.keep("abilities", model.fingerprint, finding)
        model.abilities, model.dialect = model.able(finding.abilities), finding.dialect
    return model.abilities


def recall(model: Chat) -> Finding | None:
    """Let `model` do what an earlier probe found out, without a call; None if there was none, or its record cannot be read."""
    finding = cache.recall("abilities", model.fingerprint, Finding)
    if finding is not None:
        model.abilities, model.dialect = model.able(finding.abilities), finding.dialect
    return finding


async def _find(model: Chat) -> Finding:
    bold = replace(model, abilities=EVERYTHING, dialect=Dialect(running_usage=True), streaming=True)
    try:
        plain = await _plain(bold)
        usage, running = plain.usages[-1], _counts_as_it_goes(plain)
        continued = await _ask(bold, replace(WEEK, prefix="Monday, Tuesday, Wednes"))
        stopped = await _ask(bold, replace(WEEK, stop=(",", " ")))
        spoken = await _ask(bold, replace(WEEK, logprobs=True, max_tokens=8))
        ranked = await _ask(bold, replace(WEEK, top_logprobs=20, max_tokens=8))
        scored = await _ask(bold, replace(WEEK, prompt_logprobs=True, max_tokens=8))
        several = await _ask(bold, replace(WORDS, n=3))
        seeded = [await _ask(bold, replace(WORDS, seed=seed)) for seed in (1, 1, 2)]
    finally:
        await bold.close()
    abilities = Abilities(
        continues=model.api == "completions" or (continued is not None and continued.texts[0].startswith("day")),
        logprobs=spoken is not None and spoken.logprobs > 0,
        prompt_logprobs=scored is not None and scored.prompt_logprobs > 1,
        n=several is not None and len(set(several.drawn)) > 1,
        seed=_reproduces(seeded),
        stop=_stops(plain, stopped),
        usage=usage is not None,
        thinking=any(one is not None and any(one.thoughts) for one in (plain, stopped, several, *seeded)),
        names_stop=stopped is not None and stopped.stop is not None,
        top_logprobs=ranked is not None and ranked.top_logprobs > ranked.logprobs,
        raw=model.api == "chat",
    )
    overhead = bold.dialect.overhead if usage is None else usage.prompt  # the probe's own words are in it: a bound
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Finding(model.name, model.api, date, abilities, replace(bold.dialect, running_usage=running, overhead=overhead))


async def _plain(bold: Chat) -> Heard:
    """A plain request, with as much of the wish for usage as the endpoint bears. Raises if it bears not even the request."""
    heard = await _ask(bold, WEEK)
    if heard is None:
        bold.dialect = replace(bold.dialect, running_usage=False)
        heard = await _ask(bold, WEEK)
    if heard is None:
        bold.abilities = replace(bold.abilities, usage=False)
        heard = await _hear(bold, WEEK)
    return heard


async def _ask(bold: Chat, request: Request) -> Heard | None:
    """The answer; None if the endpoint refuses the request as such, or answers with something else."""
    try:
        return await _hear(bold, request)
    except ProtocolError:
        return None
    except EndpointError as error:
        if error.status in {400, 404, 405, 415, 422, 500, 501}:
            return None
        raise


async def _hear(bold: Chat, request: Request) -> Heard:
    heard = Heard([""] * request.n, [""] * request.n)
    async for chunk in bold.stream(request):
        heard.add(chunk)
    return heard


def _counts_as_it_goes(plain: Heard) -> bool:
    """Every chunk of a stream comes with a usage that has grown to more than nothing."""
    return len(plain.usages) > 1 and all(usage is not None and usage.completion for usage in plain.usages)


def _reproduces(seeded: list[Heard | None]) -> bool:
    """The same seed gives the same text, and another gives another: without that, sameness would prove nothing."""
    first, again, other = (one.drawn[0] if one else None for one in seeded)
    return bool(first) and first == again and first != other


def _stops(plain: Heard, stopped: Heard | None) -> bool:
    """The text ends before the first separator. A model that thinks for 32 tokens shows no effect: its acceptance must do."""
    if stopped is None or "," not in plain.texts[0]:
        return stopped is not None
    return stopped.finish_reason == "stop" and not {",", " "} & set(stopped.texts[0])
