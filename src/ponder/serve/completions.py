"""`/v1/completions`: OpenAI's older shape. A prompt is asked as a user's message; the text is the answer."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import accumulate
from typing import Any

from ponder.errors import PonderError
from ponder.serve import chat, schema
from ponder.serve.ask import Ask, Sampling
from ponder.serve.compute import Plan
from ponder.serve.errors import refusal
from ponder.serve.run import Ended, Said, Update
from ponder.serve.schema.chat import CompletionRequest
from ponder.serve.sse import frame
from ponder.types import Chunk, Message, Sample


def ask(body: CompletionRequest) -> Ask:
    prompt = body.prompt if isinstance(body.prompt, str) else body.prompt[0]
    return Ask(
        model=body.model,
        messages=(Message("user", prompt),),
        sampling=Sampling(
            max_tokens=body.max_tokens,
            temperature=body.temperature,
            top_p=body.top_p,
            stop=chat.stops(body.stop),
            seed=body.seed,
            logprobs=body.logprobs is not None,
            top_logprobs=body.logprobs or 0,
        ),
        compute=schema.compute(body.ponder),
        n=body.n or 1,
    )


def whole(plan: Plan, ended: Ended) -> dict[str, Any]:
    choices = [
        _choice(number, one.sample.text, _logprobs(one.sample), chat.finish(plan, one)) for number, one in enumerate(ended.replies)
    ]
    return _head(plan) | {"choices": choices, "usage": ended.bill.openai(), "ponder": chat.extension(plan, ended)}


async def chunks(plan: Plan, updates: AsyncGenerator[Update, None], usage: bool) -> AsyncGenerator[bytes, None]:
    """The pieces of the answer; the search is silent, for this shape has no place for its story."""
    head = _head(plan)
    try:
        async with aclosing(updates) as running:
            yield frame(head | {"choices": [_choice(0, "")]})
            async for update in running:
                match update:
                    case Said(choice, chunk) if chunk.text:
                        yield frame(head | {"choices": [_choice(choice, chunk.text, _logprobs(chunk))]})
                    case Ended():
                        for number, one in enumerate(update.replies):
                            last = {
                                "choices": [_choice(number, "", None, chat.finish(plan, one))],
                                "ponder": chat.extension(plan, update),
                            }
                            yield frame(head | last)
                        if usage:
                            yield frame(head | {"choices": [], "usage": update.bill.openai()})
    except PonderError as error:
        yield frame(refusal(error).body())
    yield frame("[DONE]")


def _head(plan: Plan) -> dict[str, Any]:
    return {"id": f"cmpl-{plan.id}", "object": "text_completion", "created": int(time.time()), "model": plan.name}


def _choice(number: int, text: str, logprobs: dict[str, Any] | None = None, finish: str | None = None) -> dict[str, Any]:
    return {"index": number, "text": text, "logprobs": logprobs, "finish_reason": finish}


def _logprobs(said: Chunk | Sample) -> dict[str, Any] | None:
    if not said.tokens or not said.logprobs:
        return None
    ranked = [dict(zip(names, row, strict=False)) for names, row in zip(said.top_tokens, said.top_logprobs or (), strict=False)]
    offsets = list(accumulate(map(len, said.tokens[:-1]), initial=0))
    return {"tokens": said.tokens, "token_logprobs": said.logprobs, "top_logprobs": ranked or None, "text_offset": offsets}
