"""What an answer rests on. A judge's opinion is weaker evidence than a check, and is declared as such."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ponder.trace import Event
from ponder.types import Answer, Verifier

Evidence = Literal["reference", "check", "model", "vote", "judge"]
"""Strongest first: the reference or hidden tests; an exact check that reads neither; a reward model, or the sampler's own
log-probabilities; the agreement of independent draws; a language model's opinion."""

_STRONGEST: tuple[Evidence, ...] = ("reference", "check", "model", "vote", "judge")


def evidence(verifier: Verifier) -> Evidence:
    """What the verifier's word is: its attribute `evidence`, as it has `logprobs`; of one that does not say, a model's."""
    if verifier.reads != "nothing":
        return "reference"
    said: Evidence = getattr(verifier, "evidence", "model")
    return said


def weakest(several: Sequence[Verifier]) -> Evidence:
    """What can be said of several verifiers together."""
    return max((evidence(one) for one in several), key=_STRONGEST.index)


def rests_on(answer: Answer, events: Sequence[Event]) -> Evidence | None:
    """What a solve's answer rests on, from its trace; None for a single draw, which nothing speaks for.

    That is the latest event with an `evidence` which scored the chosen sample or compared candidates; without any, `judge` if the
    model said something about its own answers, else `vote` where there are several.
    """
    chosen = {one.sample.event for one in answer.candidates if one.sample.prefix + one.sample.text == answer.text}
    for event in reversed(events):
        if "evidence" in event.data and (event.kind != "scored" or event.parent in chosen):
            said: Evidence = event.data["evidence"]
            return said
    if any("judge" in (event.data.get("role"), event.data.get("origin")) for event in events):
        return "judge"
    return "vote" if len(answer.candidates) > 1 else None
