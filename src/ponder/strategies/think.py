"""Budget forcing: think on where the model would end, or end where it would think on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ponder import budget, trace
from ponder.errors import BudgetExhausted, InputError, ModelError
from ponder.models.sample import most
from ponder.models.thoughts import CLOSE, OPEN
from ponder.strategies import strategy
from ponder.strategies.attempts import at_rest, attempted, reply
from ponder.strategies.direct import first
from ponder.strategies.draw import answer, ask, choose, marked
from ponder.strategies.patience import patiently
from ponder.strategies.steps import stopping_at
from ponder.types import Answer, Candidate, Model, Problem, Request, Sample, Usage

WAIT, FINAL = "Wait", "Final Answer:"


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model has thought so far, as it goes on from it: with our words, and with the opening tag if it writes one.

    `tokens` are the thinking tokens, our words among them. `tagged`: its thinking ends at `</think>`, and the answer is still to
    come; else at its own end, and the answer stands in it. `ended`: it came to that end and was not cut. `last` is its last draw,
    `usage` that of all, and `answers` are what the stretches that ended say, each by itself.
    """

    text: str = ""
    tokens: int = 0
    tagged: bool = False
    ended: bool = False
    last: Sample | None = None
    usage: Usage = field(default_factory=Usage)
    answers: tuple[str | None, ...] = ()

    @property
    def event(self) -> int | None:
        return self.last.event if self.last else None


@strategy("think", paper="Muennighoff 2025 (s1)", needs=("continues",))
async def think(
    problem: Problem,
    model: Model,
    *,
    waits: int = 2,
    minimum: int = 0,
    maximum: int = 0,
    settled: int = 0,
    patience: int = 0,
) -> Answer:
    """Make the model think longer by "Wait", or shorter by "Final Answer:": budget forcing (s1, Muennighoff et al. 2025).

    Where its thinking ends, "Wait" takes the place of the end and it goes on, at most `waits` times, or until it has thought for
    `minimum` tokens if that is given. After `maximum` thinking tokens (0: the task's `max_tokens` for each stretch) the end is
    forced, and the answer has the task's `max_tokens` to itself. Our words count. Without `waits` and `maximum` it is `direct`.

    `settled`: no "Wait" follows so many equal answers in a row (0: that does not matter). `patience`: a switch of thought within so
    many tokens of a thought's start is drawn a second time (`strategies.patience`; 0: it is not).

    Thinking ends at `</think>` where the model writes tags, else where it stops by itself: then what it wrote is the answer so far.
    Departs from the paper: text and a stop string stand for the special tokens, so that any model that continues a text will do;
    what the end costs is kept back from the budget, and where that leaves no room to think, the answer is a plain draw.
    """
    if min(waits, minimum, maximum) < 0 or 0 < maximum <= minimum:
        raise InputError(f"think needs waits >= 0 and 0 <= minimum < maximum (0: no limit): {waits}, {minimum} and {maximum}")
    if min(settled, patience) < 0:
        raise InputError(f"think needs settled and patience to be 0 (off) or more: {settled} and {patience}")
    thought, refused = Thought(), False
    try:
        if waits or maximum or patience:
            thought = await _think(problem, model, thought, maximum, patience)
        for _ in range(waits):
            longer = _waiting(problem, model, thought)
            if not thought.ended or 0 < minimum <= thought.tokens or 0 < maximum <= longer.tokens:
                break
            if at_rest(problem, thought.answers, settled, thought.event):
                break
            thought = await _think(problem, model, longer, maximum, patience)
    except BudgetExhausted:
        refused = True
    except ModelError:
        if thought.last is None:
            raise
    if thought.last is None:
        decided = await choose(problem, model, 1, first)
    else:
        decided = _lead(problem, await _conclude(problem, model, thought))
    return replace(decided, stopped="budget") if refused else marked(decided)


async def _think(problem: Problem, model: Model, thought: Thought, maximum: int, patience: int) -> Thought:
    """The thought continued to its next end, or cut. Raises `BudgetExhausted` where it would leave no room for the answer."""
    asked = ask(problem, thought.text)
    room = maximum - thought.tokens if maximum else asked.max_tokens
    asked = stopping_at(CLOSE, replace(asked, max_tokens=room), model.abilities)
    ending = _ending(problem, replace(thought, tagged=True, ended=False))
    kept = most(model, replace(ending, max_tokens=ending.max_tokens + room))  # its prompt will be longer by as much
    with budget.spending(budget.current().without(kept)):
        drawing = patiently(model, asked, patience, thought.event) if patience else reply(model, asked, parent=thought.event)
        drawn = await drawing
    tag = OPEN if drawn.reasoning and not thought.text else ""  # told apart from its tag, without which it would not go on
    text = thought.text + tag + (drawn.reasoning or drawn.text)
    further = Thought(
        text=text,
        tokens=thought.tokens + drawn.usage.completion,
        tagged=thought.tagged or drawn.stop == CLOSE or text.lstrip().startswith(OPEN),
        ended=drawn.finish_reason == "stop",
        last=drawn,
        usage=thought.usage + drawn.usage,
        answers=(*thought.answers, problem.task.extract(problem, drawn.reasoning or drawn.text)),
    )
    trace.current().record("thought", drawn.event, tokens=further.tokens, ended=further.ended)
    if further.ended and not further.tagged:
        attempted(_lead(problem, further).candidates[0])
    return further


def _waiting(problem: Problem, model: Model, thought: Thought) -> Thought:
    """The thought with "Wait" in place of its end."""
    text = _line(thought.text, WAIT)
    added = model.prompt_tokens(ask(problem, text)) - model.prompt_tokens(ask(problem, thought.text))
    return replace(thought, text=text, tokens=thought.tokens + added)


def _ending(problem: Problem, thought: Thought) -> Request:
    """What asks for the answer: after the closing tag, if there are tags, and where the thought was cut, after "Final Answer:"."""
    closed = _line(thought.text, f"{CLOSE}\n\n") if thought.tagged else thought.text
    return ask(problem, closed if thought.ended else _line(closed, FINAL))


async def _conclude(problem: Problem, model: Model, thought: Thought) -> Thought:
    """The thought with the answer that ends it; as it is, where that stands in it or its draw fails."""
    if thought.ended and not thought.tagged:
        return thought
    asked = _ending(problem, thought)
    try:
        drawn = await reply(model, asked, parent=thought.event)
    except ModelError:
        return thought
    concluded = replace(thought, text=asked.prefix + drawn.text, last=drawn, usage=thought.usage + drawn.usage)
    attempted(_lead(problem, concluded).candidates[0])
    return concluded


def _lead(problem: Problem, thought: Thought) -> Answer:
    """The answer as the thought stands."""
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


def _line(text: str, word: str) -> str:
    """The text with a word on a line of its own behind it."""
    return text + ("" if not text or text.endswith("\n") else "\n") + word
