"""What a reply must add up to, without a network."""

import json
from typing import Any

import pytest

from endpoint import DONE, delta
from ponder.errors import EndpointError, ProtocolError
from ponder.models.reply import Reply
from ponder.types import Chunk, Message, Request, Usage

ASKED = Request((Message("user", "Say the days."),))

TOP = Request(ASKED.messages, top_logprobs=2)


def heard(*blocks: str, request: Request = ASKED, into: list[Chunk] | None = None) -> list[Chunk]:
    """All chunks of an event stream."""
    reply, chunks = Reply("m", request), [] if into is None else into
    for block in blocks:
        for chunk in reply.feed(block.encode()):
            chunks.append(chunk)
    for chunk in reply.end():
        chunks.append(chunk)
    return chunks


def whole(request: Request = ASKED, n: int = 1, usage: Any = None, **more: Any) -> list[Chunk]:
    """All chunks of an answer that comes at once."""
    choice = {"message": {"content": "hi"}, "finish_reason": "stop"} | more
    reply = Reply("m", request)
    return [*reply.whole(json.dumps({"choices": [choice] * n, "usage": usage}).encode()), *reply.end()]


def counts(prompt: int = 9, completion: float = 2, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (["data: {\n\n"], "1 bytes that are no OpenAI reply: Input data was truncated"),
        ([delta("Mon"), delta("day")], r"without a finish_reason for choice \[0\] of 1"),
        ([delta("Mon"), DONE, delta(finish="stop")], "without a finish_reason"),
        ([delta("Mon", finish="stop"), delta("day")], "went on with choice 0"),
        ([delta("Mon", finish="stop", index=1)], "choice 1, and was asked for 1"),
        ([delta("Mon", finish="stop", usage=counts(9, 2.5))], "Expected `int"),
        ([delta("Mon", logprobs={"content": [{"logprob": -1}] * 3}), delta(finish="stop", usage=counts(9, 2))], "sent at least 3"),
    ],
)
def test_a_stream_that_cannot_be(blocks: list[str], words: str) -> None:
    with pytest.raises(ProtocolError, match=f"`m` .*{words}"):
        heard(*blocks)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"finish_reason": None}, "without a finish_reason"),
        ({"n": 2}, "choice 1, and was asked for 1"),
        ({"logprobs": {"content": [{"logprob": None}]}}, "Expected `float`, got `null`"),
        ({"logprobs": {"token_logprobs": [-1.0, 0.5]}}, "the log-probability 0.5"),
        ({"request": TOP, "logprobs": {"content": [{"logprob": -1, "top_logprobs": [{"logprob": 7}]}]}}, "the log-probability 7"),
        ({"usage": counts(-1)}, "cannot be: -1 prompt tokens"),
        ({"usage": counts(9, -1)}, "-1 completion"),
        ({"usage": counts(9, 2, prompt_tokens_details={"cached_tokens": 10})}, "10 of them cached"),
        ({"usage": counts(9, 0)}, "counts 0 completion tokens, and sent at least 1"),
    ],
)
def test_an_answer_that_cannot_be(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ProtocolError, match=f"`m` .*{words}"):
        whole(**fields)


def test_a_bill_that_is_too_small_is_never_passed_on() -> None:
    chunks: list[Chunk] = []
    with pytest.raises(ProtocolError):
        heard(delta("Mon"), delta(finish="stop", usage=counts(9, 0)), into=chunks)
    assert [(chunk.text, chunk.finish_reason, chunk.usage) for chunk in chunks] == [("Mon", None, None), ("", "stop", None)]


@pytest.mark.parametrize("missing", [None, {}, counts(0), {"prompt_tokens": 9}, {"completion_tokens": 9}])
def test_missing_usage_is_none_and_never_zero(missing: Any) -> None:
    assert whole(usage=missing)[-1].usage is None


@pytest.mark.parametrize(
    ("sent", "bill"),
    [
        (counts(9, 5), Usage(1, 9, 0, 5)),
        (counts(9, 5, prompt_tokens_details={"cached_tokens": 4}), Usage(1, 9, 4, 5)),
        (counts(9, 5, prompt_cache_hit_tokens=4), Usage(1, 9, 4, 5)),
        (counts(9, 5, total_tokens=14, completion_tokens_details={"reasoning_tokens": 3}), Usage(1, 9, 0, 5)),
        (counts(9, 5, total_tokens=44, completion_tokens_details={"reasoning_tokens": 30}), Usage(1, 9, 0, 35)),
        (counts(9, 5, completion_tokens_details={"reasoning_tokens": 30}), Usage(1, 9, 0, 35)),
    ],
)
def test_the_bill_counts_thinking_once_and_cached_tokens_where_vendors_put_them(sent: dict[str, Any], bill: Usage) -> None:
    assert whole(usage=sent)[-1].usage == bill


