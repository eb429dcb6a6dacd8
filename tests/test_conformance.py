"""The official SDKs against the gateway: sync, async, streamed, parsed, with tools. Answers fit their models, strictly."""

import asyncio
import json
from contextlib import AsyncExitStack

import anthropic
import openai
import pytest
from anthropic.types import Message as AnthropicMessage
from anthropic.types import RawMessageStreamEvent
from openai.types import Completion, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from endpoint import DONE, Endpoint, delta, events
from ponder.models.chat import Chat
from ponder.models.simulated import Simulated
from ponder.serve.settings import Settings
from serving import serving

ASKED = [{"role": "user", "content": "simulated problem 17"}]
PUZZLE = [{"role": "user", "content": "Use 3 7 8 8 to make 24"}]
USAGE = {"prompt_tokens": 9, "completion_tokens": 5}
TOOL = {
    "name": "weather",
    "description": "The weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


class City(BaseModel):
    name: str
    people: int


def called(city: str, spaced: bool = False):
    """An upstream's stream that calls the tool, its arguments in two pieces."""
    gap = " " if spaced else ""
    first = {"index": 0, "id": "call_7", "type": "function", "function": {"name": "weather", "arguments": '{"city":' + gap}}
    then = {"index": 0, "function": {"arguments": f'"{city}"}}'}}
    return events(delta(tool_calls=[first]), delta(tool_calls=[then]), delta(finish="tool_calls", usage=USAGE), DONE)


def said(*texts: str):
    """An upstream's stream of these pieces."""
    return events(*(delta(text) for text in texts), delta(finish="stop", usage=USAGE), DONE)


def against(main, tmp_path=None, models=None):
    """Run `main` with clients of a gateway that serves a simulated model and a scripted endpoint, and with that endpoint."""

    async def run():
        async with AsyncExitStack() as stack:
            endpoint = await stack.enter_async_context(Endpoint().run())
            chat = Chat("weekly", endpoint.url)
            stack.push_async_callback(chat.close)
            served = models or {"sim": Simulated(accuracy=0.7), "weekly": chat}
            url = await stack.enter_async_context(serving(Settings(served, store=tmp_path and tmp_path / "archive.sqlite")))
            client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
            claude = anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0)
            await main(await stack.enter_async_context(client), await stack.enter_async_context(claude), endpoint)

    asyncio.run(run())


def strict(kind, got):
    """The answer again, this time with every field checked."""
    return TypeAdapter(kind).validate_json(got.model_dump_json(exclude_unset=True), strict=True)


@pytest.mark.parametrize("model", ["sim", "sim:self-consistency-4", "sim/low", "weekly"])
def test_chat_whole_and_streamed(model):
    async def main(client, claude, endpoint):
        whole = await client.chat.completions.create(model=model, messages=ASKED, n=2, max_completion_tokens=64, user="me")
        strict(ChatCompletion, whole)
        assert [one.index for one in whole.choices] == [0, 1]
        assert whole.usage.completion_tokens >= whole.usage.completion_tokens_details.reasoning_tokens
        options = {"include_usage": True}
        chunks = [
            strict(ChatCompletionChunk, one)
            async for one in await client.chat.completions.create(
                model=model, messages=ASKED, stream=True, stream_options=options, max_completion_tokens=64
            )
        ]
        assert chunks[0].choices[0].delta.role == "assistant"
        assert len({one.id for one in chunks}) == 1
        assert chunks[-1].choices == []
        assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens
        assert [one.choices[0].finish_reason for one in chunks[:-1] if one.choices[0].finish_reason] == ["stop"]

    against(main)


def test_the_built_in_model_solves_and_streams(tmp_path):
    async def main(client, claude, endpoint):
        whole = strict(ChatCompletion, await client.chat.completions.create(model="ponder/high", messages=PUZZLE, seed=3))
        assert whole.choices[0].message.content.endswith("=24")
        stream = client.chat.completions.stream(model="builtin:mini", messages=PUZZLE, seed=3)
        async with stream as events:
            final = [event async for event in events][-1]
            assert final.type in ("content.done", "chunk")
            whole = await events.get_final_completion()
        assert whole.choices[0].finish_reason == "stop"
        response = strict(Response, await client.responses.create(model="builtin:mini", input="Use 3 7 8 8 to make 24"))
        assert response.output_text.endswith("=24")
        message = await claude.messages.create(model="builtin:mini", max_tokens=100, messages=PUZZLE)
        assert strict(AnthropicMessage, message).content[-1].text.endswith("=24")

    against(main, tmp_path, {"builtin:mini": "builtin:mini"})


