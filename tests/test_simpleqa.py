"""SimpleQA: its questions, and that all of its own answers are right."""

import asyncio

from ponder.tasks.simpleqa import simpleqa
from ponder.types import Sample


def test_all_4326_references_are_right_and_unknown_is_not(data, monkeypatch):
    monkeypatch.setenv("PONDER_DATA", str(data))
    problems = simpleqa.load("test", None)
    assert len(problems) == 4326
    assert problems[0].question == "Who received the IEEE Frank Rosenblatt Award in 2010?"

    async def values(text):
        return [(await simpleqa.verifier(problem, [Sample(text(problem))]))[0].value for problem in problems]

    right = asyncio.run(values(lambda problem: rf"\boxed{{{problem.reference}}}"))
    assert set(right) == {1.0}
    assert set(asyncio.run(values(lambda problem: r"\boxed{unknown}"))) == {0.0}
    others = [problem.reference for problem in problems[1:]] + [problems[0].reference]
    swapped = asyncio.run(values(lambda problem: others[int(problem.id.partition("/")[2])]))
    assert swapped.count(1.0) < 10
