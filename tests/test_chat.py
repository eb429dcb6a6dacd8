"""The client against a real server that misbehaves: no fault becomes a silent wrong number."""

import asyncio
import json
import time
import warnings
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint import DAYS, DONE, Endpoint, Fault, delta, events, raw, reset, status
from ponder.errors import EndpointError, InputError, ModelError, ProtocolError
from ponder.models import wire
from ponder.models.chat import Chat
from ponder.models.connection import Timeout
from ponder.models.retry import Retry
from ponder.types import Abilities, Chunk, Message, Request, Usage

ABLE = Abilities(continues=True, logprobs=True, prompt_logprobs=True, n=True, seed=True, top_logprobs=True)
WEEK = Request((Message("user", "Say the days of the week, my-secret-prompt."),), max_tokens=64)
WORDS = Request((Message("user", "Say some words."),), max_tokens=8)
KEY = "sk-very-secret-key"
QUICK = Retry(times=3, base=0.001)


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(what)


def model(endpoint: Endpoint, **more: Any) -> Chat:
    return Chat("weekly", endpoint.url, **{"api_key": KEY, "abilities": ABLE, "retries": QUICK} | more)


async def ask(endpoint: Endpoint, request: Request = WEEK, **more: Any) -> list[Chunk]:
    """All chunks of one request; the endpoint runs only as long as that."""
    async with endpoint.run():
        return [chunk async for chunk in model(endpoint, **more).stream(request)]


def answer(*faults: Fault, request: Request = WEEK, **more: Any) -> list[Chunk]:
    return cast("list[Chunk]", run(ask(Endpoint(faults=list(faults)), request, **more)))


def text(chunks: list[Chunk], choice: int = 0) -> str:
    return "".join(chunk.text for chunk in chunks if chunk.choice == choice)


