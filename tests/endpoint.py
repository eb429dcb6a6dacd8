"""A real OpenAI-compatible server on loopback, small and deterministic, that lacks abilities and misbehaves on demand."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]

DAYS = "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"
ALL = frozenset({"n", "logprobs", "top_logprobs", "prompt_logprobs", "seed", "continues", "stop", "names_stop", "usage", "running"})


def status(code: int, body: Any = None, **headers: str) -> Fault:
    """Refuse with an error status."""

    async def fault(request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {"error": {"message": "no", "type": "test"}} if body is None else body, status=code, headers=headers
        )

    return fault


def raw(body: str | bytes, content_type: str = "application/json", code: int = 200) -> Fault:
    """Answer with exactly this."""

    async def fault(request: web.Request) -> web.StreamResponse:
        data = body.encode() if isinstance(body, str) else body
        return web.Response(body=data, content_type=content_type, status=code)

    return fault


def events(*blocks: str | bytes, then: str = "end") -> Fault:
    """Send these blocks as an event stream, then end it, `reset` the connection or `stall`."""

    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for block in blocks:
            await response.write(block.encode() if isinstance(block, str) else block)
            await asyncio.sleep(0.002)
        if then == "reset":
            assert request.transport is not None
            request.transport.abort()
        elif then == "stall":
            await asyncio.sleep(30)
        return response

    return fault


async def reset(request: web.Request) -> web.StreamResponse:
    """Close the connection without a word."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def delta(text: str | None = None, finish: str | None = None, index: int = 0, **more: Any) -> str:
    """One event of a chat stream."""
    fields = {"content": text} if text is not None else {}
    extra = {key: more.pop(key) for key in ("usage", "prompt_logprobs") if key in more}
    known = {key: more.pop(key) for key in ("logprobs", "stop_reason") if key in more}
    choice = {"index": index, "delta": fields | more, "finish_reason": finish, **known}
    return f"data: {json.dumps({'choices': [choice], **extra})}\n\n"


Drawn = tuple[list[str], str, str | None]

DONE = "data: [DONE]\n\n"


