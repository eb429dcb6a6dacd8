"""The story of a search as a client may read it while it waits: what is tried, how many candidates agree, what it has cost.

No words of a candidate are told besides its final answer: hidden thinking stays hidden.
"""

from __future__ import annotations

import time
from collections import Counter

from ponder.serve.compute import Plan
from ponder.trace import Event
from ponder.types import Sample, Usage

PAUSE = 0.5  # seconds between two sentences about the same search


class Story:
    """A listener to the events of a request; gives the next sentence, or ""."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._votes = plan, Counter[str]()
        self._answers: dict[str, str] = {}
        self._draws, self._spent, self._usd = 0, Usage(), 0.0 if plan.model.price else None
        self._told, self._led = 0.0, ""

    def __call__(self, event: Event) -> str:
        if event.kind == "started":
            return self._began(event)
        if event.kind == "planned":
            return f"{_named(event.data['strategy'], event.data['parameters'])} is chosen.\n"
        if event.kind == "drawn" and not self._plan.strategy.certain:
            self._draw(event)
            return self._so_far()
        if event.kind == "escalated":
            return f"{event.data['model']} is not sure; {event.data['to']} is asked.\n"
        if event.kind == "refused":
            return f"The budget of {event.data['allowed']:g} {event.data['limit']} is reached.\n"
        return ""

    def end(self) -> str:
        """The last sentence: how it stands when all is decided."""
        self._told = 0.0
        return self._so_far(done=True) if self._draws > 1 else ""

    def _began(self, event: Event) -> str:
        if self._plan.strategy.certain or event.data["strategy"] == "auto":
            return ""
        return f"Trying {_named(event.data['strategy'], event.data['parameters'])}.\n"

    def _draw(self, event: Event) -> None:
        if event.data["role"] == "policy":
            self._draws += 1
            problem = self._plan.problem
            sample = Sample(event.data["text"])
            answer = None if event.data["error"] or event.parent is not None else problem.task.extract(problem, sample.text)
            if answer is not None:
                key = problem.task.canonical(answer)
                self._votes[key] += 1
                self._answers.setdefault(key, answer)
        self._spent += Usage(**event.data["usage"])
        usd = event.data["usd"]
        self._usd = None if usd is None or self._usd is None else self._usd + usd

    def _so_far(self, done: bool = False) -> str:
        now = time.monotonic()
        leading = self._votes.most_common(1)
        led = leading[0][0] if leading else ""
        if not done and now - self._told < PAUSE and led == self._led:
            return ""
        self._told, self._led = now, led
        agree = f", {leading[0][1]} agree on {' '.join(self._answers[led].split())[:60]}" if leading else ""
        price = "" if self._usd is None else f", ${self._usd:.4f}"
        return f"{self._draws} drawn{agree}; {self._spent.computed:,} tokens{price}.\n"


def _named(strategy: str, parameters: dict[str, object]) -> str:
    inside = ", ".join(f"{name}={value}" for name, value in parameters.items() if name != "policy")
    return f"{strategy}({inside})" if inside else strategy
