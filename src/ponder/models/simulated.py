"""A model whose every property is a parameter: the public double for tests, documentation and demonstrations.

It knows problems of the form `simulated problem 17`, whose right answer is the last word, `17`; its wrong answers are `17~0`,
the attractor, and `17~1` to `17~J`. A solution is `steps` lines, each of which says whether all is well so far, and an answer:

    step 1 9d3f0a 55e1b2 right
    step 2 04c77e wrong
    answer 17~3

A token is one word with the white space behind it, so `len(text.split())` counts them. What comes back is a pure function of
the model's parameters and of the request's problem, prefix, seed and choice: order and concurrency change nothing.
"""

import asyncio
import re
from bisect import bisect_left
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import accumulate, zip_longest
from math import exp, expm1, log, sqrt
from random import Random
from typing import Literal
from zlib import crc32

from msgspec import structs

from ponder.errors import EndpointError, InputError
from ponder.types import Abilities, Chunk, FinishReason, Message, Price, Problem, Request, Usage

Fault = Literal["refuse", "break", "stall", "silent", "cut"]

QUESTION = re.compile(r"simulated problem (\S+)")
STEP = re.compile(r"^step \d+ .*\b(right|wrong) *$", re.MULTILINE)
OPEN_STEP = re.compile(r"step( \d+\b| *$)")
ANSWER = re.compile(r"\banswer:?\s+(\S+)", re.IGNORECASE)
ASKED = re.compile(r"\banswer:?\s*$", re.IGNORECASE)

ABLE = Abilities(continues=True, logprobs=True, prompt_logprobs=True, n=True, seed=True, top_logprobs=True)
VOCABULARY = 32_000


def dice(*key: object) -> Random:
    """A random generator of its own for each key: numbers, strings and tuples of them."""
    return Random(repr(key))


def final_answer(text: str) -> str | None:
    """The word after the last `answer` in `text`, or None."""
    found = ANSWER.findall(text)
    return found[-1] if found else None


@dataclass(slots=True)
class Tally:
    """What a model was sent and emitted, counted where it happens: aborted streams are in it, refused ones only as calls."""

    calls: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0

    @property
    def usage(self) -> Usage:
        return Usage(self.calls, self.prompt, self.cached, self.completion)


