"""Event streams, cut wherever the network likes."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from ponder.models.sse import Events
from ponder.serve.sse import Stream


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=8), max_size=4), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400), max_size=8))
def test_an_event_stream_may_be_split_anywhere(texts: list[str], end: str, cuts: list[int]) -> None:
    payloads = [json.dumps(one) for one in texts]
    stream = "".join(f": alive{end}{end}event: x{end}data: {one}{end}id: 1{end}{end}" for one in payloads).encode()
    places = sorted(cut for cut in cuts if cut < len(stream))
    decoder, heard = Events(), []
    for begin, stop in zip([0, *places], [*places, len(stream)], strict=True):
        heard += decoder.feed(stream[begin:stop])
    assert [one.decode() for one in [*heard, *decoder.feed(b"\n")]] == payloads


@pytest.mark.parametrize(
    "stream", [b"data:a\ndata: b\n\n", b"\r\n\r\ndata: a\r\ndata:b\r\n\r\n", b": hi\ndata: a\nid\ndata:b\n\ndata: c\n"]
)
def test_data_lines_of_one_event_are_joined_and_an_unfinished_event_is_none(stream: bytes) -> None:
    assert list(Events().feed(stream)) == [b"a\nb"]


def test_a_client_that_goes_while_the_last_frame_is_sent_cancels_nothing() -> None:
    """He is gone, and the stream at its end, in one turn of the event loop: what comes behind is not cancelled."""

    async def main() -> None:
        left, sent = asyncio.Event(), list[Message]()

        async def frames() -> AsyncGenerator[bytes, None]:
            yield b"data: 1\n\n"

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if message.get("body") == b"data: 1\n\n":
                left.set()
                await asyncio.sleep(0)  # it has been heard, and who was to be told has not been

        await Stream(frames())({}, receive, send)
        assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    asyncio.run(main())