def test_the_synchronous_clients_work():
    async def main(client, claude, endpoint):
        def plain():
            with openai.OpenAI(base_url=client.base_url, api_key="none") as plainly:
                answer = plainly.chat.completions.create(model="sim", messages=ASKED)
                text = "".join(one.choices[0].delta.content or "" for one in plainly.chat.completions.create(
                    model="sim:direct", messages=ASKED, stream=True, seed=5) if one.choices)  # fmt: skip
                listed = [strict(Model, one).id for one in plainly.models.list()]
            with anthropic.Anthropic(base_url=claude.base_url, api_key="none") as plainly:
                message = plainly.messages.create(model="sim", max_tokens=64, messages=ASKED)
                with plainly.messages.stream(model="sim", max_tokens=64, messages=ASKED) as stream:
                    last = stream.get_final_message()
            return answer, text, listed, message, last

        answer, text, listed, message, last = await asyncio.to_thread(plain)
        assert "answer" in answer.choices[0].message.content
        assert "answer" in text
        assert {"sim", "ponder/high", "sim:self-consistency"} <= set(listed)
        assert message.stop_reason == last.stop_reason == "end_turn"

    against(main)


def test_logprobs_name_their_tokens():
    async def main(client, claude, endpoint):
        create = client.chat.completions.create
        asked = {"messages": ASKED, "logprobs": True, "top_logprobs": 2, "max_completion_tokens": 8}
        for model in ("sim:direct", "sim:self-consistency-2"):
            whole = strict(ChatCompletion, await create(model=model, **asked))
            places = whole.choices[0].logprobs.content
            assert "".join(one.token for one in places) == whole.choices[0].message.content
            assert all(len(one.top_logprobs) == 2 and one.logprob <= 0 for one in places)
            chunks = [strict(ChatCompletionChunk, one) async for one in await create(model=model, stream=True, **asked)]
            tokens = [
                place.token for one in chunks for place in (one.choices[0].logprobs.content if one.choices[0].logprobs else [])
            ]
            assert "".join(tokens) == "".join(one.choices[0].delta.content or "" for one in chunks)
            assert len(tokens) == 8

    against(main)


def test_parsed_output_is_the_candidate_that_validates():
    async def main(client, claude, endpoint):
        good = '{"name": "Rome", "people": 3}'
        endpoint.faults = [said("not json"), said('{"name": "Ro', 'me"}'), said(good)]
        parse = client.chat.completions.parse
        parsed = await parse(model="weekly", messages=[{"role": "user", "content": "A city?"}], response_format=City)
        assert parsed.choices[0].message.parsed == City(name="Rome", people=3)
        assert parsed.usage.completion_tokens == 15
        assert endpoint.bodies[0]["response_format"]["json_schema"]["name"] == "City"
        endpoint.faults = [said("no"), said(good)]
        response = await client.responses.parse(model="weekly", input="A city?", text_format=City)
        assert response.output_parsed == City(name="Rome", people=3)
        endpoint.faults = [said("no") for _ in range(8)]
        refused = await parse(model="weekly", messages=[{"role": "user", "content": "A city?"}], response_format=City)
        assert refused.choices[0].message.parsed is None
        assert "not JSON" in refused.choices[0].message.refusal

    against(main)


def test_tools_are_called_whole_streamed_and_by_vote():
    async def main(client, claude, endpoint):
        tools = [{"type": "function", "function": TOOL}]
        asked = {"messages": [{"role": "user", "content": "Weather in Rome?"}], "tools": tools}
        endpoint.faults = [called("Rome")]
        whole = strict(ChatCompletion, await client.chat.completions.create(model="weekly", **asked, tool_choice="auto"))
        [call] = whole.choices[0].message.tool_calls
        assert (whole.choices[0].finish_reason, call.id, json.loads(call.function.arguments)) == (
            "tool_calls",
            "call_7",
            {"city": "Rome"},
        )
        assert endpoint.bodies[0]["tools"] == tools
        endpoint.faults = [called("Rome")]
        async with client.chat.completions.stream(model="weekly", **asked) as stream:
            final = await stream.get_final_completion()
        assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"city": "Rome"}
        endpoint.faults = [called("Paris"), called("Rome"), called("Rome", spaced=True)]
        voted = await client.chat.completions.create(model="weekly:self-consistency-3", **asked)
        assert json.loads(voted.choices[0].message.tool_calls[0].function.arguments) == {"city": "Rome"}
        assert voted.usage.completion_tokens == 15

    against(main)


def test_an_answer_is_sent_back_as_the_next_turn():
    """As people do: what the SDK gives is appended to the conversation, whatever fields it has."""

    async def main(client, claude, endpoint):
        create = client.chat.completions.create
        first = await create(model="sim:self-consistency-2", messages=ASKED)
        turns = [*ASKED, first.choices[0].message, {"role": "user", "content": "Are you sure?"}]
        assert (await create(model="sim", messages=turns)).choices[0].message.content.startswith("answer")
        said = await claude.messages.create(model="sim/low", max_tokens=64, messages=ASKED)
        turns = [*ASKED, {"role": "assistant", "content": said.content}, {"role": "user", "content": "Are you sure?"}]
        assert (await claude.messages.create(model="sim", max_tokens=64, messages=turns)).content[0].text.startswith("answer")
        before = await client.responses.create(model="sim/low", input="simulated problem 17")
        items = [{"role": "user", "content": "simulated problem 17"}, *before.output, {"role": "user", "content": "Are you sure?"}]
        assert (await client.responses.create(model="sim", input=items)).output_text.startswith("answer")

    against(main)


