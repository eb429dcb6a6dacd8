"""A thought as it grows, stretch by stretch, and the answer that ends it: what strategies that force a thinking model share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from ponder import budget, trace
from ponder.budget import Budget
from ponder.errors import BudgetExhausted, ModelError
from ponder.models.sample import most
from ponder.models.thoughts import CLOSE, OPEN
from ponder.strategies.attempts import attempted, reply
from ponder.strategies.direct import first
from ponder.strategies.draw import answer, ask, choose, marked
from ponder.strategies.patience import patiently
from ponder.strategies.steps import stopping_at
from ponder.types import Answer, Candidate, Model, Problem, Request, Sample, Usage

FINAL = "Final Answer:"


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model has thought so far, as it goes on from it: with our words, and with the opening tag if it writes one.

    `tokens` are the thinking tokens, our words among them. `tagged`: its thinking ends at `</think>`, and the answer is still to
    come; else at its own end, and the answer stands in it. `ended`: it came to that end and was not cut. `answered`: the answer
    stands behind it already. `last` is its last draw, `usage` that of all, and `answers` are what the stretches that ended say,
    each by itself.
    """

    text: str = ""
    tokens: int = 0
    tagged: bool = False
    ended: bool = False
    answered: bool = False
    last: Sample | None = None
    usage: Usage = field(default_factory=Usage)
    answers: tuple[str | None, ...] = ()

    @property
    def event(self) -> int | None:
        return self.last.event if self.last else None


async def concluded(problem: Problem, model: Model, thoughts: AsyncGenerator[Thought, None]) -> Answer:
    """The answer that ends the last of `thoughts`, each of which goes on from the one before; a plain draw where there is none.

    Where the budget refuses a thought, or its draw fails, the one before is the last. Raises `ModelError` when the first fails.
    """
    thought, refused = Thought(), False
    try:
        async with aclosing(thoughts):
            async for thought in thoughts:  # noqa: B007 - the last one is what is wanted
                pass
    except BudgetExhausted:
        refused = True
    except ModelError:
        if thought.last is None:
            raise
    if thought.last is None:
        decided = await choose(problem, model, 1, first)
    else:
        decided = led(problem, await _conclude(problem, model, thought))
    return replace(decided, stopped="budget") if refused else marked(decided)


async def further(problem: Problem, model: Model, thought: Thought, maximum: int = 0, patience: int = 0) -> Thought:
    """The thought continued to its next end, or cut when it has `maximum` tokens in all (0: the task's `max_tokens` more).

    With `patience` a switch that comes too soon is held back. Raises `BudgetExhausted` where it would leave no room for the answer.
    """
    asked = ask(problem, thought.text)
    room = maximum - thought.tokens if maximum else asked.max_tokens
    asked = stopping_at(CLOSE, replace(asked, max_tokens=room), model.abilities)
    with budget.spending(sparing(problem, model, thought, room)):
        drawing = patiently(model, asked, patience, thought.event) if patience else reply(model, asked, parent=thought.event)
        drawn = await drawing
    tag = OPEN if drawn.reasoning and not thought.text else ""  # told apart from its tag, without which it would not go on
    text = thought.text + tag + (drawn.reasoning or drawn.text)
    longer = Thought(
        text=text,
        tokens=thought.tokens + drawn.usage.completion,
        tagged=thought.tagged or drawn.stop == CLOSE or text.lstrip().startswith(OPEN),
        ended=drawn.finish_reason == "stop",
        last=drawn,
        usage=thought.usage + drawn.usage,
        answers=(*thought.answers, problem.task.extract(problem, drawn.reasoning or drawn.text)),
    )
    trace.current().record("thought", drawn.event, tokens=longer.tokens, ended=longer.ended)
    if longer.ended and not longer.tagged:
        attempted(led(problem, longer).candidates[0])
    return longer


def sparing(problem: Problem, model: Model, thought: Thought, room: int = 0) -> Budget:
    """What is left of the budget beside the end of the thought `room` tokens later. Raises `BudgetExhausted` if nothing is."""
    ending = _ending(problem, replace(thought, tagged=True, ended=False))
    return budget.current().without(most(model, replace(ending, max_tokens=ending.max_tokens + room)))  # a longer prompt


def led(problem: Problem, thought: Thought) -> Answer:
    """The answer as the thought stands, which leads from now on."""
    assert thought.last is not None
    reasoning, _, text = thought.text.partition(CLOSE) if thought.tagged else ("", "", thought.text)
    sample = Sample(
        text=text.lstrip() if thought.tagged else text,
        finish_reason=thought.last.finish_reason,
        usage=thought.usage,
        usage_source=thought.last.usage_source,
        reasoning=reasoning.lstrip().removeprefix(OPEN),
        event=thought.last.event,
    )
    candidate = Candidate(sample, problem.task.extract(problem, sample.text))
    return trace.lead(answer(candidate, [candidate]))


def closed(thought: Thought) -> str:
    """The thought's text, behind the closing tag if there are tags; where it was cut, "Final Answer:" follows."""
    text = line(thought.text, f"{CLOSE}\n\n") if thought.tagged else thought.text
    return text if thought.ended else line(text, FINAL)


def line(text: str, word: str) -> str:
    """The text with a word on a line of its own behind it."""
    return text + ("" if not text or text.endswith("\n") else "\n") + word


def _ending(problem: Problem, thought: Thought) -> Request:
    """What asks for the answer."""
    return ask(problem, closed(thought))


async def _conclude(problem: Problem, model: Model, thought: Thought) -> Thought:
    """The thought with the answer that ends it; as it is, where that stands in it or its draw fails."""
    if thought.answered or (thought.ended and not thought.tagged):
        return thought
    asked = _ending(problem, thought)
    try:
        drawn = await reply(model, asked, parent=thought.event)
    except ModelError:
        return thought
    ended = replace(thought, text=asked.prefix + drawn.text, last=drawn, usage=thought.usage + drawn.usage)
    attempted(led(problem, ended).candidates[0])
    return ended
