"""The gateway as a client meets it: what it chooses, how it streams, what it hides, what it bills, and when it stops."""

import asyncio
import json
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import aiohttp
import pytest

from endpoint import DONE, Endpoint, delta, events
from ponder.budget import Budget
from ponder.models.chat import Chat
from ponder.models.simulated import ABLE, Simulated, Tally
from ponder.models.wire import Dialect
from ponder.serve.bill import Bill
from ponder.serve.errors import Refusal
from ponder.serve.seams import Client, Seams
from ponder.serve.settings import Settings, named
from ponder.types import Price
from serving import serving

ASKED = [{"role": "user", "content": "simulated problem 17"}]
DAYS = [{"role": "user", "content": "Which days are there?"}]
IMAGE = {"type": "image_url", "image_url": {"url": "x"}}
CHAT = "/v1/chat/completions"
ONE_BY_ONE = Simulated(accuracy=0.7, abilities=replace(ABLE, n=False))


@dataclass
class Books:
    """What the seams were told."""

    bills: list[Bill] = field(default_factory=list)

    async def settle(self, client, plan, bill):
        self.bills.append(bill)


class Gateway:
    """A plain HTTP client of one gateway, as curl would be."""

    def __init__(self, session, url):
        self.session, self.url = session, url

    async def post(self, path, **body):
        async with self.session.post(self.url + path, json=body) as response:
            return response.status, await response.json()

    async def chat(self, model="sim", messages=ASKED, **body):
        return await self.post(CHAT, model=model, messages=messages, **body)

    @asynccontextmanager
    async def stream(self, path=CHAT, **body):
        async with self.session.post(self.url + path, json={"stream": True} | body) as response:
            yield response

    async def get(self, path, **headers):
        async with self.session.get(self.url + path, headers=headers) as response:
            return response.status, await response.json()


def serve(main, seams=Seams(), models=None, endpoint=None, **settings):
    """Run `main(gateway, endpoint)`."""

    async def run():
        async with AsyncExitStack() as stack:
            upstream = await stack.enter_async_context((endpoint or Endpoint()).run())
            chat = Chat("weekly", upstream.url, dialect=Dialect(running_usage=True))
            stack.push_async_callback(chat.close)
            served = models or {"sim": Simulated(accuracy=0.7), "weekly": chat}
            url = await stack.enter_async_context(serving(Settings(served, **settings), seams))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return await main(Gateway(session, url), upstream)

    return asyncio.run(run())


def schema(described):
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": described}}


