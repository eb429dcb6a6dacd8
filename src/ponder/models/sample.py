"""The only way to a model: draws that are metered, traced and kept. Nothing else counts tokens; no strategy talks to a client."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from ponder import budget, store, trace
from ponder.budget import Charge
from ponder.cost import flops
from ponder.errors import AbilityMissing, BudgetExhausted, PriceUnknown
from ponder.models.drawing import Drawing
from ponder.models.gate import gate
from ponder.trace import Trace
from ponder.types import Chunk, Model, Request, Sample, Usage

T = TypeVar("T")
Call = Callable[[], Coroutine[Any, Any, T]]
"""What starts when it is called."""

_BATCH = 128  # the most draws asked for in one call: the usual limit on `n`

_claimed: WeakKeyDictionary[Trace, Counter[str]] = WeakKeyDictionary()
_made: WeakKeyDictionary[Trace, dict[tuple[str, int], Sample]] = WeakKeyDictionary()


async def draws(
    model: Model,
    request: Request,
    indices: Iterable[int],
    *,
    role: str = "policy",
    parent: int | None = None,
    abreast: Callable[[], int] | None = None,
) -> AsyncGenerator[Sample, None]:
    """Draw `request` once for each index, concurrently, and yield the samples as they finish.

    `request.seed` is the run's seed: each draw gets its own from the content key and its index. What the ambient store holds is
    replayed, and what this solve has drawn already is given again, at no cost. A draw that fails is a sample with `error`. At the
    budget's limit the draws in flight still finish and are yielded; then `BudgetExhausted` is raised. Closing the generator cancels
    what is in flight, and charges what it has produced.

    With `abreast`, at most `abreast()` draws are in flight, one a call and in the order of their indices, and the next one starts
    only when the next sample is asked for.
    """
    _require(model, request)
    singly = abreast or request.until or request.watch  # what ends before its time is ended one by one
    batched = model.abilities.n and not singly
    calls = deque(_calls(model, request, list(indices), role, parent, batched))
    refusal: BudgetExhausted | None = None
    async with aclosing(sliding(calls, abreast or (lambda: 2 * model.concurrency))) as finished:
        async for call in finished:
            try:
                samples = call.result()
            except BudgetExhausted as error:
                refusal = refusal or error
                if not batched:
                    calls.clear()  # what one draw lacks, the next lacks too; of calls for many, a smaller one may fit
                continue
            for sample in samples:
                yield sample
    if refusal is not None:
        trace.current().record("refused", limit=refusal.limit, allowed=refusal.allowed, spent=refusal.spent, needed=refusal.needed)
        raise refusal


async def sample(model: Model, request: Request, n: int = 1, *, role: str = "policy", parent: int | None = None) -> list[Sample]:
    """`n` draws in the order of their indices. Raises as `draws` does, and what was drawn by then is in the trace and the store."""
    return sorted([one async for one in draws(model, request, range(n), role=role, parent=parent)], key=lambda one: one.index)


def claim(model: Model, request: Request, count: int) -> list[int]:
    """The next indices that this solve has not drawn for the request; greedy draws are all alike and share the first."""
    if request.temperature == 0:
        return [0] * count
    key, claimed = store.key(model, request), _claimed.setdefault(trace.current(), Counter())
    claimed[key] += count
    return list(range(claimed[key] - count, claimed[key]))


async def sliding(calls: deque[Call[T]], width: Callable[[], int]) -> AsyncGenerator[asyncio.Future[T], None]:
    """Calls as they finish, started in order, at most `width()` in flight, and topped up when the next one is asked for.

    What is removed from `calls` is not started. Closing the generator cancels what is in flight, and waits for its end.
    """
    if len(calls) == 1:
        yield await _alone(calls.popleft())
        return
    running, finished = set[asyncio.Task[T]](), asyncio.Queue[asyncio.Task[T]]()
    try:
        while calls or running:
            while calls and len(running) < width():
                running.add(call := asyncio.create_task(calls.popleft()()))
                call.add_done_callback(finished.put_nowait)
            running.discard(call := await finished.get())
            yield call
    finally:
        for call in running:
            call.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _alone(call: Call[T]) -> asyncio.Future[T]:
    """A call that nothing runs beside needs no task of its own."""
    over: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    try:
        over.set_result(await call())
    except Exception as error:  # noqa: BLE001 - whoever reads the result gets it
        over.set_exception(error)
    return over


async def together(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; when one fails, or this is cancelled, none is left running."""
    calls = list(calls)
    if len(calls) == 1:
        return [await calls[0]]
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raw(request: Request) -> bool:
    """Whether it holds what only an endpoint of the chat API can be sent."""
    return bool(request.fields) or any(message.raw for message in request.messages)


def _require(model: Model, request: Request) -> None:
    """Say what the model lacks before anything is spent."""
    able = model.abilities
    for needed, has, ability, advice in (
        (request.prefix, able.continues, "continues", "it cannot go on from a given text; take a strategy that needs no prefix"),
        (request.stop, able.stop, "stop", "it cannot end at a given text; take a task without stop strings"),
        (request.logprobs, able.logprobs, "logprobs", "it gives no log-probabilities; take a verifier that needs none"),
        (request.top_logprobs, able.top_logprobs, "top_logprobs", "it gives none of other tokens; take the drawn tokens' own"),
        (request.prompt_logprobs, able.prompt_logprobs, "prompt_logprobs", "it cannot score a given text; use an engine that can"),
        (raw(request), able.raw, "raw", "it takes text alone, and no images, tools or response formats; take a chat endpoint"),
    ):
        if needed and not has:
            raise AbilityMissing(model.name, ability, advice)
    if model.price is None and budget.current().limits("usd"):
        raise PriceUnknown(model.name)


