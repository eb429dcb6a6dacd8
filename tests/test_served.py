"""vLLM's reward endpoints: the fields that are sent, the numbers that are read, and the lies that are told apart."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from ponder.budget import Budget
from ponder.errors import InputError
from ponder.models.connection import Timeout
from ponder.models.retry import Retry
from ponder.models.simulated import Simulated
from ponder.solve import solve
from ponder.tasks.simulated import problems
from ponder.types import Sample, Usage
from ponder.verifiers.reward import Reward
from ponder.verifiers.served import Served

[PROBLEM] = problems(1)
USAGE = {"prompt_tokens": 40, "total_tokens": 40, "completion_tokens": 0, "prompt_tokens_details": None}


@asynccontextmanager
async def serving(*replies):
    """A server whose answers are `replies` in turn, the last again and again; yields its URL and what it was sent."""
    sent, left = [], list(replies)

    async def answer(request):
        sent.append((request.path, await request.json(), dict(request.headers)))
        reply = left.pop(0) if len(left) > 1 else left[0]
        reply = reply(sent[-1][1]) if callable(reply) else reply
        if isinstance(reply, web.Response):
            return reply
        return web.Response(text=reply if isinstance(reply, str) else json.dumps(reply), content_type="application/json")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", sent
    finally:
        await runner.cleanup()


def judged(*replies, text="one\n\ntwo\nthree", **settings):
    """The score of one solution, and what was sent."""

    async def main():
        async with serving(*replies) as (url, sent):
            model = Served(url, retries=Retry(base=0.001), **settings)
            [score] = await Reward(model)(PROBLEM, [Sample(text)])
            await model.close()
            return score, sent

    return asyncio.run(main())


def pooled(*rows):
    return {"object": "list", "model": "prm", "data": [{"index": 0, "object": "pooling", "data": list(rows)}], "usage": USAGE}


def classified(*probs):
    data = {"index": 0, "label": "LABEL_0", "probs": list(probs), "num_classes": len(probs)}
    return {"object": "list", "model": "rm", "data": [data], "usage": USAGE}


def scored(score):
    return {"object": "list", "model": "rm", "data": [{"index": 0, "object": "score", "score": score}], "usage": USAGE}


def test_pooling_gives_a_value_for_each_step():
    score, [(path, body, headers)] = judged(pooled([0.1, 0.9], [0.75, 0.25], [0.5, 0.5]), model="prm", api_key="secret")
    assert (score.value, score.steps, score.error) == (0.5, (0.9, 0.25, 0.5), None)
    assert path == "/pooling"
    assert headers["Authorization"] == "Bearer secret"
    assert body == {
        "model": "prm",
        "task": "token_classify",
        "messages": [
            {"role": "user", "content": PROBLEM.question},
            {"role": "assistant", "content": "one<extra_0>two<extra_0>three<extra_0>"},
        ],
        "add_generation_prompt": False,
    }


@pytest.mark.parametrize("rows", [([0.9], [0.25], [0.5]), (0.9, 0.25, 0.5)])
def test_a_head_of_one_class_may_come_as_rows_or_as_numbers(rows):
    assert judged(pooled(*rows))[0].steps == (0.9, 0.25, 0.5)


def test_a_separator_in_the_solution_makes_no_step():
    score, [(_, body, _)] = judged(pooled([0.9], [0.8]), text="one<extra_0>\ntwo")
    assert score.steps == (0.9, 0.8)
    assert body["messages"][-1]["content"] == "one<extra_0>two<extra_0>"


def test_classify_gives_one_value_for_the_solution():
    score, [(path, body, _)] = judged(classified(0.25, 0.75), api="classify")
    assert (score.value, score.steps, path) == (0.75, (), "/classify")
    assert body["messages"][-1] == {"role": "assistant", "content": "one\n\ntwo\nthree"}
    assert "model" not in body


def test_score_gives_one_value_for_a_pair_of_texts():
    score, [(path, body, _)] = judged(scored(0.75), api="score")
    assert (score.value, score.steps, path) == (0.75, (), "/score")
    assert body == {"text_1": PROBLEM.question, "text_2": "one\n\ntwo\nthree"}


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (pooled([0.1, 0.9], [0.2, 0.8]), "2 values for 3 steps: serve it with --pooler-config"),
        (pooled(), "0 values for 3 steps"),
        (pooled([3.0], [0.2], [0.8]), r"\[3.0\], which are no probabilities: serve it with its activation"),
        (pooled([0.9, 0.9], [0.2, 0.8], [0.2, 0.8]), r"\[0.9, 0.9\], which are no probabilities"),
        (pooled([None], [0.2], [0.8]), r"\[None\] in the place of a score"),
        (pooled([], [0.2], [0.8]), r"\[\] in the place of a score"),
        (classified(0.5), "0 values for 3 steps"),
        ({"data": [], "usage": USAGE}, "0 results for 1 solution"),
        ({"usage": USAGE}, "no `data` for 1 solution: is /pooling what it serves"),
        ('{"data": [{"data": [[NaN], [0.1], [0.2]]}]}', "holds NaN, which no score is"),
        ('{"data": 5}', r"no reply of /pooling: Expected `array \| null`, got `int`"),
        ("[", "1 bytes that are no reply"),
        ({"error": {"message": "no such model", "code": 404}}, "broke off: no such model"),
        (lambda _: web.Response(text="<html>", content_type="text/html"), "HTML page"),
        ({**pooled([0.1], [0.1], [0.1]), "usage": {"prompt_tokens": -4}}, "counts what cannot be"),
    ],
)
def test_lies_are_told(reply, says):
    score, _ = judged(reply)
    assert score.value is None
    assert score.error is not None
    assert re.search(says, score.error)


def test_the_other_apis_lie_too():
    assert "nothing in the place of a score: is /score" in judged(pooled([0.5]), api="score")[0].error
    assert "nothing in the place of a score: is /classify" in judged(scored(0.5), api="classify")[0].error
    assert "no probabilities" in judged(scored(-2.5), api="score")[0].error


def test_a_busy_server_is_asked_again_and_a_refusal_does_not_quote_the_solution():
    def busy(body):
        return web.Response(status=503, text="busy")

    def refusal(body):
        return web.json_response({"error": {"message": f"cannot read: {body['messages'][-1]['content']}"}}, status=400)

    score, sent = judged(busy, busy, pooled([0.5], [0.5], [0.5]))
    assert (score.value, len(sent)) == (0.5, 3)
    score, sent = judged(refusal, text="one two three four five six")
    assert "status 400: (its message is withheld" in score.error
    assert len(sent) == 1


def test_a_silent_server_is_given_up():
    async def main():
        async with serving(pooled([0.5])) as (url, _):
            closed = url
        model = Served(closed, retries=Retry(times=0), timeout=Timeout(total=1))
        [score] = await Reward(model)(PROBLEM, [Sample("a")])
        await model.close()
        return score

    assert "is it running" in asyncio.run(main()).error


def steps_of(body):
    return pooled(*[[0.2, 0.8]] * body["messages"][-1]["content"].count("<extra_0>"))


def test_a_solve_pays_for_what_the_server_counts():
    async def main(limit=None):
        async with serving(steps_of) as (url, sent):
            model = Served(url)
            answer = await solve(PROBLEM, model=Simulated(), strategy="best-of-n", verifier=Reward(model), n=4, budget=limit)
            await model.close()
            return answer, sent

    answer, sent = asyncio.run(main())
    assert answer.usage["verifier"] == Usage(4, 160)
    assert len(sent) == 4
    assert {one.value for one in answer.candidates} == {0.8}
    short, _ = asyncio.run(main(Budget(calls=3)))  # one call drew all four
    assert short.usage["verifier"].calls == 2
    assert sorted(one.value is None for one in short.candidates) == [False, False, True, True]


def test_a_server_that_does_not_count_is_charged_the_most_it_can_have_been():
    reply = pooled([0.5], [0.5], [0.5]) | {"usage": None}

    async def main():
        async with serving(reply) as (url, _):
            model = Served(url)
            answer = await solve(PROBLEM, model=Simulated(steps=2), strategy="best-of-n", verifier=Reward(model), n=1)
            await model.close()
            return answer

    [event] = [one for one in asyncio.run(main()).trace.events if one.data.get("role") == "verifier"]
    assert event.data["usage_source"] == "reserved"
    assert event.data["usage"]["prompt"] > 256  # bytes, messages and the template's overhead


def test_a_wrong_setting_is_refused():
    with pytest.raises(InputError, match="take pooling, classify or score"):
        Served("http://localhost:8000", api="rerank")
    with pytest.raises(InputError, match="begins with http"):
        Served("localhost:8000")
    assert Served("http://u:p@localhost:8000/?key=1").name == "pooling@http://localhost:8000"
