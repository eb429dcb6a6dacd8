"""The endpoints: each reads its own shape, all ask the same way, each writes its own shape."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from fastapi import Request
from starlette.responses import Response

from ponder.serve import chat, completions, messages, responses, unfolding
from ponder.serve.archive import Archive, Kept
from ponder.serve.ask import Ask
from ponder.serve.compute import Plan, addressed
from ponder.serve.errors import Refusal
from ponder.serve.house import House
from ponder.serve.run import Ended, Update, running
from ponder.serve.schema.chat import ChatRequest, CompletionRequest, StreamOptions
from ponder.serve.schema.messages import Counted, MessageRequest
from ponder.serve.schema.responses import ResponseRequest
from ponder.serve.seams import Client
from ponder.serve.sse import Stream, at_once, unless_gone
from ponder.types import Message
from ponder.types import Request as Draw


async def chat_completion(request: Request, body: ChatRequest) -> Response:
    house, client = await entered(request)
    asked = chat.ask(body)
    plan, updates = await started(house, client, asked, bool(body.stream))
    if body.stream:
        return Stream(chat.chunks(plan, updates, _counted(body.stream_options), asked.reasoning), house.settings.alive)
    ended = await finished(request, updates)
    return at_once(chat.whole(plan, ended, asked.reasoning))


async def completion(request: Request, body: CompletionRequest) -> Response:
    house, client = await entered(request)
    plan, updates = await started(house, client, completions.ask(body), bool(body.stream))
    if body.stream:
        return Stream(completions.chunks(plan, updates, _counted(body.stream_options)), house.settings.alive)
    return at_once(completions.whole(plan, await finished(request, updates)))


async def response(request: Request, body: ResponseRequest) -> Response:
    house, client = await entered(request)
    before = await _before(house, client, body)
    plan, updates = await started(house, client, responses.ask(body, before), bool(body.stream))

    async def keep(over: dict[str, Any], ended: Ended) -> None:
        if house.archive is not None and plan.kept:
            said = responses.remembered(before, body, ended.replies[0].sample)
            await house.archive.keep_response(over["id"], client.id, Kept(msgspec.json.encode(over), said))

    if body.stream:
        return Stream(unfolding.events(plan, body, updates, keep), house.settings.alive)
    ended = await finished(request, updates)
    over = responses.whole(plan, body, ended)
    await keep(over, ended)
    return at_once(over)


async def kept_response(request: Request, name: str) -> Response:
    house, client = await entered(request)
    found = await _archive(house).response(name, client.id)
    if found is None:
        raise Refusal(404, f"there is no response {name!r} of yours here", "response_not_found", "id")
    return Response(found.body, media_type="application/json")


async def forgotten_response(request: Request, name: str) -> Response:
    house, client = await entered(request)
    if not await _archive(house).forget(name, client.id):
        raise Refusal(404, f"there is no response {name!r} of yours here", "response_not_found", "id")
    return at_once({"id": name, "object": "response", "deleted": True})


async def message(request: Request, body: MessageRequest) -> Response:
    house, client = await entered(request)
    plan, updates = await started(house, client, messages.ask(body), bool(body.stream))
    if body.stream:
        return Stream(messages.events(plan, body, updates), house.settings.alive)
    return at_once(messages.whole(plan, body, await finished(request, updates)))


async def counted_tokens(request: Request, body: Counted) -> Response:
    """The prompt's tokens: exact where the model has a tokenizer at hand, else an upper bound."""
    house, _ = await entered(request)
    model = house.models[addressed(body.model, house.settings)[0]]
    return at_once({"input_tokens": model.prompt_tokens(Draw(messages.conversation(body)))})


async def trace(request: Request, name: str) -> Response:
    """All that happened in a request, an array with one trace for each of its solves, for its owner."""
    house, client = await entered(request)
    found = await _archive(house).trace(name, client.id)
    if found is None:
        raise Refusal(404, f"there is no trace {name!r} of yours here", "trace_not_found", "id")
    return Response(found, media_type="application/json")


async def entered(request: Request) -> tuple[House, Client]:
    """The house, and who has come in. Raises `Refusal` for whom it does not know."""
    house: House = request.app.state.house
    return house, await house.seams.authorise(request.headers)


async def started(house: House, client: Client, ask: Ask, streams: bool) -> tuple[Plan, AsyncGenerator[Update, None]]:
    """The plan of a request and what will happen; nothing is spent until the first update is asked for.

    Where nothing `streams`, the draws are not heard piece by piece.
    """
    house.door.knock()
    plan = house.plan(ask)
    updates = running(plan, house, client, await house.seams.admit(client, plan), streams)
    await anext(updates)  # from here on its end settles the account, even if nobody ever asks for more
    return plan, updates


async def finished(request: Request, updates: AsyncGenerator[Update, None]) -> Ended:
    """The end alone, for answers that are sent whole. Raises `ClientGone` when the client is gone first."""
    async with unless_gone(request.receive), aclosing(updates) as running:
        async for update in running:
            if isinstance(update, Ended):
                return update
    raise AssertionError("a run ends with `Ended` or an error")


async def _before(house: House, client: Client, body: ResponseRequest) -> tuple[Message, ...]:
    """The conversation that a response goes on from."""
    if body.previous_response_id is None:
        return ()
    found = await _archive(house).response(body.previous_response_id, client.id)
    if found is None:
        why = f"there is no response {body.previous_response_id!r} of yours here"
        raise Refusal(400, why, "previous_response_not_found", "previous_response_id")
    return found.messages


def _archive(house: House) -> Archive:
    if house.archive is None:
        raise Refusal(404, "this server keeps nothing; send the whole conversation instead", "not_stored")
    return house.archive


def _counted(options: StreamOptions | None) -> bool:
    return bool(options and options.include_usage)