def test_a_tools_result_goes_back_untouched():
    async def main(client, claude, endpoint):
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        asked = {"name": "weather", "arguments": "{}"}
        turns = [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": asked}]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        ]  # fmt: skip
        endpoint.faults = [said("Sun.")]
        await client.chat.completions.create(model="weekly", messages=turns, tools=[{"type": "function", "function": TOOL}])
        assert endpoint.bodies[0]["messages"] == turns

    against(main)


def test_responses_stream_items_and_go_on_from_one_another(tmp_path):
    async def main(client, claude, endpoint):
        first = strict(Response, await client.responses.create(model="sim/low", input="simulated problem 17", metadata={"a": "b"}))
        assert [one.type for one in first.output] == ["reasoning", "message"]
        assert first.usage.output_tokens_details.reasoning_tokens < first.usage.output_tokens
        asked = {"model": "sim:self-consistency-3", "input": "again", "previous_response_id": first.id}
        kinds = [strict(ResponseStreamEvent, one) async for one in await client.responses.create(stream=True, **asked)]
        assert [one.sequence_number for one in kinds] == list(range(len(kinds)))
        names = [one.type for one in kinds]
        assert names[:2] == ["response.created", "response.in_progress"]
        assert names[-1] == "response.completed"
        assert "response.reasoning_summary_text.delta" in names
        assert kinds[-1].response.output_text == "".join(one.delta for one in kinds if one.type == "response.output_text.delta")
        async with client.responses.stream(model="sim", input="simulated problem 17") as stream:
            assert (await stream.get_final_response()).status == "completed"
        again = await client.responses.retrieve(first.id)
        assert again.output_text == first.output_text
        endpoint.faults = [called("Rome")]
        tool = {"type": "function", **TOOL, "strict": False}
        use = await client.responses.create(model="weekly", input="Weather?", tools=[tool], instructions="Be brief.")
        [call] = strict(Response, use).output
        assert (call.type, call.call_id, call.name) == ("function_call", "call_7", "weather")
        endpoint.faults = [said("Sun.")]
        result = {"type": "function_call_output", "call_id": "call_7", "output": "sunny"}
        await client.responses.create(model="weekly", input=[result], previous_response_id=use.id, tools=[tool])
        assert [one["role"] for one in endpoint.bodies[-1]["messages"]] == ["user", "assistant", "tool"]
        await client.responses.delete(first.id)
        with pytest.raises(openai.BadRequestError, match="no response"):
            await client.responses.create(**asked)

    against(main, tmp_path)


def test_anthropic_messages_think_use_tools_and_count():
    async def main(client, claude, endpoint):
        thinking = {"type": "enabled", "budget_tokens": 1024}
        whole = await claude.messages.create(model="sim", max_tokens=1500, messages=ASKED, thinking=thinking, system="Be brief.")
        assert [one.type for one in strict(AnthropicMessage, whole).content] == ["thinking", "text"]
        assert whole.usage.output_tokens <= 1500 + 1024
        create = claude.messages.create
        raw = [
            strict(RawMessageStreamEvent, one)
            async for one in await create(model="sim", max_tokens=64, messages=ASKED, stream=True)
        ]
        assert [raw[0].type, raw[-1].type] == ["message_start", "message_stop"]
        tool = {"name": "weather", "description": "The weather", "input_schema": TOOL["parameters"]}
        asked = {"model": "weekly", "max_tokens": 50, "tools": [tool], "messages": [{"role": "user", "content": "Rome?"}]}
        endpoint.faults = [called("Rome"), called("Rome")]
        used = strict(AnthropicMessage, await create(**asked))
        assert (used.stop_reason, used.content[0].input) == ("tool_use", {"city": "Rome"})
        async with claude.messages.stream(**asked) as stream:
            last = await stream.get_final_message()
        assert (last.stop_reason, last.content[0].input, last.usage.output_tokens) == ("tool_use", {"city": "Rome"}, 5)
        endpoint.faults = [said("Sun.")]
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": last.content[0].id, "content": "sunny"}]}
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
        turns = [{"role": "user", "content": [image]}, {"role": "assistant", "content": last.content}, result]
        await create(**asked | {"messages": turns})
        assert [one["role"] for one in endpoint.bodies[-1]["messages"]] == ["user", "assistant", "tool"]
        counted = await claude.messages.count_tokens(model="sim", messages=ASKED)
        assert counted.input_tokens == 3
        stopped = await create(model="sim", max_tokens=64, messages=ASKED, stop_sequences=["step 2"])
        assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "step 2")
        with pytest.raises(anthropic.NotFoundError):
            await create(**asked | {"model": "nothing"})

    against(main)


def test_completions_of_the_older_kind():
    async def main(client, claude, endpoint):
        create = client.completions.create
        whole = strict(
            Completion, await create(model="sim", prompt="simulated problem 17", n=2, max_tokens=6, logprobs=1, stop=["zz"])
        )
        assert whole.choices[0].logprobs.text_offset[0] == 0
        assert [one.finish_reason for one in whole.choices] == ["length", "length"]
        chunks = [one async for one in await create(model="sim", prompt=["simulated problem 17"], stream=True)]
        assert "answer" in "".join(one.choices[0].text for one in chunks)

    against(main)
