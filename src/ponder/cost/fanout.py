"""How a strategy's draws follow one another: which run side by side, which wait for others, what each computes.

A fan-out is all the draws of one query, each with the number of the query's draws that must have ended before it starts: 0 for all
of best-of-n, 0 1 2 … for a chain, i - 3 for a window of four. `lab.fanout` records them from strategies as they run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Draw:
    """`tokens` to decode behind a `prompt` of which `new` tokens are not cached; it starts when `after` draws have ended."""

    tokens: float
    prompt: float = 0.0
    new: float = 0.0
    after: int = 0


Fanout = tuple[Draw, ...]
"""The draws of one query, by rising `after`."""


def parallel(n: int, tokens: float, prompt: float = 0.0) -> Fanout:
    """`n` draws of one prompt side by side; the first computes the prompt."""
    return (Draw(tokens, prompt, prompt), *(Draw(tokens, prompt) for _ in range(n - 1)))


def chain(n: int, tokens: float, prompt: float = 0.0) -> Fanout:
    """`n` draws one after another, each behind the prompt and all that came before, which is cached."""
    return tuple(Draw(tokens, prompt + i * tokens, 0.0 if i else prompt, i) for i in range(n))


def scaled(draws: Iterable[Draw], times: float, question: float, asked: float) -> Fanout:
    """The same fan-out with `times` as many tokens a draw, and a question of `question` tokens where it had `asked`.

    What a prompt holds beyond the question, such as earlier drafts, grows with the draws.
    """
    return tuple(
        replace(
            one,
            tokens=one.tokens * times,
            prompt=question + max(0.0, one.prompt - asked) * times,
            new=_scaled_new(one, times, question, asked),
        )
        for one in draws
    )


def _scaled_new(one: Draw, times: float, question: float, asked: float) -> float:
    """Of a prompt's new tokens, those that reach into the question are the question's."""
    beyond = max(0.0, one.prompt - asked)
    later = min(one.new, beyond)
    return later * times + (one.new - later) * (question / asked if asked else 0.0)


def rounds(draws: Fanout) -> int:
    """The longest sequence of draws that wait for one another, if all draws of a round take equally long."""
    count, ended, started = 0, 0, 0
    while started < len(draws):
        ready = sum(one.after <= ended for one in draws[started:])
        if not ready:
            break
        count, started = count + 1, started + ready
        ended = started
    return count