@dataclass(frozen=True)
class Simulated:
    """A simulated reasoner (a `types.Model`).

    `accuracy` is each problem's p, or the (alpha, beta) of the Beta law that p is drawn from by problem. A step goes wrong with
    the hazard h for which (1-h)^steps = p; a wrong step is followed by a right one with probability `recovery`. A wrong answer is
    the attractor with probability `attractor`, else one of `wrong` others by Zipf's law: a majority fails when
    attractor * (1-p) > p. When an attempt was answered already (an assistant's message after the question, or the prefix), the
    draw is one new answer: a wrong one is mended with probability `fixes`, a right one spoilt with probability `breaks`.

    A step has `words` tokens in the median, lognormal with log-deviation `spread`, `longer` times as many if it is wrong, and
    never fewer than 4. `confidence` is the correlation between correctness and ln(-log-probability), negated, at p = .5; the rest
    of the probability is shared equally by `VOCABULARY` - 1 other tokens, so that the likeliest ones show the same confidence.
    Temperature 0 goes for the most likely answer; every other temperature and every `top_p` sample the same law.

    With `block`, a request that has a prefix finds all whole blocks of its prompt but the last token cached. `latency` is in
    seconds a token. `faults` maps a fault to its probability a call: `refuse` raises before the first chunk, `break` midway,
    `stall` hangs midway until it is cancelled, `cut` ends midway without a finish reason, `silent` reports no usage. A call that
    failed fails again: take another seed. `abilities` can be denied, for tests of what needs them.
    """

    seed: int = 0
    accuracy: float | tuple[float, float] = (0.6, 1.4)
    steps: int = 4
    recovery: float = 0.0
    wrong: int = 20
    attractor: float = 0.0
    fixes: float = 0.0
    breaks: float = 0.0
    words: float = 6.0
    spread: float = 0.4
    longer: float = 1.3
    confidence: float = 0.5
    block: int = 0
    latency: float = field(default=0.0, repr=False)
    faults: Mapping[Fault, float] = field(default_factory=dict, hash=False)
    name: str = "simulated"
    abilities: Abilities = ABLE
    price: Price | None = field(default=None, repr=False)
    parameters: int | None = field(default=None, repr=False)
    concurrency: int = field(default=64, repr=False)
    tally: Tally = field(default_factory=Tally, compare=False, repr=False)

    def __post_init__(self) -> None:
        shares = {name: getattr(self, name) for name in ("recovery", "attractor", "fixes", "breaks", "confidence")}
        shares |= {"the sum of faults": sum(self.faults.values())}
        if isinstance(self.accuracy, float | int):
            shares["accuracy"] = self.accuracy
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise InputError(f"{name} of a simulated model must lie in [0, 1], and is {value!r}")
        if self.steps < 1 or self.wrong < 1:
            raise InputError(f"a simulated model needs steps >= 1 and wrong >= 1: got {self.steps} and {self.wrong}")

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what shapes the answers: the fields that `repr` shows."""
        return sha256(repr(self).encode()).hexdigest()[:16]

    def prompt_tokens(self, request: Request) -> int:
        return sum(len(text.split()) for text in _prompt(request))

    def difficulty(self, problem: Problem) -> float:
        """The problem's p: the probability that a draw without a prefix is right, if nothing recovers."""
        return self._accuracy(_question(problem.messages))

    def chance(self, problem: Problem, prefix: str = "") -> float:
        """The exact probability that a draw which continues `prefix` ends in the right answer."""
        question = _question(problem.messages)
        answered = final_answer(prefix)
        return self._chance(question, prefix) if answered is None else float(answered == question)

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """One chunk a token; the `n` draws of a call take turns. Raises EndpointError where `faults` ask for it."""
        fault = self._fault(request)
        self.tally.calls += 1
        if fault == "refuse":
            raise EndpointError("the simulated model refused the call, as its `faults` ask: draw with another seed", 503)
        usage = Usage(1, self.prompt_tokens(request), self._cached(request))
        self.tally.prompt += usage.prompt
        self.tally.cached += usage.cached
        turns = list(zip_longest(*(self._draw(request, choice) for choice in range(request.n))))
        for number, chunks in enumerate(turns):
            if fault in ("break", "stall", "cut") and number == len(turns) // 2:
                await _interrupt(fault)
                return
            await asyncio.sleep(self.latency)
            for chunk in filter(None, chunks):
                self.tally.completion += len(chunk.token_ids)
                usage += Usage(completion=len(chunk.token_ids))
                yield structs.replace(chunk, usage=usage if self.abilities.usage and fault != "silent" else None)

    async def close(self) -> None:
        pass

    def _fault(self, request: Request) -> Fault | None:
        if not self.faults:
            return None
        place = dice(self.seed, "fault", _question(request.messages), request.prefix, request.seed).random()
        for fault, probability in self.faults.items():
            place -= probability
            if place < 0:
                return fault
        return None

    def _cached(self, request: Request) -> int:
        if not (self.block and request.prefix):
            return 0
        return (self.prompt_tokens(request) - 1) // self.block * self.block

    def _accuracy(self, question: str) -> float:
        if isinstance(self.accuracy, tuple):
            return dice(self.seed, "accuracy", question).betavariate(*self.accuracy)
        return self.accuracy

    def _hazard(self, question: str) -> float:
        return 1 - float(self._accuracy(question) ** (1 / self.steps))

    def _chance(self, question: str, prefix: str) -> float:
        """The two-state chain right -> wrong (hazard), wrong -> right (recovery) after the steps that remain."""
        right, remaining = self._state(prefix)
        hazard = self._hazard(question)
        if hazard + self.recovery == 0:
            return float(right)
        limit = self.recovery / (hazard + self.recovery)
        return limit + (right - limit) * (1 - hazard - self.recovery) ** remaining

    def _state(self, prefix: str) -> tuple[bool, int]:
        """Whether all is well after `prefix`, and how many steps are still to be made."""
        states = STEP.findall(prefix)
        return not states or states[-1] == "right", max(0, self.steps - len(states))

    def _draw(self, request: Request, choice: int) -> list[Chunk]:
        tokens, logprobs = self._write(request, choice)
        count, shown, reason, stop = _ending(tokens, request)
        text, bounds = "".join(tokens), [0, *accumulate(map(len, tokens))]
        chunks = [
            Chunk(
                text=text[bounds[i] : min(bounds[i + 1], shown)],
                choice=choice,
                token_ids=(crc32(tokens[i].encode()),),
                logprobs=(logprobs[i],) if request.logprobs else (),
                top_logprobs=(_likeliest(logprobs[i], request.top_logprobs),) if request.top_logprobs else (),
                tokens=(tokens[i],) if request.logprobs or request.top_logprobs else (),
                top_tokens=(_ranked(tokens[i], logprobs[i], request.top_logprobs),) if request.top_logprobs else (),
            )
            for i in range(count)
        ] or [Chunk(choice=choice)]
        if request.prompt_logprobs and choice == 0:
            chunks[0] = structs.replace(chunks[0], prompt_logprobs=self._prompt_logprobs(request))
        chunks[-1] = structs.replace(chunks[-1], finish_reason=reason, stop=stop)
        return chunks

    def _write(self, request: Request, choice: int) -> tuple[list[str], list[float]]:
        """The tokens from the prefix to the end of the solution, and their log-probabilities."""
        question = _question(request.messages)
        begun, lines = self._lines(request, choice)
        scored = request.logprobs or request.top_logprobs
        tokens: list[str] = []
        logprobs: list[float] = []
        for number, line in enumerate(lines, 1):
            visible = line.removeprefix(begun) if number == 1 else line
            words = re.findall(r"\s*\S+\s*", visible + "\n" * (number < len(lines)))
            tokens += words
            logprobs += [self._logprob(question, line) if scored else 0.0] * len(words)
        if not begun and request.prefix and not request.prefix[-1].isspace():
            tokens[0] = "\n" + tokens[0]
        return tokens, logprobs

    def _lines(self, request: Request, choice: int) -> tuple[str, list[str]]:
        """The last line of the prefix, if it is not finished, and the lines to come, the first of which completes it."""
        question, earlier = _question(request.messages), _answered(request)
        rng = dice(self.seed, question, request.prefix, (request.seed, choice) if request.temperature > 0 else "greedy")
        path = self._path(request, rng) if earlier is None else [self._revised(earlier == question, request, rng)]
        answer = self._answer(path[-1], request, rng)
        last = request.prefix.rpartition("\n")[2]
        if ASKED.search(request.prefix):
            return last, [_glue(last, answer)]
        if earlier is not None:
            return "", [f"answer {answer}"]
        begun = last if OPEN_STEP.match(last) and not STEP.match(last) else ""
        first = self.steps - len(path) + 2
        steps = [self._step(begun if i == 0 else "", first + i, right, rng) for i, right in enumerate(path[1:])]
        return begun if steps else "", [*steps, f"answer {answer}"]

    def _path(self, request: Request, rng: Random) -> list[bool]:
        """Whether all is well now, and after each of the steps that remain."""
        right, remaining = self._state(request.prefix)
        question = _question(request.messages)
        if request.temperature == 0:
            chance = self._chance(question, request.prefix)
            return [right, *[chance >= (1 - chance) * max(self._shares())] * remaining]
        path, hazard = [right], self._hazard(question)
        for _ in range(remaining):
            path.append(rng.random() >= hazard if path[-1] else rng.random() < self.recovery)
        return path

    def _revised(self, right: bool, request: Request, rng: Random) -> bool:
        flip = self.breaks if right else self.fixes
        return right != (rng.random() < flip if request.temperature > 0 else flip > 0.5)

    def _shares(self) -> list[float]:
        """The law of a wrong answer: the attractor's share, then Zipf's over the others."""
        weights = [1 / rank for rank in range(1, self.wrong + 1)]
        rest = (1 - self.attractor) / sum(weights)
        return [self.attractor, *(rest * weight for weight in weights)]

    def _answer(self, right: bool, request: Request, rng: Random) -> str:
        question = _question(request.messages)
        if right:
            return question
        shares = self._shares()
        kinds = range(len(shares))
        kind = rng.choices(kinds, shares)[0] if request.temperature > 0 else max(kinds, key=shares.__getitem__)
        return f"{question}~{kind}"

    def _step(self, begun: str, number: int, right: bool, rng: Random) -> str:
        """A step's whole line, which starts with what is `begun` of it."""
        length = self.words * exp(self.spread * rng.gauss()) * (1 if right else self.longer)
        words = ["step", str(number), *(f"{rng.getrandbits(24):06x}" for _ in range(max(4, round(length)) - 3))]
        return _glue(begun, " ".join([*words[len(begun.split()) :], "right" if right else "wrong"]))

    def _logprob(self, question: str, line: str) -> float:
        """The log-probability of each token of a line: -exp(-1-c), where c is a noisy sign of the line's being right."""
        state, answer = STEP.match(line), final_answer(line)
        good = state[1] == "right" if state else None if answer is None else answer == question
        sign = 0 if good is None else 1 if good else -1
        noise = dice(self.seed, question, line).gauss()
        return -exp(-1 - self.confidence * sign - sqrt(1 - self.confidence**2) * noise)

    def _prompt_logprobs(self, request: Request) -> tuple[float | None, ...]:
        """A prefix is scored as it was when it was drawn, for the lines that are whole; the first token has no score."""
        question = _question(request.messages)
        lines = [line for text in _prompt(request) for line in text.splitlines()]
        return (None, *[self._logprob(question, line) for line in lines for _ in line.split()][1:])


