"""Event streams, cut wherever the network likes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.models.sse import Events


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
