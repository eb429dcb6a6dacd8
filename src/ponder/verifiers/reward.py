"""Reward models: what reads a solution and answers with numbers.

A reward model is a `types.Model` like any other, so its tokens are metered, traced and kept like those of every draw. Its request
holds the problem's messages and then one message of the assistant for each step; its whole answer is JSON: a list with a value for
each step (a process reward model), or one value for the solution (an outcome reward model).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ponder.errors import BudgetExhausted
from ponder.models.sample import sample, together
from ponder.separator import split
from ponder.types import Message, Model, Problem, Reads, Request, Sample, Score


@dataclass(frozen=True, slots=True)
class Reward:
    """Scores samples by a reward model: the value is the last step's, or the solution's; equal solutions are judged once a call.

    A failed call, or one that the budget refuses, gives an unknown score.
    """

    model: Model
    name: str = "reward"
    reads: Reads = "nothing"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        requests = [None if one.error or not (one.prefix + one.text).strip() else judging(problem, one) for one in samples]
        events = {request: one.event for request, one in zip(requests, samples, strict=True) if request is not None}
        judged = await together(self._judge(request, event) for request, event in events.items())
        scores = dict(zip(events, judged, strict=True))
        return [_unread(one) if request is None else scores[request] for request, one in zip(requests, samples, strict=True)]

    async def _judge(self, request: Request, event: int | None) -> Score:
        try:
            [answered] = await sample(self.model, request, role="verifier", parent=event)
        except BudgetExhausted as refusal:
            return Score(None, error=str(refusal))
        if answered.error is not None:
            return Score(None, error=answered.error)
        values = msgspec.json.decode(answered.text, type=float | list[float])
        return Score(values[-1], tuple(values)) if isinstance(values, list) else Score(values)


def judging(problem: Problem, judged: Sample) -> Request:
    """The request for the values of a sample's steps (`separator.split`)."""
    steps = split(judged.prefix + judged.text, problem.task.step)
    return Request((*problem.messages, *(Message("assistant", step) for step in steps)), max_tokens=0, temperature=0.0)


def parted(request: Request) -> tuple[tuple[Message, ...], list[str]]:
    """What `judging` put together: the problem's messages, and the steps, which joined are the solution."""
    count = len(request.messages)
    while count and request.messages[count - 1].role == "assistant":
        count -= 1
    return request.messages[:count], [message.content for message in request.messages[count:]]


def _unread(judged: Sample) -> Score:
    return Score(None, error=f"the draw failed: {judged.error}" if judged.error else "there is no step to judge")
