"""The nouns that everything else is written in: frozen dataclasses and three protocols. What each token or call makes anew is a
frozen `msgspec.Struct`, which is made in a twentieth of the time.

A `Problem` is asked, a `Request` is sent, `Chunk`s stream back and add up to a `Sample`; a `Sample` with
its extracted answer and its `Score` is a `Candidate`; the chosen `Candidate` with its bill is an `Answer`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

FinishReason = Literal["stop", "length", "cancelled", "error"]
Reads = Literal["nothing", "tests", "reference"]
Step = str | re.Pattern[str] | int


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `raw` is set where it holds more than text (images, calls of tools and their results): the whole message as JSON of
    the chat API, which is sent on untouched. `content` is then the text in it.
    """

    role: str
    content: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model asks to be called. `arguments` is JSON, as the model wrote it; in a `Chunk`, a piece of it."""

    id: str
    name: str
    arguments: str


class Usage(msgspec.Struct, frozen=True):
    """Tokens and calls. `prompt` counts every prompt token submitted, `cached` those of them served from a prefix cache."""

    calls: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0

    @property
    def computed(self) -> int:
        """Tokens the model really computed, the unit of a token budget: prompt - cached + completion."""
        return self.prompt - self.cached + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.completion + other.completion,
        )


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per token. Without a `cached` price, cached prompt tokens cost as much as the others."""

    prompt: float
    completion: float
    cached: float | None = None

    def usd(self, usage: Usage) -> float:
        cached = self.prompt if self.cached is None else self.cached
        return (usage.prompt - usage.cached) * self.prompt + usage.cached * cached + usage.completion * self.completion


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer cost. `usd` and `flops` are None where the price or the parameter count is unknown, never 0."""

    tokens: int = 0
    usd: float | None = None
    seconds: float = 0.0
    flops: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One draw, or `n` draws in one call where `Abilities.n` says that the model can.

    `prefix` is the assistant's text so far: the model continues it. `seed` is the draw's own seed, and `temperature` 0 is greedy.
    `logprobs` asks for the log-probability of every sampled token, `prompt_logprobs` for those of the prompt (with the prefix),
    `top_logprobs` for those of so many likeliest tokens at each place of the draw.
    `until` ends the draw as a stop string does, before its first match that is not empty at the very beginning, and `watch` where
    it says so; `models.drawing` looks for both, and no model needs to know of them. A watch changes nothing but the end.
    `fields` is a JSON object of more fields of the chat API, which are sent on untouched: `tools`, `response_format` and the like.
    """

    messages: tuple[Message, ...]
    prefix: str = ""
    max_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    logprobs: bool = False
    prompt_logprobs: bool = False
    n: int = 1
    until: re.Pattern[str] | None = None
    top_logprobs: int = 0
    watch: Watch | None = None
    fields: str = ""


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a stream. `choice` says which of the request's `n` draws it belongs to.

    The last chunk of a choice carries `finish_reason` and, if a stop string ended it, `stop` (the string itself is not part of
    the text). `usage` is the total so far of the whole call, where the model reports it; None means that it does not. `calls` are
    pieces of calls of tools, each with the call's number; `tokens` the texts of the tokens, where asked for with `logprobs`, and
    `top_tokens` those of `top_logprobs`.
    """

    text: str = ""
    choice: int = 0
    reasoning: str = ""
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    prompt_logprobs: tuple[float | None, ...] = ()
    finish_reason: FinishReason | None = None
    stop: str | None = None
    usage: Usage | None = None
    top_logprobs: tuple[tuple[float, ...], ...] = ()
    calls: tuple[tuple[int, Call], ...] = ()
    tokens: tuple[str, ...] = ()
    top_tokens: tuple[tuple[str, ...], ...] = ()


Watch = Callable[[], Callable[[Chunk], bool]]
"""What looks at a draw while it streams, and may end it: called once for each draw, it gives a function that is shown the draw's
chunks as they come, and says whether to cut it there. A frozen dataclass: the store knows it by its `repr`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One finished draw. A draw that failed or was cut is a sample too, with `error` or `finish_reason` saying so.

    `text` excludes `prefix` and `stop`, which is the stop string or what `until` has matched; `token_ids` and `logprobs` are those
    of all that was produced; `top_logprobs` has a row for each, the likeliest first. `seconds` is the draw's latency; `share` its
    part of the model's busy time (the shares of concurrent draws add up to the wall time). `usage_source` is `model` when the model
    counted, `rule` when a stated rule did (tokens seen one by one), `reserved` when nobody did and the most it can have cost was
    charged. `replayed` marks a draw that came from the store; `event` is the draw's event in the trace. `cut`: the request's
    `watch` ended it, and its `finish_reason` is `cancelled`. `calls` are the tools that it asks to be called, `tokens` and
    `top_tokens` as in `Chunk`.
    """

    text: str
    index: int = 0
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()  # noqa: RUF009 - it cannot change
    usage_source: Literal["model", "rule", "reserved"] = "model"
    reasoning: str = ""
    prefix: str = ""
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] | None = None
    prompt_logprobs: tuple[float | None, ...] | None = None
    stop: str | None = None
    seconds: float = 0.0
    share: float = 0.0
    error: str | None = None
    replayed: bool = False
    event: int | None = None
    top_logprobs: tuple[tuple[float, ...], ...] | None = None
    cut: bool = False
    calls: tuple[Call, ...] = ()
    tokens: tuple[str, ...] = ()
    top_tokens: tuple[tuple[str, ...], ...] = ()

    @property
    def whole(self) -> bool:
        """It came to its end, its own or where its watch cut it: the same request would give the same again."""
        return self.error is None and (self.cut or self.finish_reason in ("stop", "length"))


@dataclass(frozen=True, slots=True)
class Score:
    """A verifier's judgement in [0, 1], or None: it cannot tell, and `error` says why. `steps` holds one value a step."""

    value: float | None
    steps: tuple[float | None, ...] = ()
    error: str | None = None

    def __post_init__(self) -> None:
        for value in (self.value, *self.steps):
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"a score must lie in [0, 1] or be None: {value!r}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sample with the answer extracted from it (None: there is none to extract) and its score (None: not scored)."""

    sample: Sample
    answer: str | None
    score: Score | None = None

    @property
    def value(self) -> float | None:
        return None if self.score is None else self.score.value


