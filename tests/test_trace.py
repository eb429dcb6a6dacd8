"""Traces: read back, they redraw the tree, recompute the answer and recount the bill."""

import asyncio

import pytest

from ponder import trace
from ponder.errors import InputError
from ponder.models.simulated import Simulated
from ponder.solve import solve, stream
from ponder.tasks.simulated import problems
from ponder.trace import Trace
from ponder.types import Abilities, Cost


def solved(**settings):
    return asyncio.run(solve(problems(1)[0], model=Simulated(parameters=1000), strategy="self-consistency", n=9, **settings))


def test_one_solve_is_one_line_and_reads_back_equal():
    answer = solved()
    line = answer.trace.line()
    assert "\n" not in line
    assert Trace.read(line).events == answer.trace.events


def test_the_bill_and_the_answer_are_recounted_from_the_trace_alone():
    answer = solved()
    events = Trace.read(answer.trace.line()).events
    assert trace.usage(events) == answer.usage
    assert trace.cost(events, answer.cost.seconds) == answer.cost
    assert answer.cost.flops == 2 * 1000 * answer.cost.tokens
    assert events[-1].data["answer"] == answer.answer
    assert [event.kind for event in events if event.kind == "leading"][-1:] == ["leading"]


def test_unknown_prices_and_parameters_are_none_and_not_zero():
    answer = asyncio.run(solve(problems(1)[0], model=Simulated(), strategy="direct"))
    assert (answer.cost.usd, answer.cost.flops) == (None, None)
    assert answer.cost.tokens > 0
    assert trace.cost([], 1.0) == Cost(0, 0, 1.0, 0)


def test_every_draw_is_in_the_trace_with_its_parent_and_the_failed_ones_too():
    model = Simulated(abilities=Abilities(), faults={"break": 0.3})
    answer = asyncio.run(solve(problems(1)[0], model=model, strategy="self-consistency", n=20))
    drawn = [event.data for event in answer.trace.events if event.kind == "drawn"]
    assert len(drawn) == 20
    assert sum(one["error"] is not None for one in drawn) == 20 - len(answer.candidates) > 0


def test_scores_hang_from_the_draws_they_judge():
    answer = asyncio.run(solve(problems(1)[0], model=Simulated(), strategy="best-of-n", verifier="task", n=4))
    kinds = {event.id: event.kind for event in answer.trace.events}
    assert [kinds[event.parent] for event in answer.trace.events if event.kind == "scored"] == ["drawn"] * 4


def test_events_are_streamed_as_they_happen_and_closing_cancels():
    model = Simulated(abilities=Abilities(), latency=0.002)

    async def watch(limit):
        seen = []
        events = stream(problems(1)[0], model=model, strategy="self-consistency", n=8)
        async for event in events:
            seen.append(event.kind)
            if len(seen) == limit:
                break
        await events.aclose()
        return seen

    whole = asyncio.run(watch(None))
    assert (whole[0], whole[-1], whole.count("drawn")) == ("started", "answered", 8)
    before = model.tally.completion
    asyncio.run(watch(2))
    assert model.tally.completion - before < before


@pytest.mark.parametrize("line", ["", "{", "[]", '{"seed": 1}'])
def test_what_is_no_trace_is_an_error(line):
    with pytest.raises(InputError, match="not a trace"):
        Trace.read(line)
