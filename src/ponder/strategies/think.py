"""Budget forcing: think on where the model would end, or end where it would think on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

from ponder.errors import InputError
from ponder.strategies import strategy
from ponder.strategies.attempts import at_rest
from ponder.strategies.draw import ask
from ponder.strategies.thought import Thought, concluded, further, line
from ponder.types import Answer, Model, Problem

WAIT = "Wait"


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
    return await concluded(problem, model, _stretches(problem, model, waits, minimum, maximum, settled, patience))


async def _stretches(
    problem: Problem, model: Model, waits: int, minimum: int, maximum: int, settled: int, patience: int
) -> AsyncGenerator[Thought, None]:
    """The thought after each stretch; none where nothing is forced."""
    if not (waits or maximum or patience):
        return
    yield (thought := await further(problem, model, Thought(), maximum, patience))
    for _ in range(waits):
        longer = _waiting(problem, model, thought)
        if not thought.ended or 0 < minimum <= thought.tokens or 0 < maximum <= longer.tokens:
            return
        if at_rest(problem, thought.answers, settled, thought.event):
            return
        yield (thought := await further(problem, model, longer, maximum, patience))


def _waiting(problem: Problem, model: Model, thought: Thought) -> Thought:
    """The thought with "Wait" in place of its end."""
    text = line(thought.text, WAIT)
    added = model.prompt_tokens(ask(problem, text)) - model.prompt_tokens(ask(problem, thought.text))
    return replace(thought, text=text, tokens=thought.tokens + added)