def test_usage_that_comes_with_a_choice_of_many_is_not_the_calls() -> None:
    """vLLM's running counts are those of the event's choice; the call's own come when all are finished."""
    two = Request(ASKED.messages, n=2)
    first, second = delta("a", finish="stop", usage=counts(9, 1)), delta("b", finish="stop", index=1)
    assert [chunk.usage for chunk in heard(first, second, request=two)] == [None, None]
    total = f"data: {json.dumps({'choices': [], 'usage': counts(9, 7)})}\n\n"
    assert [chunk.usage for chunk in heard(first, second, total, DONE, request=two)] == [None, Usage(1, 9, 0, 7)]


def test_an_event_after_the_finish_that_says_nothing_new_is_no_fault() -> None:
    """OpenRouter and Azure send the usage with an empty choice."""
    chunks = heard(delta("a", finish=""), delta(finish="stop"), delta("", finish="stop", usage=counts(9, 1)), DONE)
    assert [(chunk.text, chunk.finish_reason, chunk.usage) for chunk in chunks] == [
        ("a", None, None),
        ("", "stop", Usage(1, 9, 0, 1)),
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        [{"reasoning_content": "hm"}, {"text": "hi"}],
        [{"reasoning": "hm"}, {"text": "hi"}],
        [{"reasoning": "hm", "reasoning_content": "hm"}, {"text": "hi"}],
        [{"text": "<thi"}, {"text": "nk>h"}, {"text": "m</th"}, {"text": "ink>\n\nh"}, {"text": "i"}],
    ],
)
def test_thinking_from_every_place_it_may_stand(pieces: list[dict[str, str]]) -> None:
    chunks = heard(*(delta(**piece) for piece in pieces), delta(finish="stop"), DONE)
    assert ("".join(chunk.reasoning for chunk in chunks), "".join(chunk.text for chunk in chunks)) == ("hm", "hi")


@pytest.mark.parametrize(
    "sent",
    [
        {"content": [{"logprob": -3, "top_logprobs": [{"logprob": value} for value in (-0.5, -1)]}, {"logprob": -1}]},
        {"token_logprobs": [-3, -1], "top_logprobs": [{"drawn": -3, "b": -1, "a": -0.5}, None]},
    ],
    ids=["chat", "completions"],
)
def test_the_likeliest_tokens_are_as_many_as_asked_for_and_fall(sent: dict[str, Any]) -> None:
    """Completions add the drawn token as one more; a place may come without any."""
    [chunk] = whole(TOP, logprobs=sent)
    assert (chunk.logprobs, chunk.top_logprobs) == ((-3, -1), ((-0.5, -1), ()))
    assert whole(logprobs=sent)[0].top_logprobs == ()


def test_after_a_prefix_nothing_is_taken_out_of_the_text() -> None:
    chunks = heard(delta("<think>hm</think>hi", finish="stop"), request=Request(ASKED.messages, prefix="So: "))
    assert [(chunk.text, chunk.reasoning) for chunk in chunks] == [("<think>hm</think>hi", "")]


def test_why_and_by_what_a_draw_ended() -> None:
    assert whole(stop_reason="\n")[-1].stop == whole(matched_stop="\n")[-1].stop == "\n"
    assert whole(stop_reason=151643)[-1].stop is None
    reasons = {"length": "length", "eos_token": "stop", "abort": "cancelled", "content_filter": "error"}
    assert {reason: whole(finish_reason=reason)[-1].finish_reason for reason in reasons} == reasons


def test_an_error_object_says_whether_it_passes() -> None:
    broken = 'data: {"error": {"message": "overloaded", "code": %s}}\n\n'
    for code, passing in (("null", False), ("400", False), ("503", True)):
        with pytest.raises(EndpointError, match="`m` broke off: overloaded") as caught:
            heard(broken % code)
        assert getattr(caught.value, "passing") is passing  # noqa: B009