def data(line: bytes):
    return json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: {") else None


@pytest.mark.parametrize(
    ("body", "strategy", "parameters"),
    [
        ({}, "auto", {"n": 20}),
        ({"model": "ponder/none"}, "direct", {}),
        ({"model": "ponder/low"}, "agreement", {"n": 4, "width": 4}),
        ({"model": "sim/high", "reasoning_effort": "low"}, "agreement", {"n": 16, "width": 4}),
        ({"reasoning_effort": "max"}, "agreement", {"n": 20, "width": 4}),
        ({"reasoning_effort": "low", "logprobs": True}, "adaptive-consistency", {"n": 4, "width": 4}),
        ({"model": "sim:self-consistency-3", "reasoning_effort": "none"}, "self-consistency", {"n": 3}),
        ({"model": "sim:self-consistency(n=5)"}, "self-consistency", {"n": 5}),
        ({"model": "sim:best-of-4", "ponder": {"verifier": "exact"}}, "best-of-n", {"n": 4}),
        ({"model": "sim:best-of-4", "ponder": {"strategy": "self-consistency-2"}}, "self-consistency", {"n": 2}),
        ({"ponder": {"strategy": "self-consistency", "parameters": {"n": 7}}}, "self-consistency", {"n": 7}),
        ({"model": "sim:self-consistency-100"}, "self-consistency", {"n": 20}),
        ({"messages": DAYS}, "direct", {}),
        ({"messages": DAYS, "response_format": {"type": "json_object"}}, "first-wins", {"n": 8, "width": 1}),
    ],
)  # fmt: skip
def test_the_first_way_of_choosing_compute_wins_and_the_servers_caps_always(body, strategy, parameters):
    async def main(gateway, _):
        _, answer = await gateway.chat(**body)
        assert (answer["ponder"]["strategy"], answer["ponder"]["parameters"]) == (strategy, parameters)

    serve(main, widest=20)


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"model": "gpt-9"}, 404, "model_not_found", "not served"),
        ({"temprature": 1}, 400, "unknown_parameter", "temprature"),
        ({"messages": []}, 400, "invalid_value", "messages"),
        ({"n": 0}, 400, "invalid_value", "n"),
        ({"top_logprobs": 3}, 400, "invalid_value", "logprobs: true"),
        ({"stop": ""}, 400, "invalid_value", "at least one character"),
        ({"ponder": {"strategy": "best-of-n"}}, 400, "invalid_value", "needs a verifier"),
        ({"ponder": {"strategy": "cascade(also=evil@http://10.0.0.1)"}}, 400, "invalid_value", "only the server"),
        ({"ponder": {"strategy": "knockout(sampler=retrieve(folder=/etc))"}}, 400, "invalid_value", "only the server"),
        ({"ponder": {"verifier": "pooling:http://10.0.0.1"}}, 400, "invalid_value", "not offered"),
        ({"ponder": {"budget": {"tokens": 1}}}, 400, "budget_exhausted", "budget of 1 tokens"),
        ({"ponder": {"budget": "1 banana"}}, 400, "invalid_value", "banana"),
        ({"ponder": {"budget": "$1"}}, 400, "price_unknown", "price"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "unsupported_ability", "tools"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, 400, "unsupported_ability", "images"),
        ({"model": "sim:self-refine", "response_format": {"type": "json_object"}}, 400, "unsupported_by_strategy", "self-refine"),
        ({"response_format": schema({"$ref": "http://x"})}, 400, "invalid_json_schema", "$ref"),
        ({"response_format": schema({"type": 3})}, 400, "invalid_json_schema", "valid"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_in_openais_shape(body, status, code, words):
    async def main(gateway, _):
        got, answer = await gateway.chat(**body)
        assert (got, answer["error"]["code"]) == (status, code), answer
        assert set(answer["error"]) == {"message", "type", "param", "code"}
        assert words in answer["error"]["message"]

    serve(main)


def test_a_plain_draw_streams_live_and_begins_at_once():
    async def main(gateway, upstream):
        began = time.monotonic()
        async with gateway.stream(model="weekly", messages=DAYS) as response:
            first = await response.content.readline()
            at_first = time.monotonic() - began
            texts, early = [], None
            async for line in response.content:
                if (one := data(line)) and one["choices"][0]["delta"].get("content"):
                    texts.append(one["choices"][0]["delta"]["content"])
                    early = early if early is not None else upstream.written
        return at_first, data(first), texts, early, upstream.written

    took, first, texts, early, written = serve(main, endpoint=Endpoint(pace=0.01))
    assert took < 0.05
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len(texts) == written > 10
    assert early < 5  # the first piece was here while the endpoint still wrote


def test_while_a_search_runs_its_story_is_told_and_no_words_of_its_candidates():
    async def main(gateway, _):
        async with gateway.stream(model="sim:self-consistency-8", messages=ASKED) as response:
            lines = [one async for line in response.content if (one := data(line))]
        thoughts = [one["choices"][0]["delta"].get("reasoning_content", "") for one in lines]
        answer = "".join(one["choices"][0]["delta"].get("content", "") for one in lines)
        assert thoughts == [one["choices"][0]["delta"].get("reasoning", "") for one in lines]
        story = "".join(thoughts)
        assert story.startswith("Trying self-consistency(n=8).\n")
        assert "8 drawn" in story
        assert "agree on 17" in story
        assert "step" not in story
        assert answer.startswith("step 1")
        first_word = next(place for place, one in enumerate(lines) if one["choices"][0]["delta"].get("content"))
        assert all(not one for one in thoughts[first_word:])

    serve(main)


def test_hidden_thinking_is_sent_only_where_it_is_asked_for():
    thinking = (
        delta(reasoning_content="secret plan"),
        delta("Monday"),
        delta(finish="stop", usage={"prompt_tokens": 5, "completion_tokens": 9}),
        DONE,
    )

    async def main(gateway, upstream):
        for reasoning in (False, True):
            upstream.faults = [events(*thinking), events(*thinking)]
            _, whole = await gateway.chat("weekly", DAYS, include_reasoning=reasoning)
            async with gateway.stream(model="weekly", messages=DAYS, include_reasoning=reasoning) as response:
                streamed = (await response.read()).decode()
            assert [("secret plan" in said) for said in (json.dumps(whole), streamed)] == [reasoning, reasoning]
            assert whole["usage"]["completion_tokens"] == 9
            assert whole["usage"]["completion_tokens_details"]["reasoning_tokens"] == 6  # its part of the characters

    serve(main)


def test_a_search_stays_alive_and_a_late_one_ends_with_its_best_answer():
    async def main(gateway, _):
        async with gateway.stream(model="slow:self-consistency-30", messages=ASKED) as response:
            lines = [line async for line in response.content]
        assert b": alive\n" in lines
        last = [one for line in lines if (one := data(line)) and one["choices"][0]["finish_reason"]][-1]
        assert (last["choices"][0]["finish_reason"], last["ponder"]["stopped"]) == ("length", "budget")
        pieces = [one["choices"][0]["delta"] for one in map(data, lines) if one]
        assert "answer" in "".join(one.get("content", "") for one in pieces)
        _, cut = await gateway.chat(model="slow:direct", max_tokens=100)
        assert cut["choices"][0]["finish_reason"] == "length" or "answer" in cut["choices"][0]["message"]["content"]
        _, timed = await gateway.chat(model="slow:direct", ponder={"budget": {"seconds": 0.1}})
        assert (timed["choices"][0]["finish_reason"], timed["ponder"]["stopped"]) == ("length", "budget")
        assert timed["choices"][0]["message"]["content"].startswith("step 1")
        _, three = await gateway.chat(model="slow:direct", n=3, ponder={"budget": {"seconds": 0.1}})
        assert [one["finish_reason"] for one in three["choices"]] == ["length"] * 3
        assert three["ponder"]["limit"] == "seconds"
        status, never = await gateway.chat(model="stuck:direct")
        assert (status, never["error"]["code"]) == (504, "timeout")

    models = {"slow": replace(ONE_BY_ONE, latency=0.01, concurrency=2), "stuck": Simulated(latency=5.0)}
    serve(main, models=models, cap=Budget(seconds=0.8), alive=0.1)


@pytest.mark.parametrize("stream", [False, True])
def test_when_the_client_is_gone_every_draw_stops_and_what_it_produced_is_billed(stream):
    books = Books()

    async def main(gateway, upstream):
        asked = {"model": "weekly:self-consistency-6", "messages": DAYS, "stream": stream}
        request = asyncio.ensure_future(gateway.session.post(gateway.url + CHAT, json=asked))
        while upstream.written < 12:
            await asyncio.sleep(0.002)
        if stream:
            (await request).close()
        else:
            request.cancel()
        await asyncio.sleep(0.1)
        running, written = upstream._now, upstream.written
        await asyncio.sleep(0.05)
        assert upstream.written == written
        return running, written

    running, written = serve(main, replace(Seams(), settle=books.settle), endpoint=Endpoint(pace=0.005))
    assert running == 0
    [bill] = books.bills
    assert bill.total.completion == written
    assert bill.total.calls == 6
    assert bill.counted


def test_what_an_upstream_has_begun_is_drawn_again_until_it_is_whole_and_what_it_refuses_three_times():
    books, able = Books(), replace(ABLE, n=False)
    breaks = Simulated(faults={"break": 0.6}, abilities=able, tally=Tally())
    refuses = Simulated(faults={"refuse": 1.0}, abilities=able, tally=Tally())

    async def main(gateway, _):
        status, one = await gateway.chat(model="breaks:direct", seed=0)
        assert (status, len(one["choices"]), breaks.tally.calls) == (200, 1, 5)
        status, three = await gateway.chat(model="breaks:direct", seed=3, n=3)
        assert (status, [choice["index"] for choice in three["choices"]]) == (200, [0, 1, 2])
        assert (await gateway.chat(model="refuses:direct"))[0] == 502
        assert refuses.tally.calls == 3

    serve(main, replace(Seams(), settle=books.settle), models={"breaks": breaks, "refuses": refuses})
    assert sum(bill.total.completion for bill in books.bills) == breaks.tally.completion
    assert 3 < books.bills[1].total.calls < 9  # of three answers, the broken ones alone are drawn again


def test_a_body_is_json_and_says_so():
    async def main(gateway, _):
        for data, kind, code, param in (
            (b'{"model": ', "application/json", "invalid_value", None),
            (b'{"model": "sim"}', "application/json; charset=utf-8", "missing_required_parameter", "messages"),
            (b'{"model": "sim", "messages": []}', "text/plain", "invalid_value", None),
        ):
            async with gateway.session.post(gateway.url + CHAT, data=data, headers={"Content-Type": kind}) as response:
                said = (await response.json())["error"]
            assert (response.status, said["code"], said["param"]) == (400, code, param)

    serve(main)


def test_the_bill_is_that_of_all_calls_with_its_price_and_settled_once():
    books, model = Books(), replace(ONE_BY_ONE, price=Price(1e-6, 2e-6), tally=Tally())

    async def main(gateway, _):
        status, answer = await gateway.chat(model="sim:self-consistency-6", n=2)
        assert status == 200
        usage, tally = answer["usage"], model.tally
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (tally.prompt, tally.completion)
        shown = [len(choice["message"]["content"].split()) for choice in answer["choices"]]
        assert usage["completion_tokens_details"]["reasoning_tokens"] == tally.completion - sum(shown)
        assert answer["ponder"]["usd"] == pytest.approx(tally.prompt * 1e-6 + tally.completion * 2e-6)
        await gateway.chat(model="gpt-9")
        [bill] = books.bills
        assert (bill.total.calls, bill.total.completion, bill.usd) == (12, tally.completion, answer["ponder"]["usd"])

    serve(main, replace(Seams(), settle=books.settle), models={"sim": model})


def test_plain_answers_in_one_call_cost_their_prompt_once():
    model = Simulated()

    async def main(gateway, _):
        _, answer = await gateway.chat(model="sim:direct", n=5, seed=1)
        assert len({one["message"]["content"] for one in answer["choices"]}) == 5
        assert (model.tally.calls, answer["usage"]["prompt_tokens"]) == (1, 3)
        _, again = await gateway.chat(model="sim:direct", n=5, seed=1)
        assert again["choices"] == answer["choices"]

    serve(main, models={"sim": model})


def test_traces_and_responses_are_their_owners_alone(tmp_path):
    async def owner(headers):
        if "who" not in headers:
            raise Refusal(401, "who are you?", "invalid_api_key")
        return Client(headers["who"])

    async def main(gateway, _):
        async def post(path, who, **body):
            async with gateway.session.post(gateway.url + path, json={"model": "sim", **body}, headers=who) as response:
                return response.status, await response.json()

        ann, bob = {"who": "ann"}, {"who": "bob"}
        assert (await post(CHAT, {}, messages=ASKED))[0] == 401
        _, chat = await post(CHAT, ann, messages=ASKED)
        _, unkept = await post(CHAT, ann, messages=ASKED, store=False)
        _, response = await post("/v1/responses", ann, input="simulated problem 3")
        _status, [trace] = await gateway.get(f"/v1/ponder/traces/{chat['ponder']['trace']}", **ann)
        drawn = [one for one in trace["events"] if one["kind"] == "drawn"]
        assert sum(one["data"]["usage"]["completion"] for one in drawn) == chat["usage"]["completion_tokens"]
        assert (await gateway.get(f"/v1/ponder/traces/{chat['ponder']['trace']}", **bob))[0] == 404
        assert (await gateway.get(f"/v1/ponder/traces/{unkept['ponder']['trace']}", **ann))[0] == 404
        assert (await post("/v1/responses", bob, input="more", previous_response_id=response["id"]))[0] == 400
        return response["id"]

    seams = replace(Seams(), authorise=owner)
    first = serve(main, seams, store=tmp_path / "archive.sqlite")

    async def later(gateway, _):
        body = {"model": "sim", "input": "more", "previous_response_id": first}
        async with gateway.session.post(gateway.url + "/v1/responses", json=body, headers={"who": "ann"}) as response:
            assert response.status == 200

    serve(later, seams, store=tmp_path / "archive.sqlite")


def test_one_request_does_not_hold_up_another():
    """A single draw behind a request of 80 takes a small part of that one's time, however fast the machine is."""

    async def main(gateway, _):
        began = time.monotonic()
        long = asyncio.ensure_future(gateway.chat(model="sim:self-consistency-80"))
        await asyncio.sleep(0.05)
        asked = time.monotonic()
        await gateway.chat(model="sim:direct")
        took = time.monotonic() - asked
        assert not long.done()
        await long
        return took / (time.monotonic() - began)

    assert serve(main, models={"sim": replace(ONE_BY_ONE, latency=0.002, concurrency=16)}) < 0.5


def test_models_are_named_after_what_serves_them():
    given = named(["qwen3@http://host/v1", "builtin:mini", "fast=openai:gpt-x", "simulated:accuracy=.5,steps=3"])
    assert list(given) == ["qwen3", "builtin:mini", "fast", "simulated"]
    assert given["fast"] == "openai:gpt-x"
    with pytest.raises(Exception, match="two models"):
        named(["a@http://x/v1", "a@http://y/v1"])


def test_what_goes_straight_to_its_route_errs_as_all_else_does():
    """A fault of ours is 500 without its words, whatever a handler takes has its status, and other methods are told theirs."""

    async def main(gateway, _):
        told = [await gateway.post(CHAT, model="other", messages=ASKED), await gateway.post(CHAT, messages=[])]
        told += [await gateway.get(CHAT), await gateway.post("/v1/none")]
        return [*told, await gateway.post(CHAT, model="sim", messages=ASKED)]  # the last on its connection

    async def admit(client, plan):
        raise RuntimeError("a secret")

    told = serve(main, Seams(admit=admit))
    assert [status for status, _ in told] == [404, 400, 405, 404, 500]
    assert all({"message", "type", "param", "code"} == set(said["error"]) for _, said in told)
    assert "secret" not in str(told)
    assert told[2][1]["error"]["message"] == f"GET {CHAT}: Method Not Allowed"