# What a good endpoint says


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("api", ["chat", "completions"])
def test_text_usage_logprobs_and_finish(streaming: bool, api: str) -> None:
    chunks = run(ask(Endpoint(), replace(WEEK, logprobs=True), streaming=streaming, api=api))
    assert text(chunks) == DAYS
    assert [chunk.finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert sum(len(chunk.logprobs) for chunk in chunks) == len(range(0, len(DAYS), 3))
    assert chunks[-1].usage == Usage(1, 26 if api == "chat" else 15, 3, 21)
    assert len(chunks) == (22 if streaming else 1)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("api", ["chat", "completions"])
def test_the_likeliest_tokens_of_each_place(streaming: bool, api: str) -> None:
    endpoint = Endpoint()
    chunks = run(ask(endpoint, replace(WEEK, top_logprobs=3), streaming=streaming, api=api))
    assert [place for chunk in chunks for place in chunk.top_logprobs] == [(-0.25, -1.25, -2.25)] * 21
    wished = {"logprobs": True, "top_logprobs": 3} if api == "chat" else {"logprobs": 3}
    assert {name: value for name, value in endpoint.bodies[0].items() if "logprobs" in name} == wished


@pytest.mark.parametrize("streaming", [True, False])
def test_n_choices_in_one_call(streaming: bool) -> None:
    endpoint = Endpoint()
    chunks = run(ask(endpoint, replace(WORDS, n=3), streaming=streaming))
    assert len({text(chunks, choice) for choice in range(3)}) == 3
    assert sorted(chunk.choice for chunk in chunks if chunk.finish_reason == "length") == [0, 1, 2]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion == 24
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert [body["n"] for body in endpoint.bodies] == [3]


@pytest.mark.parametrize("streaming", [True, False])
def test_a_prefix_is_continued_and_a_stop_string_ends_it(streaming: bool) -> None:
    endpoint = Endpoint()
    chunks = run(ask(endpoint, replace(WEEK, prefix="Monday, Tues", stop=("Fri",)), streaming=streaming))
    assert text(chunks) == "day, Wednesday, Thursday, "
    assert endpoint.bodies[0]["messages"][-1] == {"role": "assistant", "content": "Monday, Tues"}
    assert (endpoint.bodies[0]["continue_final_message"], endpoint.bodies[0]["add_generation_prompt"]) == (True, False)


def test_prompt_logprobs_come_in_a_whole_answer() -> None:
    endpoint = Endpoint()
    chunks = run(ask(endpoint, replace(WEEK, prompt_logprobs=True)))
    assert chunks[0].prompt_logprobs[:2] == (None, -0.5)
    assert "stream" not in endpoint.bodies[0]


def test_only_what_is_needed_is_sent() -> None:
    endpoint = Endpoint()
    run(ask(endpoint, abilities=Abilities(usage=False)))
    body = {"model": "weekly", "temperature": 0.7, "max_tokens": 64, "stream": True}
    assert endpoint.bodies == [body | {"messages": [{"role": "user", "content": WEEK.messages[0].content}]}]
    assert endpoint.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_the_official_sdk_hears_the_same() -> None:
    """The judge: OpenAI's own client, on the same server, gets the same text, finish and usage."""
    openai = pytest.importorskip("openai", reason="the official SDK is not installed")

    async def main() -> None:
        async with Endpoint().run() as endpoint, openai.AsyncOpenAI(base_url=endpoint.url, api_key=KEY, max_retries=0) as sdk:
            for streaming in (True, False):
                for n in (1, 3):
                    request = replace(WORDS, n=n, seed=5)
                    chunks = [chunk async for chunk in model(endpoint, streaming=streaming).stream(request)]
                    heard = await sdk.chat.completions.create(
                        model="weekly",
                        messages=[{"role": "user", "content": "Say some words."}],
                        max_tokens=8,
                        seed=5,
                        n=n,
                        temperature=0.7,
                    )
                    for choice in heard.choices:
                        assert text(chunks, choice.index) == choice.message.content
                        assert [one.finish_reason for one in chunks if one.choice == choice.index][-1] == choice.finish_reason
                    used = chunks[-1].usage
                    assert used is not None
                    assert (used.prompt, used.completion) == (heard.usage.prompt_tokens, heard.usage.completion_tokens)
                    assert used.cached == heard.usage.prompt_tokens_details.cached_tokens

    run(main())


# Faults


@pytest.mark.parametrize("code", [408, 409, 429, 500, 502, 503, 504])
def test_a_passing_status_is_asked_again(code: int) -> None:
    assert text(answer(status(code), status(code))) == DAYS


@pytest.mark.parametrize("code", [301, 400, 401, 403, 404, 422])
def test_another_status_is_final(code: int) -> None:
    endpoint = Endpoint(faults=[status(code)])
    with pytest.raises(EndpointError, match=f"`weekly@http.*` refused with status {code}: no, test") as caught:
        run(ask(endpoint))
    assert caught.value.status == code
    assert len(endpoint.bodies) == 1


def test_attempts_end() -> None:
    endpoint = Endpoint(faults=[status(500)] * 9)
    with pytest.raises(EndpointError, match="status 500"):
        run(ask(endpoint))
    assert len(endpoint.bodies) == 1 + QUICK.times


def test_an_unknown_model_is_named_with_advice() -> None:
    async def main() -> None:
        async with Endpoint().run() as endpoint:
            await anext(Chat("monthly", endpoint.url).stream(WEEK))

    with pytest.raises(EndpointError, match=r"`monthly@.*no model monthly, model_not_found; check the model's name"):
        run(main())


def test_retry_after_is_waited_for() -> None:
    began = time.monotonic()
    assert text(answer(status(429, **{"Retry-After": "1"}))) == DAYS
    assert time.monotonic() - began >= 1.0


def test_retry_after_beyond_the_timeout_is_an_error_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(EndpointError, match="429"):
        answer(status(429, **{"Retry-After": "120"}), timeout=Timeout(total=100.0))
    assert time.monotonic() - began < 20.0


def test_a_draw_that_is_cancelled_between_two_attempts_has_cost_a_call_and_no_token() -> None:
    async def main() -> list[Usage | None]:
        async with Endpoint(faults=[status(429, **{"Retry-After": "20"})]).run() as endpoint:
            heard = list[Usage | None]()

            async def reading() -> None:
                async for chunk in model(endpoint).stream(WEEK):
                    heard.append(chunk.usage)

            drawing = asyncio.create_task(reading())
            while not endpoint.bodies:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)  # the refusal has arrived
            drawing.cancel()
            await asyncio.wait({drawing})
            assert drawing.cancelled()
            return heard

    assert run(main()) == [Usage(1)]


def test_a_connection_reset_before_the_first_token_is_asked_again() -> None:
    assert text(answer(reset, events(then="reset"), events(delta(role="assistant"), then="reset"))) == DAYS


