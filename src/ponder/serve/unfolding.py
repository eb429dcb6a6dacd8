"""How a response streams: each event with its number, each item opened, filled and closed (`response.created` to `completed`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

from ponder.errors import PonderError
from ponder.serve import responses
from ponder.serve.compute import Plan
from ponder.serve.errors import refusal
from ponder.serve.run import Ended, Said, Told, Update
from ponder.serve.schema.responses import ResponseRequest
from ponder.serve.sse import frame
from ponder.types import Call


async def events(
    plan: Plan,
    body: ResponseRequest,
    updates: AsyncGenerator[Update, None],
    kept: Callable[[dict[str, Any], Ended], Awaitable[None]],
) -> AsyncGenerator[bytes, None]:
    """The events of a response; `kept` is given the whole of it before the last is sent."""
    out = Unfolding(plan, body.include_reasoning)
    head = responses.begun(plan, body)
    try:
        async with aclosing(updates) as running:
            yield out.event("response.created", response=head)
            yield out.event("response.in_progress", response=head)
            async for update in running:
                match update:
                    case Told(text):
                        for one in out.tell(text):
                            yield one
                    case Said():
                        for one in out.say(update):
                            yield one
                    case Ended():
                        for one in out.close():
                            yield one
                        over = responses.whole(plan, body, update) | {"created_at": head["created_at"], "output": out.output}
                        await kept(over, update)
                        yield out.event(f"response.{over['status']}", response=over)
    except PonderError as error:
        told = refusal(error)
        failed = head | {"status": "failed", "error": {"code": _CODES.get(told.status, "server_error"), "message": told.message}}
        yield out.event("response.failed", response=failed)


_CODES = {400: "invalid_prompt", 429: "rate_limit_exceeded"}


class Unfolding:
    """The items of a response as they grow. At most one is open; `output` holds those that are closed."""

    def __init__(self, plan: Plan, reasoning: bool) -> None:
        self._plan, self._raw, self._number = plan, reasoning, 0
        self._open = ""
        self._text = ""
        self._call = (0, Call("", "", ""))
        self.output: list[dict[str, Any]] = []

    def event(self, kind: str, **data: Any) -> bytes:
        sent = frame({"type": kind, "sequence_number": self._number} | data, kind)
        self._number += 1
        return sent

    def tell(self, text: str) -> Iterator[bytes]:
        """A sentence of the story, which is over when the answer has begun."""
        if self._open not in ("", "reasoning") or self.output:
            return
        if not self._open:
            self._open = "reasoning"
            item = responses.reasoning(self._plan, "") | {"summary": []}
            yield self.event("response.output_item.added", output_index=0, item=item)
            yield self._on("response.reasoning_summary_part.added", summary_index=0, part={"type": "summary_text", "text": ""})
        self._text += text
        yield self._on("response.reasoning_summary_text.delta", summary_index=0, delta=text)

    def say(self, said: Said) -> Iterator[bytes]:
        """A piece of the answer: of its text, of a refusal, or of a call."""
        if said.refusal:
            yield from self._write("refusal", said.refusal)
        elif said.chunk.text:
            yield from self._write("output_text", said.chunk.text)
        for number, piece in said.chunk.calls:
            if self._open != "call" or self._call[0] != number:
                yield from self.close()
                self._open, self._call = "call", (number, piece)
                yield self._item("added", self._called("", "in_progress"))
            else:
                now = self._call[1]
                self._call = number, Call(now.id, now.name, now.arguments + piece.arguments)
            if piece.arguments:
                yield self._on("response.function_call_arguments.delta", delta=piece.arguments)

    def close(self) -> Iterator[bytes]:
        """Close what is open."""
        kind, text = self._open, self._text
        if not kind:
            return
        if kind == "reasoning":
            yield self._on("response.reasoning_summary_text.done", summary_index=0, text=text)
            yield self._on("response.reasoning_summary_part.done", summary_index=0, part={"type": "summary_text", "text": text})
            item = responses.reasoning(self._plan, text)
        elif kind == "call":
            arguments = self._call[1].arguments
            yield self._on("response.function_call_arguments.done", arguments=arguments, name=self._call[1].name)
            item = self._called(arguments, "completed")
        else:
            more = {"text": text, "logprobs": []} if kind == "output_text" else {"refusal": text}
            yield self._on(f"response.{kind}.done", content_index=0, **more)
            yield self._on("response.content_part.done", content_index=0, part=self._part())
            item = self._message("completed", [self._part()])
        yield self._item("done", item)
        self.output.append(item)
        self._open, self._text = "", ""

    def _write(self, kind: str, text: str) -> Iterator[bytes]:
        if self._open != kind:
            yield from self.close()
            self._open = kind
            yield self._item("added", self._message("in_progress", []))
            yield self._on("response.content_part.added", content_index=0, part=self._part())
        self._text += text
        logprobs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        yield self._on(f"response.{kind}.delta", content_index=0, delta=text, **logprobs)

    def _on(self, kind: str, **data: Any) -> bytes:
        """An event of the open item."""
        return self.event(kind, item_id=self._id(), output_index=len(self.output), **data)

    def _item(self, what: str, item: dict[str, Any]) -> bytes:
        return self.event(f"response.output_item.{what}", output_index=len(self.output), item=item)

    def _id(self) -> str:
        prefix = {"reasoning": "rs", "call": "fc"}.get(self._open, "msg")
        return f"{prefix}_{self._plan.id}" + (f"_{self._call[0]}" if self._open == "call" else "")

    def _part(self) -> dict[str, Any]:
        if self._open == "refusal":
            return {"type": "refusal", "refusal": self._text}
        return {"type": "output_text", "text": self._text, "annotations": [], "logprobs": []}

    def _message(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": f"msg_{self._plan.id}", "type": "message", "role": "assistant", "status": status, "content": content}

    def _called(self, arguments: str, status: str) -> dict[str, Any]:
        number, asked = self._call
        return responses.call(self._plan, number, asked.id, asked.name, arguments, status)
