"""Thinking that ends when its answer has settled: the model is asked for it while it thinks (Dynasor, Fu et al. 2024)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncGenerator, Hashable, Iterable
from dataclasses import replace
from math import fsum, log

from ponder import budget, trace
from ponder.errors import ModelError
from ponder.strategies import strategy
from ponder.strategies.attempts import at_rest, reply
from ponder.strategies.draw import ask
from ponder.strategies.steps import check
from ponder.strategies.thought import FINAL, Thought, closed, concluded, further, led, line, sparing
from ponder.types import Answer, Model, Problem

PROBE = f"I see now what the whole problem comes to.\n{FINAL}"
TOKENS = 20  # the most that a reply to the probe may have
HEDGE = re.compile(r"\b(?:wait|hold|but|okay|no|hmm)\b", re.IGNORECASE)
"""The words of one who is not sure yet, as published."""


@strategy("certaindex", paper="Fu 2024 (Dynasor)", needs=("continues",))
async def certaindex(problem: Problem, model: Model, *, window: int = 3, every: int = 64, maximum: int = 0) -> Answer:
    """Ask for the answer after every `every` tokens of thinking, and stop when `window` replies in a row agree (Dynasor, Fu 2024).

    A reply, of 20 tokens at most, is not thought on from; it is charged, under the role `verifier`. Only replies that have an
    answer and no word of doubt agree, and only agreement ends the thinking before its own end or `maximum` tokens (0: the task's
    `max_tokens`); the published code ends it on disagreement too. The paper's effort presets are, as (`window`, `every`): mild
    (8, 64), low (5, 64), mid (3, 64), high (2, 64), crazy (2, 32).

    Departs from the paper: what must agree is the answer as its task extracts it, and a word of doubt that is the answer itself
    is none; the probe is in our own words, at the task's temperature; what the end costs is kept back from the budget.
    """
    check("last", window=window, every=every)
    return await concluded(problem, model, _probed(problem, model, window, every, maximum or problem.task.max_tokens))


async def _probed(problem: Problem, model: Model, window: int, every: int, maximum: int) -> AsyncGenerator[Thought, None]:
    """The thought after each stretch, and last the one whose answer has settled."""
    thought, said = Thought(), list[str | None]()
    while True:
        yield (thought := await further(problem, model, thought, min(thought.tokens + every, maximum)))
        if thought.ended or thought.tokens >= maximum:
            return
        said.append(now := await _probe(problem, model, thought))
        agreed = certainty(problem.task.canonical(one) for one in said[-window:] if one is not None)
        trace.current().record("probed", thought.event, answer=now, certainty=agreed)
        if now is not None:
            answered = _answered(thought, now)
            led(problem, answered)
            if at_rest(problem, said, window, thought.event):
                yield answered
                return


async def _probe(problem: Problem, model: Model, thought: Thought) -> str | None:
    """The answer that the model would give now; None if it gives none, or doubts it."""
    asked = replace(ask(problem, line(thought.text, PROBE)), max_tokens=TOKENS)
    try:
        with budget.spending(sparing(problem, model, thought)):
            said = await reply(model, asked, role="verifier", parent=thought.event)
    except ModelError:
        return None
    answer = problem.task.extract(problem, f"{FINAL} {said.text.lstrip()}")
    return None if answer is None or HEDGE.search(said.text.replace(answer, "")) else answer


def _answered(thought: Thought, answer: str) -> Thought:
    """The thought cut here, with the answer behind it."""
    assert thought.last is not None
    return replace(thought, text=f"{closed(thought)} {answer}", answered=True, last=replace(thought.last, finish_reason="stop"))


def certainty(answers: Iterable[Hashable]) -> float | None:
    """How much n answers agree: (log n - H) / log n, H the entropy of their shares (Dynasor's certaindex of several paths).

    1 if all are equal, which one alone is, 0 if all differ; None of none.
    """
    counts = Counter(answers)
    if len(counts) <= 1:
        return float(len(counts)) or None
    total = counts.total()
    return fsum(count * log(count) for count in counts.values()) / (total * log(total))