def test_a_stream_broken_midway_is_an_error_after_what_was_produced() -> None:
    endpoint, heard = Endpoint(faults=[events(delta("Mon"), delta("day"), then="reset")]), []

    async def main() -> None:
        async with endpoint.run():
            async for chunk in model(endpoint).stream(WEEK):
                heard.append(chunk.text)

    with pytest.raises(EndpointError, match=r"`weekly@.*` broke off in the middle"):
        run(main())
    assert heard == ["Mon", "day"]
    assert len(endpoint.bodies) == 1


def test_a_stream_that_loses_only_its_usage_is_whole() -> None:
    chunks = answer(events(delta("Mon"), delta(finish="stop"), then="reset"))
    assert text(chunks) == "Mon"
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("stop", None)


@pytest.mark.parametrize(
    ("stalled", "limits", "words"),
    [
        (events(then="stall"), Timeout(idle=0.05), "silent for 0.05 s"),
        (events(delta("Mon"), then="stall"), Timeout(idle=0.05), "silent for 0.05 s"),
        (events(*[": alive\n\n"] * 300), Timeout(idle=5, total=0.1), "took over 0.1 s"),
    ],
)
def test_a_stall_ends(stalled: Fault, limits: Timeout, words: str) -> None:
    endpoint = Endpoint(faults=[stalled])
    with pytest.raises(EndpointError, match=words) as caught:
        run(ask(endpoint, timeout=limits))
    assert caught.value.status is None
    assert len(endpoint.bodies) == 1


def test_nobody_there() -> None:
    with pytest.raises(EndpointError, match=r"`weekly@http://127.0.0.1:9/v1` failed \(.*\): is it running"):
        run(anext(Chat("weekly", "http://127.0.0.1:9/v1", retries=Retry(times=0)).stream(WEEK)))


NAN = '{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop", "logprobs": {"content": [{"logprob": NaN}]}}]}'


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (raw("{"), "1 bytes that are no OpenAI reply: Input data was truncated"),
        (raw(b'{"choices": "\xff"}'), "no OpenAI reply|no UTF-8"),
        (raw("[]"), "Expected `object`"),
        (raw("{}"), "neither `choices` nor `usage`"),
        (raw("<html>busy</html>", "text/html"), "an HTML page: is `http.*/v1` the URL"),
        (raw(NAN), "JSON is malformed"),
        (events("data: {\n\n"), "truncated"),
        (events(delta("Mon"), DONE), r"without a finish_reason for choice \[0\] of 1"),
    ],
)
def test_what_cannot_be_is_a_protocol_error_and_not_asked_again(fault: Fault, words: str) -> None:
    endpoint = Endpoint(faults=[fault])
    with pytest.raises(ProtocolError, match=f"`weekly@.*` .*({words})"):
        run(ask(endpoint))
    assert len(endpoint.bodies) == 1


def test_an_endpoint_that_does_not_count_says_none_and_never_zero() -> None:
    assert [chunk.usage for chunk in run(ask(Endpoint(can=frozenset())))] == [None] * 22


@pytest.mark.parametrize("streaming", [True, False])
def test_fewer_choices_than_asked_for(streaming: bool) -> None:
    with pytest.raises(ProtocolError, match=r"for choice \[1, 2\] of 3"):
        run(ask(Endpoint(can=frozenset()), replace(WORDS, n=3), streaming=streaming))


def test_log_probabilities_that_were_asked_for_and_did_not_come() -> None:
    with pytest.raises(ProtocolError, match="asked for log-probabilities and sent none"):
        run(ask(Endpoint(can=frozenset()), replace(WORDS, logprobs=True)))
    with pytest.raises(ProtocolError, match="asked for the likeliest tokens and sent none"):
        run(ask(Endpoint(can=frozenset({"logprobs"})), replace(WORDS, top_logprobs=5)))


def test_an_error_object_in_the_stream() -> None:
    broken = 'data: {"error": {"message": "out of memory", "type": "server_error", "code": null}}\n\n'
    with pytest.raises(EndpointError, match="broke off: out of memory, server_error"):
        answer(events(delta("Mon"), broken))
    assert text(answer(events(broken.replace("null", "503")))) == DAYS


def chain(error: BaseException | None) -> str:
    """What a traceback of `error` would say, but for the source lines."""
    if error is None:
        return ""
    return f"{error!r} {error} " + chain(error.__cause__ or (None if error.__suppress_context__ else error.__context__))


