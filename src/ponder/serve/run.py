"""A request's way from its plan to its answers: the solves that it needs, heard while they run, cancelled with it, and billed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import ponder
from ponder import budget as budgets
from ponder import trace
from ponder.budget import Meter
from ponder.errors import AbilityMissing, BudgetExhausted, ModelError, PonderError
from ponder.models.sample import together
from ponder.serve.bill import Bill, bill
from ponder.serve.compute import Plan
from ponder.serve.door import Door
from ponder.serve.errors import Refusal
from ponder.serve.house import House
from ponder.serve.seams import Admission, Client
from ponder.serve.several import LIVELY, several
from ponder.serve.story import Story
from ponder.trace import Event, Trace
from ponder.types import Answer, Candidate, Chunk, Sample, Usage

TRIES = 3  # solves of a request whose draws have all failed; `LIVELY` where the upstream has written something


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence about the search."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the answer number `choice`, or of the reason why there is none."""

    choice: int
    chunk: Chunk
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished answer: the chosen sample, whose text is the answer's, and what the solve said of it.

    `refusal`: no candidate had the format that was asked for, and none is shown. `limit` is the kind of the limit that has ended
    the search, if one has.
    """

    sample: Sample
    answer: Answer
    refusal: str = ""
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """All answers, by choice, and the bill."""

    replies: tuple[Reply, ...]
    bill: Bill
    story: str

    @property
    def stopped(self) -> str:
        return next((one.answer.stopped for one in self.replies if one.answer.stopped != "done"), "done")

    @property
    def limit(self) -> str | None:
        """The kind of the limit that has ended it, if one has: tokens, usd, seconds or calls."""
        return next((one.limit for one in self.replies if one.limit is not None), None)


Update = Told | Said | Ended


@dataclass(slots=True)
class _Heard:
    """What has happened so far: a trace for each solve, all their events, what was said of each answer, the story, the answers.

    `updates` waits for whoever hears it as it happens; None where nobody does.
    """

    plan: Plan
    house: House
    client: Client
    tell: Story
    updates: asyncio.Queue[Update | None] | None
    traces: list[Trace] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    said: dict[int, list[Chunk]] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    def hear(self, choice: int, event: Event) -> None:
        """An event of the solve for that answer."""
        if event.kind != "spoken":
            self.events.append(event)
            self.house.seams.watch(self.client, self.plan, event, choice)
            self.narrate(self.tell(event))
            return
        choice = event.data["index"] if self.plan.strategy is several else choice
        self.house.seams.watch(self.client, self.plan, event, choice)
        self.said.setdefault(choice, []).append(event.data["chunk"])
        self.say(Said(choice, event.data["chunk"]))

    def narrate(self, sentence: str) -> None:
        """The story goes on, if there is something to tell."""
        if sentence:
            self.story.append(sentence)
            self.say(Told(sentence))

    def say(self, update: Update) -> None:
        if self.updates is not None:
            self.updates.put_nowait(update)


async def running(
    plan: Plan, house: House, client: Client, admission: Admission, aloud: bool = True
) -> AsyncGenerator[Update, None]:
    """What happens, as it happens if it is told `aloud`; the last is `Ended`. Closing the generator cancels all draws in flight.

    The first update says nothing and comes before anything is done: once it has been asked for, whatever the end, the bill is
    settled and the trace kept before it is over. Raises what `ponder.solve` does.
    """
    heard, began = _Heard(plan, house, client, Story(plan), asyncio.Queue() if aloud else None), time.monotonic()
    total: Bill | None = None

    def owed() -> Bill:
        return bill(heard.events, time.monotonic() - began, [one.sample for one in heard.replies])

    leave = house.door.enter()
    try:
        yield Told("")
        await house.door.turn()
        async with admission as meter:
            if heard.updates is None:
                await _answered(heard, meter)
            else:
                async with aclosing(_meanwhile(_answered(heard, meter), heard.updates)) as updates:
                    async for update in updates:
                        yield update
        total = owed()
        yield Ended(tuple(heard.replies), total, "".join(heard.story))
    finally:
        leave()
        await house.settled(client, plan, total or owed(), heard.traces)


async def _meanwhile(work: Coroutine[Any, Any, None], updates: asyncio.Queue[Update | None]) -> AsyncGenerator[Update, None]:
    """What `work` puts among the updates while it is done; closed, it is cancelled."""
    working = asyncio.ensure_future(work)
    working.add_done_callback(lambda _: updates.put_nowait(None))
    try:
        while (one := await updates.get()) is not None:
            yield one
        await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _answered(heard: _Heard, meter: Meter | None) -> None:
    """All the solves, to the last word of what is said of them."""
    plan = heard.plan
    for number in range(plan.solves):
        heard.traces.append(Trace(trace.seed(plan.seed, number), partial(heard.hear, number), heard.updates is not None))
    heard.replies += await _replies(plan, heard.traces, heard.house.door, meter)
    heard.narrate(heard.tell.end())
    for number, reply in enumerate(heard.replies if heard.updates is not None else ()):
        if reply.refusal:
            heard.say(Said(number, Chunk(), reply.refusal))
            continue
        for chunk in _rest(reply.sample, heard.said.get(number, [])):
            heard.say(Said(number, chunk))


async def _replies(plan: Plan, traces: list[Trace], door: Door, meter: Meter | None) -> list[Reply]:
    """One solve an answer, all at once and under one budget; plain draws are made in one solve, and by `n` where the model can."""
    with budgets.under(meter) if meter else nullcontext(), budgets.spending(plan.budget):
        solved = await together([_solve(plan, record, door) for record in traces])
    if plan.strategy is several:
        [(every, limit)] = solved
        return [Reply(one.sample, replace(every, answer=one.answer, text=_text(one)), limit=limit) for one in every.candidates]
    return [_reply(plan, *one) for one in solved]


def _reply(plan: Plan, solved: Answer, limit: str | None) -> Reply:
    """The chosen sample; a single draw, which may have been heard already, is sent whatever its format."""
    sample = _chosen(solved)
    wrong = None if plan.fault is None or sample.calls or plan.strategy.certain else plan.fault(sample.text)
    if wrong is None:
        return Reply(sample, solved, limit=limit)
    why = f"none of {len(solved.candidates)} candidates has the format that was asked for: {wrong}"
    return Reply(sample, solved, why, limit)


async def _solve(plan: Plan, record: Trace, door: Door) -> tuple[Answer, str | None]:
    """The answer, or at a limit the best one so far, and the kind of the limit.

    The server's own time limit is kept here, and not by the budget: a strategy hurries where its budget has one.
    """
    try:
        async with door.patience(plan.patience):
            answer = await _persistent(plan, record)
        refused = [event.data["limit"] for event in record.events if event.kind == "refused"]
        return answer, None if answer.stopped == "done" else (refused or ["budget"])[-1]
    except TimeoutError:
        best, limit = record.leading or _cut(plan, record.events), "seconds"
        if best is None and door.hurried:
            raise Refusal(503, "the server stops, and no answer was ready", "overloaded", headers={"Retry-After": "1"}) from None
        if best is None:
            raise Refusal(504, f"no answer was ready within {plan.patience:g} s, the server's limit", "timeout") from None
    except BudgetExhausted as refusal:
        best, limit = _cut(plan, record.events), refusal.limit
        if best is None:
            raise
    return replace(best, stopped="budget"), limit


async def _persistent(plan: Plan, record: Trace) -> Answer:
    """The solve, and another with other draws where all draws of the first have failed: `TRIES` or `LIVELY` times in all.

    Not where the request itself is at fault, nor where a piece of the answer may have been sent already.
    """
    for number in range(LIVELY):
        branch = record.branch(number) if number else record
        try:
            return await ponder.solve(
                plan.problem,
                model=plan.model,
                strategy=plan.strategy,
                verifier=plan.verifier,
                record=branch,
                **plan.parameters,
            )
        except ModelError as error:
            ours = isinstance(error, AbilityMissing) or getattr(error, "status", None) in (400, 413, 422)
            lively = plan.strategy is not several and _written(record)
            if number + 1 >= (LIVELY if lively else TRIES) or record.spoken or ours:
                raise
        finally:
            record.leading = branch.leading
    raise AssertionError("the last try returns or raises")


def _written(record: Trace) -> bool:
    """Whether an upstream has begun to answer, or may have."""
    return any(event.data["usage"]["completion"] for event in record.events if event.kind == "drawn")


def _cut(plan: Plan, events: list[Event]) -> Answer | None:
    """What was said when the draws were cut, where there is nothing better; None if there is nothing at all.

    That is the longest draw's, or of several plain draws each one's.
    """
    drawn = [_partial(event) for event in events if event.kind == "drawn" and event.data["role"] == "policy"]
    if not any(one.text for one in drawn):
        return None
    if plan.strategy is several:
        found = {one.index: one for one in drawn}
        return Answer(None, "", tuple(Candidate(found.get(number, Sample("", number, "length")), None) for number in range(plan.n)))
    longest = max(drawn, key=lambda one: len(one.text))
    return Answer(None, longest.text, (Candidate(longest, None),))


def _partial(event: Event) -> Sample:
    said = event.data
    return Sample(said["text"], said["index"], "length", usage=Usage(**said["usage"]), reasoning=said["reasoning"])


def _chosen(solved: Answer) -> Sample:
    """The sample of the candidate that was chosen, with the answer's whole text."""
    same = (one for one in solved.candidates if (_text(one), one.answer) == (solved.text, solved.answer))
    found = next(same, None) or next((one for one in solved.candidates if _text(one) == solved.text), None)
    if found is None:
        return Sample(solved.text)
    return replace(found.sample, text=solved.text, prefix="") if found.sample.prefix else found.sample


def _text(one: Candidate) -> str:
    return one.sample.prefix + one.sample.text


_WORD = re.compile(r"\s*\S+|\s+$")


def _rest(sample: Sample, said: list[Chunk]) -> Iterator[Chunk]:
    """The pieces of an answer that were not heard while it was drawn."""
    spoken = "".join(chunk.text for chunk in said)
    if not sample.text.startswith(spoken):
        raise PonderError("the answer is not the one that was heard while it was drawn: this is a fault of ponder; report it")
    if not said and sample.tokens and sample.logprobs and "".join(sample.tokens) == sample.text:
        yield from _tokens(sample)
    else:
        yield from (Chunk(word) for word in _WORD.findall(sample.text[len(spoken) :]))
    if not any(chunk.calls for chunk in said):
        yield from (Chunk(calls=((number, call),)) for number, call in enumerate(sample.calls))


def _tokens(sample: Sample) -> Iterator[Chunk]:
    for place, (token, logprob) in enumerate(zip(sample.tokens, sample.logprobs or (), strict=True)):
        top = (sample.top_logprobs[place],) if sample.top_logprobs else ()
        yield Chunk(token, logprobs=(logprob,), tokens=(token,), top_logprobs=top, top_tokens=sample.top_tokens[place : place + 1])
