"""Language models that judge: a grade by a rubric, a choice between two solutions, or a yes or no after reasons (GenRM).

What a reply says is read from its last verdict line. A reply without one is left out, never taken as a low grade.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from math import exp
from statistics import fmean
from typing import ClassVar

from ponder import trace
from ponder.errors import InputError
from ponder.models.sample import claim, draws, together
from ponder.types import Message, Model, Problem, Reads, Request, Sample, Score
from ponder.verifiers.evidence import Evidence
from ponder.verifiers.position import weigh

TOP = 10
RUBRIC = (
    "The final answer is right, and every step that leads to it holds. A solution whose final answer is wrong gets no more than 3, "
    "however well it is written. Length, tone and confidence count for nothing."
)

_SOLUTION = "# Problem\n\n{problem}\n\n# Solution\n\n{solution}\n\n"
_GRADE = _SOLUTION + (
    "# Rubric\n\n{rubric}\n\nCheck the solution against the rubric. Then end with a line `Grade: G`, "
    f"where G is a number from 0 (worthless) to {TOP} (faultless)."
)
_BETTER = (
    "# Problem\n\n{problem}\n\n# Solution 1\n\n{first}\n\n# Solution 2\n\n{second}\n\n# Rubric\n\n{rubric}\n\n"
    "Check both solutions against the rubric; which one is shown first says nothing. "
    "Then end with a line `Better: 1` or `Better: 2`."
)
_VERDICT = _SOLUTION + (
    "Is the final answer of this solution correct? Check it step by step. Then end with a line `Correct: Yes` or `Correct: No`."
)
_AT_ONCE = _SOLUTION + "Is the final answer of this solution correct? Reply with one word, Yes or No."

_GRADED = re.compile(r"\bgrade\b[*_`\s]*[:=][*_`$\s]*(?:\\boxed\{)?(\d+(?:\.\d+)?)", re.IGNORECASE)
_PREFERRED = re.compile(r"\bbetter\b[*_`\s]*[:=][*_`\s]*(?:solution\s*)?([12])\b", re.IGNORECASE)
_DECIDED = re.compile(r"\bcorrect\b[*_`\s]*[:=][*_`\s]*(yes|no)\b", re.IGNORECASE)
_TEMPERATURE = 0.7

Read = Callable[[Sample], float | None]
"""What a reply says, in [0, 1]; None where it cannot be read."""


@dataclass(frozen=True, slots=True)
class Opinion(ABC):
    """What a language model says of samples, each by itself: the mean of what `votes` replies say, of `max_tokens` each.

    A greedy reply is drawn once. The score is unknown, with the first reply's reason, where no reply can be read.
    """

    model: Model
    _: KW_ONLY
    votes: int = 1
    max_tokens: int = 512
    reads: Reads = "nothing"

    kind: ClassVar[str]
    evidence: ClassVar[Evidence] = "judge"

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.model.name}"

    @abstractmethod
    def ask(self, problem: Problem, solution: str) -> tuple[Request, Read]:
        """The request, and how its replies are read."""

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        return await together(self._score(problem, sample) for sample in samples)

    async def _score(self, problem: Problem, sample: Sample) -> Score:
        if self.votes < 1:
            raise InputError(f"a judge needs 1 vote or more, and has {self.votes}")
        if sample.error is not None:
            return Score(None, error=f"the draw failed: {sample.error}")
        request, read = self.ask(problem, _whole(sample))
        replies = await _replies(self.model, request, self.votes if request.temperature else 1, sample.event)
        values = _values(replies, read)
        if values:
            return Score(fmean(values))
        said = f"`{self.model.name}` gave no verdict that can be read: …{replies[0].text[-80:]!r}"
        return Score(None, error=replies[0].error or said)


@dataclass(frozen=True, slots=True)
class Judge(Opinion):
    """A model that grades by a rubric, 0 to 10, taken as 0 to 1; and that says which of two solutions is better.

    Replies are drawn at temperature 0.7. A comparison shows the two solutions in either order (Zheng et al. 2023 find that judges
    favour a place), and each verdict goes into the trace (`verifiers.position`).
    """

    rubric: str = RUBRIC
    kind: ClassVar[str] = "judge"

    def ask(self, problem: Problem, solution: str) -> tuple[Request, Read]:
        prompt = _GRADE.format(problem=asked(problem), solution=solution, rubric=self.rubric)
        return _request(prompt, self.max_tokens, _TEMPERATURE), _grade

    async def compare(self, problem: Problem, first: Sample, second: Sample, votes: int = 1) -> float | None:
        """The share of the readable among `votes` replies that prefer `first`, which half of them show second; None if none is."""
        if first.error is not None or second.error is not None:
            return None
        straight, swapped = await together(
            [self._prefer(problem, first, second, votes - votes // 2), self._prefer(problem, second, first, votes // 2)]
        )
        return weigh(first, second, straight, swapped)

    async def _prefer(self, problem: Problem, first: Sample, second: Sample, votes: int) -> list[float]:
        """1 for each readable reply that prefers the one shown first, 0 for the others."""
        prompt = _BETTER.format(problem=asked(problem), first=_whole(first), second=_whole(second), rubric=self.rubric)
        replies = await _replies(self.model, _request(prompt, self.max_tokens, _TEMPERATURE), votes, first.event)
        return _values(replies, lambda reply: _last(_PREFERRED, reply, {"1": 1.0, "2": 0.0}))


@dataclass(frozen=True, slots=True)
class GenRM(Opinion):
    """A generative verifier (Zhang et al. 2024, arXiv 2408.15240): P(yes) that the solution's answer is correct.

    With `reasons`, the mean verdict of `votes` rationales (32 as published), drawn at temperature 0.7; without, one greedy token,
    whose log-probability the model must give: P if it is yes, 1 - P if it is no. Departs from the paper: a rationale counts as its
    verdict, 1 or 0, not as that token's probability, so that any endpoint will do; an instructed model stands for a trained one;
    and without `reasons`, all that is not a no is taken as a yes.
    """

    reasons: bool = True
    kind: ClassVar[str] = "genrm"

    def ask(self, problem: Problem, solution: str) -> tuple[Request, Read]:
        prompt = (_VERDICT if self.reasons else _AT_ONCE).format(problem=asked(problem), solution=solution)
        if self.reasons:
            return _request(prompt, self.max_tokens, _TEMPERATURE), _verdict
        return _request(prompt, 1, 0.0, logprobs=True), _likelihood


def asked(problem: Problem) -> str:
    """The question; of a conversation, every turn by its speaker."""
    if len(problem.messages) == 1:
        return problem.question
    return "\n\n".join(f"{message.role}: {message.content}" for message in problem.messages)


def _request(prompt: str, max_tokens: int, temperature: float, logprobs: bool = False) -> Request:
    seed = trace.current().seed
    return Request((Message("user", prompt),), max_tokens=max_tokens, temperature=temperature, seed=seed, logprobs=logprobs)


async def _replies(model: Model, request: Request, votes: int, parent: int | None) -> list[Sample]:
    indices = claim(model, request, votes)
    replies = [reply async for reply in draws(model, request, indices, role="judge", parent=parent)]
    return sorted(replies, key=lambda reply: reply.index)


def _values(replies: Sequence[Sample], read: Read) -> list[float]:
    read_off = (read(reply) for reply in replies if reply.error is None)
    return [value for value in read_off if value is not None]


def _grade(reply: Sample) -> float | None:
    found = _GRADED.findall(reply.text)
    return float(found[-1]) / TOP if found and float(found[-1]) <= TOP else None


def _verdict(reply: Sample) -> float | None:
    return _last(_DECIDED, reply, {"yes": 1.0, "no": 0.0})


def _likelihood(reply: Sample) -> float | None:
    """P(yes), from the one token that the reply is."""
    word = reply.text.strip().lower()
    if not word or not reply.logprobs:
        return None
    likely = exp(min(0.0, reply.logprobs[0]))
    return likely if "yes".startswith(word) else 1 - likely if "no".startswith(word) else None


def _last(pattern: re.Pattern[str], reply: Sample, meaning: dict[str, float]) -> float | None:
    found = pattern.findall(reply.text)
    return meaning[found[-1].lower()] if found else None


def _whole(sample: Sample) -> str:
    return sample.prefix + sample.text