@pytest.mark.parametrize("place", ["400", "500", "text", "html", "page", "event", "error", "broken"])
def test_a_key_or_a_prompt_is_in_no_error_and_no_log(place: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    prompt = WEEK.messages[0].content
    echo = {"error": {"message": f"bad key {KEY[:14]}... in: {prompt}", "type": "t", "code": f"x{prompt[8:30]}"}}
    fault = {
        "400": status(400, echo),
        "500": status(500, echo),
        "text": raw(prompt, "text/plain", 422),
        "html": raw(f"<p>{prompt}", "text/html"),
        "page": raw(prompt),
        "event": events(f"data: {prompt}\n\n"),
        "error": events(f"data: {json.dumps(echo)}\n\n"),
        "broken": events(delta("Mon"), then="reset"),
    }[place]

    async def main() -> str:
        async with Endpoint(faults=[fault] * 4).run() as endpoint:
            url = endpoint.url.replace("http://", "http://user:url-password@") + "?key=url-query"
            chat = Chat("weekly", url, retries=QUICK)
            with pytest.raises(ModelError) as caught:
                [_ async for _ in chat.stream(WEEK)]
            return f"{chain(caught.value)} {chat!r} {chat.name} {chat.fingerprint} {model(endpoint)!r}"

    said = run(main()) + "".join(record.getMessage() for record in caplog.records if record.name != "aiohttp.access")
    for secret in (KEY[:14], "my-secret-prompt", "url-password", "url-query"):
        assert secret not in said


# Cancelling, limits, loops


def test_aclose_stops_the_server_and_running_usage_charges_what_was_produced() -> None:
    async def main() -> tuple[Chunk, Endpoint]:
        async with Endpoint(pace=0.01).run() as endpoint:
            chat = model(endpoint, dialect=wire.Dialect(running_usage=True))
            stream = cast("AsyncGenerator[Chunk]", chat.stream(WEEK))
            for _ in range(4):
                chunk = await anext(stream)
            await stream.aclose()
            await asyncio.sleep(0.1)
            return chunk, endpoint

    chunk, endpoint = run(main())
    assert chunk.usage is not None
    assert chunk.usage.completion == 4
    assert endpoint.written <= 8
    assert endpoint._now == 0


def test_no_more_calls_than_the_concurrency_run_at_once() -> None:
    async def main() -> int:
        async with Endpoint(pace=0.002).run() as endpoint:
            chat = model(endpoint, concurrency=3)

            async def draw() -> str:
                return text([chunk async for chunk in chat.stream(WORDS)])

            drawn = await asyncio.gather(*(draw() for _ in range(12)))
            assert all(drawn)
            return endpoint.most

    assert run(main()) == 3


def test_one_model_in_many_event_loops_leaves_nothing_open() -> None:
    async def main(port: int, chat: Chat | None, close: bool) -> tuple[int, Chat]:
        async with Endpoint().run(port) as endpoint:
            chat = chat or model(endpoint)
            assert text([chunk async for chunk in chat.stream(WEEK)]) == DAYS
            if close:
                await chat.close()
                await chat.close()
            return int(endpoint.url.split(":")[2].split("/")[0]), chat

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        port, chat = run(main(0, None, close=True))
        run(main(port, chat, close=False))
        run(main(port, chat, close=False))


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", ""])
def test_a_bad_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="http"):
        Chat("weekly", url)


def test_half_a_character_is_refused_without_quoting_the_prompt() -> None:
    with pytest.raises(InputError, match="surrogate") as caught:
        run(ask(Endpoint(), replace(WEEK, prefix="my-secret \ud800")))
    assert "my-secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@settings(deadline=None, max_examples=25)
@given(st.text(), st.text(), st.integers(1, 4))
def test_the_prompt_bound_is_at_least_its_bytes(content: str, prefix: str, messages: int) -> None:
    request = Request((Message("user", content),) * messages, prefix)
    bound = Chat("m", "http://host/v1").prompt_tokens(request)
    assert bound >= messages * len(content.encode()) + len(prefix.encode()) + 5 * messages


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_CACHE_DIR", str(tmp_path))
    page = (Path(__file__).parent.parent / "docs" / "chat.md").read_text()
    example = page.split("```python\n")[1].split("```")[0]

    async def main() -> None:
        async with Endpoint().run() as endpoint:
            here = example.replace("http://localhost:8000/v1", endpoint.url).replace("Qwen/Qwen3-8B", "weekly")
            await asyncio.to_thread(exec, compile(here, "docs/chat.md", "exec"), {})

    run(main())
    assert capsys.readouterr().out == f"{DAYS}\nstop Usage(calls=1, prompt=22, cached=3, completion=21)\n"