@dataclass(frozen=True, slots=True)
class Answer:
    """What a solve returns: the chosen candidate, all the others, why it stopped and what it cost.

    `answer` is the extracted final answer, `text` the whole completion it stands in. `usage` is by role (`policy`, `verifier`,
    `judge`, and `replayed` for what came from the store at no cost). `oracle` is true when the choice read the reference answer
    or hidden tests.
    """

    answer: str | None
    text: str
    candidates: tuple[Candidate, ...] = ()
    stopped: Literal["done", "budget", "cancelled"] = "done"
    strategy: str = ""
    model: str = ""
    usage: Mapping[str, Usage] = field(default_factory=dict)
    cost: Cost = Cost()
    oracle: bool = False
    trace: Any = None


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can really do, probed and not assumed.

    `continues`: goes on from `Request.prefix`. `n`: many draws in one call. `usage`: counts its tokens, itself or, for what it does
    not say, by a stated `rule` (`usage_source`). `thinking`: separates its thinking text from its answer. `names_stop`: says which
    stop string ended a draw, so that this is told from an end of the model's own. `top_logprobs`: says which tokens were likeliest.
    `raw`: takes messages and fields of the chat API as they are: images, tools, formats, as far as the model behind it does.
    """

    continues: bool = False
    logprobs: bool = False
    prompt_logprobs: bool = False
    n: bool = False
    seed: bool = False
    stop: bool = True
    usage: bool = True
    usage_source: Literal["model", "rule"] = "model"
    thinking: bool = False
    names_stop: bool = field(default=True, repr=False)  # not in a simulated model's fingerprint: the answers stay the same
    top_logprobs: bool = field(default=False, repr=False)
    raw: bool = field(default=False, repr=False)


class Model(Protocol):
    """Who answers. One primitive, a stream, which `aclose()` cancels; `models.sample` builds everything else on it."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str:
        """Changes whenever the same request could be answered from another distribution: part of the store's key."""
        ...

    @property
    def abilities(self) -> Abilities: ...
    @property
    def price(self) -> Price | None: ...
    @property
    def parameters(self) -> int | None:
        """Parameters active per token, for FLOPs; None when unknown."""
        ...

    @property
    def concurrency(self) -> int:
        """How many draws the model can usefully run at once."""
        ...

    def prompt_tokens(self, request: Request) -> int:
        """The request's prompt length in tokens: exact where a tokenizer is at hand, else an upper bound."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Chunk, None]: ...
    async def close(self) -> None: ...


class Verifier(Protocol):
    """Who judges. `reads` says what it looks at besides the problem and the sample: unless `nothing`, selection is an *oracle*."""

    @property
    def name(self) -> str: ...
    @property
    def reads(self) -> Reads: ...
    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]: ...


@dataclass(frozen=True, slots=True)
class Thoughts:
    """How a task's partial solutions, which are texts, are grown and judged thought by thought (Tree of Thoughts, Yao et al. 2023).

    `propose(problem, text)` asks a model for the next thoughts, and `read(problem, text, reply)` finds them: the text after each,
    and the weight that the model gives it. `ended(problem, text)`: nothing is to be added. `judge(problem, text)` are questions
    about a text, whose replies end with a line that says one of `labels`; the values of these lie in [0, 1]. `value(problem, text)`
    judges without a model, exactly: in [0, 1], or None where it cannot tell.
    """

    propose: Callable[[Problem, str], str]
    read: Callable[[Problem, str, str], list[tuple[str, float]]]
    ended: Callable[[Problem, str], bool]
    judge: Callable[[Problem, str], tuple[str, ...]]
    labels: Mapping[str, float]
    value: Callable[[Problem, str], float | None] | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked and how it is graded; one instance a file of `tasks/`.

    `load(split, limit)` gives the split's problems in a fixed order. `extract(problem, text)` finds the final answer in a
    completion. `canonical(answer)` is equal for answers that mean the same: a vote's equivalence classes. `verifier` grades for the
    lab, for search (where it reads no reference) and for the RL reward alike. `recognise(text)` turns a user's words into a problem
    of this task, or None. `step` ends a step of a solution: a string, a regular expression or a number of tokens. `thoughts` says
    how a search thinks about it, where None is in general words. `exemplars` are few-shot (question, worked answer) pairs. `model`
    is the built-in model that answers when no other is named.
    """

    name: str
    about: str
    load: Callable[[str, int | None], list[Problem]]
    extract: Callable[[Problem, str], str | None]
    canonical: Callable[[str], str]
    verifier: Verifier | None
    recognise: Callable[[str], Problem | None] = lambda _: None
    splits: tuple[str, ...] = ("test",)
    max_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    step: Step = "\n"
    thoughts: Thoughts | None = None
    exemplars: tuple[tuple[str, str], ...] = ()
    model: str = "builtin:smollm2"
    source: str = ""
    licence: str = ""

    @property
    def chooser(self) -> Verifier | None:
        """The verifier, where it reads no reference and so may choose among candidates."""
        return self.verifier if self.verifier is not None and self.verifier.reads == "nothing" else None


@dataclass(frozen=True, slots=True)
class Problem:
    """One question. `id` is stable across runs and machines; `data` holds what the task's grader needs besides the reference.

    `logprobs`, `top_logprobs` and `fields` go into every `Request` that asks the problem.
    """

    id: str
    messages: tuple[Message, ...]
    task: Task = field(repr=False, compare=False)
    reference: str | None = field(default=None, repr=False)
    difficulty: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict, compare=False)
    logprobs: bool = False
    top_logprobs: int = 0
    fields: str = ""

    @property
    def question(self) -> str:
        """The last message's text: what the user asked."""
        return self.messages[-1].content
