"""One attempt after another at the same problem: what sequential strategies share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import cycle

from ponder import trace
from ponder.errors import ModelError
from ponder.models.sample import claim, draws
from ponder.strategies.draw import answer, ask, judge, marked
from ponder.types import Answer, Candidate, Message, Model, Problem, Request, Sample, Verifier

IMPROVE = "Check your solution step by step, correct what is wrong in it, and give the whole solution again."

Critic = Callable[[Candidate], Awaitable[str | None]]
"""What the next attempt is told about the last one; None when nothing is wrong with it."""


def asking(problem: Problem, *said: str, verifier: Verifier | None = None) -> Request:
    """The request that asks `problem` after assistant and user have `said` these in turn."""
    turns = [Message(role, text) for role, text in zip(cycle(("assistant", "user")), said, strict=False)]
    asked = ask(problem, verifier=verifier)
    return replace(asked, messages=(*asked.messages, *turns))


async def reply(model: Model, request: Request, *, role: str = "policy", parent: int | None = None) -> Sample:
    """The next draw of `request` in this solve. Raises `ModelError` if it fails."""
    [drawn] = [one async for one in draws(model, request, claim(model, request, 1), role=role, parent=parent)]
    if drawn.error is not None:
        raise ModelError(drawn.error)
    return drawn


async def remark(model: Model, request: Request, about: Candidate) -> str:
    """What the model says about an attempt: drawn under the role `judge`, without the stop strings of a solution."""
    drawn = await reply(model, replace(request, stop=()), role="judge", parent=about.sample.event)
    return drawn.text


async def attempt(
    problem: Problem, model: Model, said: Sequence[str], number: int, verifier: Verifier | None = None, parent: int | None = None
) -> Candidate:
    """The solution that follows what was `said`, as candidate `number`, judged if there is a verifier."""
    drawn = replace(await reply(model, asking(problem, *said, verifier=verifier), parent=parent), index=number)
    candidate = Candidate(drawn, problem.task.extract(problem, drawn.text))
    return await judge(problem, candidate, verifier) if verifier else candidate


def attempted(candidate: Candidate, chain: int = 0) -> None:
    """Put the attempt's answer into the trace: those of one chain, in order, show what was mended and what was spoilt."""
    trace.current().record("attempted", candidate.sample.event, chain=chain, answer=candidate.answer)


def at_rest(problem: Problem, given: Sequence[str | None], settled: int, event: int | None = None, chain: int = 0) -> bool:
    """Whether the last `settled` answers of a chain are there and mean the same (0: never), so that it need not go on.

    That it ends here, after how many answers and with which one, is in the trace (`settled`, of the draw with this event).
    """
    last = given[-settled:] if settled else []
    meant = {one if one is None else problem.task.canonical(one) for one in last}
    if len(last) < settled or len(meant) != 1 or None in meant:
        return False
    trace.current().record("settled", event, chain=chain, answer=last[-1], answers=len(given))
    return True


async def improve(
    problem: Problem, model: Model, rounds: int, critic: Critic, verifier: Verifier | None = None, settled: int = 0
) -> Answer:
    """A solution, and up to `rounds` revisions of the latest, each told what the critic finds wrong with it.

    Ends early when that is nothing, when the verifier is certain (1), or when `settled` answers in a row are equal (`at_rest`). The
    answer is the latest of those with the highest score, without a verifier the latest. A failed draw loses its round; raises
    `ModelError` when no solution came.
    """
    attempts: list[Candidate] = []
    said: tuple[str, ...] = ()
    failure: ModelError | None = None
    for number in range(rounds + 1):
        latest = attempts[-1] if attempts else None
        try:
            if latest is not None:
                if at_rest(problem, [one.answer for one in attempts], settled, latest.sample.event):
                    break
                wrong = None if latest.value == 1.0 else await critic(latest)
                if wrong is None:
                    break
                said = latest.sample.text, wrong
            attempts.append(await attempt(problem, model, said, number, verifier, latest.sample.event if latest else None))
        except ModelError as error:
            failure = failure or error
            continue
        attempted(attempts[-1])
        trace.lead(answer(_preferred(attempts), attempts))
    if not attempts:
        raise ModelError(f"none of {rounds + 1} draws from `{model.name}` gave a solution; the first because: {failure}")
    return marked(answer(_preferred(attempts), attempts))


def _preferred(attempts: Sequence[Candidate]) -> Candidate:
    """The latest attempt of those that have an answer and, among them, the highest score; an unknown score is below all others."""

    def rank(one: Candidate) -> tuple[bool, float, int]:
        return one.answer is not None, -1.0 if one.value is None else one.value, one.sample.index

    return max(attempts, key=rank)