def _prompt(request: Request) -> list[str]:
    return [*(message.content for message in request.messages), request.prefix]


def _question(messages: Sequence[Message]) -> str:
    """The name of the last problem that is named; in messages that name none, their last word."""
    text = "\n".join(message.content for message in messages)
    return (QUESTION.findall(text) or text.split() or ["nothing"])[-1]


def _answered(request: Request) -> str | None:
    """The answer that the assistant gave since the problem was last named, in a message or in the prefix."""
    asked = max(
        (i for i, message in enumerate(request.messages) if QUESTION.search(message.content)), default=len(request.messages)
    )
    since = [message.content for message in request.messages[asked + 1 :] if message.role == "assistant"]
    return final_answer("\n".join([*since, request.prefix]))


def _glue(line: str, word: str) -> str:
    return line + (" " if line and not line[-1].isspace() else "") + word


def _likeliest(drawn: float, count: int) -> tuple[float, ...]:
    """The log-probabilities of the `count` likeliest of `VOCABULARY` tokens, falling, where all but the drawn one are alike."""
    other = log(-expm1(drawn) / (VOCABULARY - 1))
    return tuple(sorted([drawn, *[other] * count], reverse=True)[:count])


def _ranked(token: str, drawn: float, count: int) -> tuple[str, ...]:
    """The texts of `_likeliest`: the drawn token's own, and numbers for the others."""
    place = _likeliest(drawn, count).index(drawn) if drawn in _likeliest(drawn, count) else count
    return tuple(token if rank == place else f"~{rank}" for rank in range(count))


def _ending(tokens: Sequence[str], request: Request) -> tuple[int, int, FinishReason, str | None]:
    """How many tokens are spent, how many characters of them are shown, why the draw ends, and on which stop string."""
    text, ends = "".join(tokens), list(accumulate(map(len, tokens)))
    found = [(text.find(stop) + len(stop), stop) for stop in request.stop if stop in text]
    end, stop = min(found, default=(len(text), None))
    count = bisect_left(ends, end) + 1
    if count > request.max_tokens:
        return request.max_tokens, len(text), "length", None
    return count, end - len(stop or ""), "stop", stop


async def _interrupt(fault: Fault) -> None:
    if fault == "break":
        raise EndpointError("the simulated model broke off midway, as its `faults` ask: draw with another seed")
    if fault == "stall":
        await asyncio.Event().wait()