@dataclass
class Endpoint:
    """Knows the days of the week, and draws random words at a temperature above 0. A token is a part of three characters.

    `faults` are used up by the first requests. `bodies` and `headers` hold what was sent; `written` counts the streamed tokens.
    """

    can: frozenset[str] = ALL
    faults: list[Fault] = field(default_factory=list)
    limit: str = "max_tokens"
    template: int = 11
    pace: float = 0.0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    written: int = 0
    most: int = 0
    url: str = ""
    _now: int = 0

    @asynccontextmanager
    async def run(self, port: int = 0) -> AsyncIterator[Endpoint]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._serve)
        app.router.add_post("/v1/completions", self._serve)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            body = await request.json()
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
            if self.faults:
                return await self.faults.pop(0)(request)
            if request.path.endswith("/chat/completions") and self.limit not in body:
                return await status(400, {"error": {"message": f"Use '{self.limit}' instead.", "code": "unsupported_parameter"}})(
                    request
                )
            if body["model"] != "weekly":
                return await status(404, {"error": {"message": f"no model {body['model']}", "code": "model_not_found"}})(request)
            return await self._answer(request, body)
        finally:
            self._now -= 1

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        chat = request.path.endswith("/chat/completions")
        drawn = [self._draw(body, chat, index) for index in range(body.get("n", 1) if "n" in self.can else 1)]
        asked = " ".join(message["content"] for message in body["messages"]) if chat else body["prompt"]
        prompt = self.template * chat + len(asked) // 3 + 1
        usage = {"prompt_tokens": prompt, "completion_tokens": sum(len(tokens) for tokens, *_ in drawn)}
        usage |= {"total_tokens": sum(usage.values()), "prompt_tokens_details": {"cached_tokens": 3}}
        if body.get("stream"):
            return await self._stream(request, body, chat, drawn, usage)
        choices = [
            {"index": index, "finish_reason": finish, "stop_reason": stop, "logprobs": self._logprobs(body, chat, tokens)}
            | _said(chat, "message", "".join(tokens))
            for index, (tokens, finish, stop) in enumerate(drawn)
        ]
        reply: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": "weekly", "choices": choices}
        if "usage" in self.can:
            reply["usage"] = usage
        if "prompt_logprobs" in body and "prompt_logprobs" in self.can:
            reply["prompt_logprobs"] = [None] + [{"7": {"logprob": -0.5, "rank": 1}}] * (prompt - 1)
        return web.json_response(reply)

    async def _stream(
        self, request: web.Request, body: dict[str, Any], chat: bool, drawn: list[Drawn], usage: dict[str, Any]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        options = body.get("stream_options") or {}
        running = {"running", "usage"} <= self.can and options.get("continuous_usage_stats")
        head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "weekly"}
        for position in range(max(len(tokens) for tokens, *_ in drawn) + 1):
            for index, (tokens, finish, stop) in enumerate(drawn):
                if position > len(tokens):
                    continue
                last = position == len(tokens)
                piece = "" if last else tokens[position]
                choice = {"index": index, "finish_reason": finish if last else None, "stop_reason": stop if last else None}
                choice |= _said(chat, "delta", piece)
                choice["logprobs"] = None if last else self._logprobs(body, chat, [piece])
                event = head | {"choices": [choice]}
                if running:
                    event["usage"] = usage | {"completion_tokens": position + 1 - last, "total_tokens": None}
                self.written += not last
                await response.write(f"data: {json.dumps(event)}\r\n\r\n: alive\r\n\r\n".encode())
                await asyncio.sleep(self.pace)
        if "usage" in self.can and options.get("include_usage"):
            await response.write(f"data: {json.dumps(head | {'choices': [], 'usage': usage})}\n\n".encode())
        await response.write(DONE.encode())
        return response

    def _draw(self, body: dict[str, Any], chat: bool, index: int) -> Drawn:
        """One choice's tokens, why it finished, and the stop string that it names."""
        seed = body.get("seed") if "seed" in self.can else None
        words = random.Random(None if seed is None else seed + index)
        asked = body["messages"][-1]["content"] if chat else body["prompt"]
        prefix = asked if not chat else asked if body.get("continue_final_message") and "continues" in self.can else ""
        if "Monday" in prefix:
            text = DAYS.removeprefix(prefix[prefix.index("Monday") :])
        elif body["temperature"] and "days" not in asked:
            text = " ".join(words.choice(["red", "green", "blue", "grey"]) for _ in range(20))
        else:
            text = DAYS
        finish, named = "stop", None
        if "stop" in self.can:
            text, named = min(((text.split(stop)[0], stop) for stop in body.get("stop", []) if stop in text), default=(text, None))
        tokens = [text[at : at + 3] for at in range(0, len(text), 3)]
        most = body.get("max_tokens") or body.get("max_completion_tokens") or 16
        if len(tokens) > most:
            tokens, finish, named = tokens[:most], "length", None
        return tokens, finish, named if "names_stop" in self.can else None

    def _logprobs(self, body: dict[str, Any], chat: bool, tokens: list[str]) -> dict[str, Any] | None:
        if not body.get("logprobs") or "logprobs" not in self.can:
            return None
        if not chat:
            ranked = {str(-rank): -0.25 - rank for rank in range(body["logprobs"] if "top_logprobs" in self.can else 1)}
            return {"tokens": tokens, "token_logprobs": [-0.25] * len(tokens), "top_logprobs": [ranked] * len(tokens)}
        wished = body.get("top_logprobs", 0) if "top_logprobs" in self.can else 0
        top = [{"token": "x", "logprob": -0.25 - rank} for rank in range(wished)]
        return {"content": [{"token": token, "logprob": -0.25, "bytes": None, "top_logprobs": top} for token in tokens]}


def _said(chat: bool, key: str, text: str) -> dict[str, Any]:
    return {key: {"role": "assistant", "content": text}} if chat else {"text": text}