def _calls(
    model: Model, request: Request, indices: Sequence[int], role: str, parent: int | None, batched: bool
) -> Sequence[Call[list[Sample]]]:
    """The calls that give `indices`, in their order: a replay of each stored draw, else one draw a call, or many a call by `n`."""
    key, kept = store.key(model, request), store.current()
    made = _made.setdefault(trace.current().root, {})
    again = [partial(_again, made[key, index]) for index in indices if (key, index) in made]
    indices = [index for index in indices if (key, index) not in made]
    ready = kept.samples(key, indices) if kept else {}
    if not batched:
        return again + [
            partial(_replay, model, request, key, ready[index], role, parent)
            if index in ready
            else partial(_call, model, request, key, [index], role, parent)
            for index in indices
        ]
    missing = [index for index in indices if index not in ready]
    room = budget.current().room(msgspec.structs.replace(most(model, request), calls=0))
    replays = [partial(_replay, model, request, key, ready[index], role, parent) for index in indices if index in ready]
    return again + replays + [partial(_call, model, request, key, batch, role, parent) for batch in _batches(missing, room)]


def _batches(indices: Sequence[int], room: float) -> Iterator[Sequence[int]]:
    """The draws of each call: all; or where the budget has no room for all at once, as many as it has room for, and then ever
    fewer, since those leave more than their worst case would."""
    size = int(min(len(indices), _BATCH, room)) or 1
    shrinks = room < len(indices)
    while indices:
        yield indices[:size]
        indices = indices[size:]
        size = max(1, size // 2) if shrinks else size


async def _again(made: Sample) -> list[Sample]:
    """A draw that this solve has made, and paid for, already: a probe's, of which its strategy goes on."""
    return [made]


async def _replay(model: Model, request: Request, key: str, kept: Sample, role: str, parent: int | None) -> list[Sample]:
    """A stored draw counts against the limits, so that a resumed run ends where it would have ended, but costs nothing again."""
    meter, reserved = budget.current(), most(model, request)
    await meter.reserve(reserved)
    meter.settle(reserved, charge(model, kept.usage))
    return [_remember(key, _record(model, kept, "replayed", parent, origin=role))]


async def _call(model: Model, request: Request, key: str, indices: Sequence[int], role: str, parent: int | None) -> list[Sample]:
    """One call of the model for the draws `indices`, from reservation to settlement."""
    law = store.key(model, replace(request, watch=None)) if request.watch else key  # a watched draw is the same, up to its end
    request = replace(request, n=len(indices), seed=store.draw_seed(law, indices[0]))
    meter, most_used = budget.current(), worst(model, request)
    reserved = charge(model, most_used)
    drawing, stay = Drawing(indices, most_used), gate(model).enter(len(indices), trace.current().root)
    await meter.reserve(reserved, ahead=role != "policy")  # a candidate that is never judged was drawn for nothing
    try:
        async with meter.in_time(), stay:
            await drawing.run(model, request, _heard(indices) if role == "policy" and trace.aloud() else None)
    except TimeoutError:
        raise meter.out_of_time() from None
    finally:
        samples = drawing.samples(request, stay.seconds, stay.share)
        meter.settle(reserved, charge(model, sum((one.usage for one in samples), Usage())))
        if drawing.started:
            samples = [_remember(key, _keep(model, request, key, _record(model, one, role, parent))) for one in samples]
    return samples


def _heard(indices: Sequence[int]) -> Callable[[Chunk], None]:
    """Who hears the call's chunks as they come."""
    listening = trace.current()
    return lambda chunk: listening.speak(indices[chunk.choice], chunk)


def most(model: Model, request: Request) -> Charge:
    """The most that the request can be charged: what is reserved before it is sent."""
    return charge(model, worst(model, request))


def discard(model: Model, request: Request, drawing: Drawing, seconds: float) -> Charge:
    """Record a call that another has taken the place of, and say what it is charged."""
    for one in drawing.samples(request, seconds, 0.0):
        _record(model, one, "discarded", None)
    return charge(model, drawing.usage)


def worst(model: Model, request: Request) -> Usage:
    """The most that a call can use: some endpoints bill the prompt of each of its `n` draws."""
    return Usage(1, request.n * model.prompt_tokens(request), 0, request.n * request.max_tokens)


def charge(model: Model, usage: Usage) -> Charge:
    """What so many tokens cost of a budget."""
    return Charge(usage.computed, usage.calls, model.price.usd(usage) if model.price else 0.0)


def _record(model: Model, sample: Sample, role: str, parent: int | None, **more: str) -> Sample:
    event = trace.current().record(
        "drawn",
        parent,
        role=role,
        index=sample.index,
        text=sample.text,
        reasoning=sample.reasoning,
        finish_reason=sample.finish_reason,
        error=sample.error,
        usage=msgspec.to_builtins(sample.usage),
        usage_source=sample.usage_source,
        usd=model.price.usd(sample.usage) if model.price else None,
        flops=flops.of_draw(model, sample.usage),
        seconds=sample.seconds,
        share=sample.share,
        **more,
    )
    return replace(sample, event=event)


def _remember(key: str, sample: Sample) -> Sample:
    """The sample, which this solve will not draw again if it is whole."""
    if sample.whole:
        _made.setdefault(trace.current().root, {})[key, sample.index] = sample
    return sample


def _keep(model: Model, request: Request, key: str, sample: Sample) -> Sample:
    kept = store.current()
    if kept is not None:
        kept.put(key, model.name, request, sample)
    return sample
