"""Generative process reward models: a language model says of each step of a solution whether it is good or bad.

The judgement is read from the log-probability of one token, so any engine will do. Each prefix of a chain is a draw, and with
prefix caching the prompts of a chain cost together little more than one pass over it; a prefix is judged once a solve. A model may
think before it judges (GenPRM): what `builtin:mini-prm` thinks is how the solution could go on from the step.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import exp
from weakref import WeakKeyDictionary

from ponder import trace
from ponder.errors import AbilityMissing, BudgetExhausted
from ponder.models.sample import sample
from ponder.separator import split
from ponder.trace import Trace
from ponder.types import Chunk, Message, Model, Problem, Reads, Request, Sample, Score
from ponder.verifiers.evidence import Evidence

Ask = Callable[[Problem, Sequence[str]], Request]
"""The request whose last token judges the last of the steps."""

GOOD, BAD = "+", "-"
MARK = re.compile(r"(?:^|\s)([+-])")
"""A mark ends a thought, apart from it; none stands in one: the signs of `3+4` have no blank before them."""
THOUGHT = 64
"""The most tokens of a thought and its mark: four lines of Countdown."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Ends a draw at its mark, where no stop string has: the mark of a model that does not think stands at the very beginning."""

    def __call__(self) -> Callable[[Chunk], bool]:
        said = ""

        def seen(chunk: Chunk) -> bool:
            nonlocal said
            said += chunk.text
            return MARK.search(said) is not None

        return seen


def marked(question: str, steps: Iterable[str]) -> str:
    """The steps, one a line, each with its goal and the good mark behind it."""
    return "".join(f"{unmarked(question, step)}{GOOD}\n" for step in steps)


def unmarked(question: str, step: str) -> str:
    """A step up to its mark. A number that ends the question is the goal, and is told again: a small model sees it side by side."""
    goal = question.split()[-1]
    return f"{step} {goal} " if goal.isdecimal() else f"{step} "


def inline(problem: Problem, steps: Sequence[str]) -> Request:
    """The solution is the model's own text, a mark behind each step (`builtin:mini-prm`); it may think before the last one's."""
    asked = problem.question
    prefix = marked(asked, steps[:-1]) + unmarked(asked, steps[-1])
    return Request(problem.messages, prefix, max_tokens=THOUGHT, stop=(f" {GOOD}", f" {BAD}"), watch=Marked())


def turns(problem: Problem, steps: Sequence[str]) -> Request:
    """The user tells one step a turn, the assistant answers each with a mark (RLHFlow 2024); the question stands in the first."""
    told = [f"{problem.question} {steps[0]}", *steps[1:]]
    said = [message for step in told[:-1] for message in (Message("user", step), Message("assistant", GOOD))]
    return Request((*said, Message("user", told[-1])), max_tokens=1)


def question(problem: Problem, steps: Sequence[str]) -> Request:
    """Any instructed model is asked about the last step in words. The solution comes first, so that its prefixes are cached."""
    return _asking(
        problem, "A solution, step by step, as far as it goes", steps, "the last step right, and can it lead to the right answer"
    )


def whole(problem: Problem, steps: Sequence[str]) -> Request:
    """The same question about a whole solution: an outcome reward model."""
    return _asking(problem, "A solution", steps, "its final answer right")


def _asking(problem: Problem, shown: str, steps: Sequence[str], what: str) -> Request:
    written = "\n".join(steps)
    asked = (
        f"Problem:\n{problem.question}\n\n{shown}:\n{written}\n\nIs {what}? Reply with one character: {GOOD} for yes, {BAD} for no."
    )
    return Request((Message("user", asked),), max_tokens=1)


FORMATS: dict[str, Ask] = {"inline": inline, "turns": turns, "question": question}


@dataclass(frozen=True, slots=True)
class Generative:
    """Judges every step by the probability that `model` puts on the good mark behind it; the value is the last step's.

    The greedy mark's log-probability is read: of the good mark it is the value's, of the bad mark its complement's (exact for a
    model trained to say nothing else); a draw without a mark is no judgement. With `outcome` only whole solutions are judged, in
    one draw. The source of the format: Xiong et al. 2024 (RLHFlow); of judging by a token: Zhang et al. 2024 (GenRM); of thinking
    before it: Zhao et al. 2025 (GenPRM).
    """

    model: Model
    ask: Ask = inline
    outcome: bool = False
    name: str = "prm"
    reads: Reads = "nothing"

    @property
    def evidence(self) -> Evidence:
        """A trained model's formats are `inline` and `turns`; a model that is asked in words is a judge."""
        return "model" if self.ask in (inline, turns) else "judge"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        """A score for each sample. What the budget refuses is unknown. Raises `AbilityMissing` without log-probabilities."""
        if not self.model.abilities.logprobs:
            raise AbilityMissing(self.model.name, "logprobs", "a judgement is read from log-probabilities; take judge:MODEL")
        wanted = [self._requests(problem, one) for one in samples]
        known = _known.setdefault(trace.current().root, {})
        fresh = {(self.model.name, request): one.event for one, asked in zip(samples, wanted, strict=True) for request in asked}
        keys = [key for key in fresh if key not in known]
        read = await asyncio.gather(*(self._read(request, fresh[name, request]) for name, request in keys))
        known.update(zip(keys, read, strict=True))
        return [
            self._score(one, [known[self.model.name, request] for request in asked])
            for one, asked in zip(samples, wanted, strict=True)
        ]

    def _requests(self, problem: Problem, judged: Sample) -> list[Request]:
        """One request a step; none for a failed draw."""
        text = "" if judged.error else judged.prefix + judged.text
        steps = [step.strip() for step in split(text, problem.task.step)]
        sizes = range(len(steps) if self.outcome else 1, len(steps) + 1)
        return [replace(self.ask(problem, steps[:size]), temperature=0.0, logprobs=True) for size in sizes if size]

    async def _read(self, request: Request, event: int | None) -> _Reading:
        try:
            [drawn] = await sample(self.model, request, role="verifier", parent=event)
        except BudgetExhausted as refusal:
            return None, str(refusal)
        if drawn.error is not None:
            return None, f"`{self.model.name}` failed: {drawn.error}"
        said = drawn.text + (drawn.stop or "")
        mark = MARK.search(said)
        if mark is None or not drawn.logprobs:
            return None, f"`{self.model.name}` said {said!r} of a step, and neither {GOOD!r} nor {BAD!r}"
        ends = accumulate(map(len, drawn.tokens))  # more than the mark may have come in its chunk
        place = next((place for place, end in enumerate(ends) if end >= mark.end()), -1)
        chance = exp(min(0.0, drawn.logprobs[place]))
        return (chance if mark[1] == GOOD else 1 - chance), None

    def _score(self, judged: Sample, read: Sequence[_Reading]) -> Score:
        if not read:
            return Score(None, error=f"the draw failed: {judged.error}" if judged.error else "there is no step to judge")
        values = tuple(value for value, _ in read)
        return Score(values[-1], () if self.outcome else values, next((error for _, error in read if error), None))


_Reading = tuple[float | None, str | None]
"""A value, or why there is none."""

_known: WeakKeyDictionary[Trace, dict[tuple[str, Request], _Reading]] = WeakKeyDictionary()
"""What each solve has had judged already."""
