"""A probe believes effects, and remembers them."""

import asyncio
from collections.abc import Coroutine
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from endpoint import ALL, Endpoint, delta, events, raw, status
from ponder.errors import AbilityMissing, EndpointError, InputError
from ponder.models.abilities import probe, recall
from ponder.models.chat import Chat
from ponder.models.retry import Retry
from ponder.types import Abilities, Message, Request

EVERYTHING = Abilities(continues=True, logprobs=True, prompt_logprobs=True, n=True, seed=True, top_logprobs=True, raw=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PONDER_CACHE_DIR", str(tmp_path))
    return tmp_path


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(what)


def model(endpoint: Endpoint, **more: Any) -> Chat:
    return Chat("weekly", endpoint.url, retries=Retry(times=2, base=0.001), **more)


async def probed(endpoint: Endpoint, **more: Any) -> Chat:
    async with endpoint.run():
        chat = model(endpoint, **more)
        await probe(chat)
        return chat


def test_an_endpoint_that_can_do_everything() -> None:
    endpoint = Endpoint()
    chat = run(probed(endpoint))
    assert chat.abilities == EVERYTHING
    assert chat.dialect.running_usage
    assert len(endpoint.bodies) == 10
    assert all(body["max_tokens"] <= 32 for body in endpoint.bodies)


@pytest.mark.parametrize("ability", [one.name for one in fields(Abilities) if one.name not in ("thinking", "usage_source", "raw")])
def test_a_field_that_is_accepted_and_ignored_is_no_ability(ability: str) -> None:
    chat = run(probed(Endpoint(can=ALL - {ability})))
    lacking = {"stop": {"stop", "names_stop"}, "logprobs": {"logprobs", "top_logprobs"}}.get(ability, {ability})
    assert chat.abilities == replace(EVERYTHING, **dict.fromkeys(lacking, False))


def test_the_overhead_bounds_the_real_prompt_whatever_the_template_adds() -> None:
    async def main(template: int) -> None:
        async with Endpoint(template=template).run() as endpoint:
            chat = model(endpoint)
            await probe(chat)
            for messages in ((Message("user", "Hi"),), (Message("system", ""), Message("user", "days?"))):
                request = Request(messages, max_tokens=2)
                used = [chunk.usage async for chunk in chat.stream(request)][-1]
                assert used is not None
                assert used.prompt <= chat.prompt_tokens(request) < used.prompt + 100

    for template in (3, 700):
        run(main(template))


def test_the_name_of_the_limit_is_learnt_from_the_error() -> None:
    endpoint = Endpoint(limit="max_completion_tokens")
    chat = run(probed(endpoint))
    assert chat.dialect.limit == "max_completion_tokens"
    assert chat.abilities == EVERYTHING
    assert [("max_tokens" in body) for body in endpoint.bodies] == [True] + [False] * 10


def test_running_usage_is_asked_for_where_it_is_refused_and_then_no_more() -> None:
    endpoint = Endpoint(faults=[status(400)])
    chat = run(probed(endpoint))
    assert not chat.dialect.running_usage
    assert chat.abilities.usage
    assert "continuous_usage_stats" not in endpoint.bodies[1]["stream_options"]


def test_an_endpoint_that_refuses_stream_options_is_asked_without() -> None:
    endpoint = Endpoint(faults=[status(422), status(422)])
    chat = run(probed(endpoint))
    assert not chat.abilities.usage
    assert "stream_options" not in endpoint.bodies[2]


def test_thinking_is_seen() -> None:
    thought = events(delta(reasoning_content="hm"), delta("Monday, Tuesday", finish="stop"))
    chat = run(probed(Endpoint(faults=[thought])))
    assert chat.abilities.thinking
    assert not chat.abilities.usage


def test_choices_that_are_copies_are_not_worth_asking_for() -> None:
    same = "".join(delta("red", finish="stop", index=index) for index in range(3))
    fine = events(delta("Monday, ", finish="stop"))
    chat = run(probed(Endpoint(faults=[fine] * 6 + [events(same)])))
    assert not chat.abilities.n


def test_a_finding_is_kept_by_url_and_model_and_refreshed_on_request(cache: Path) -> None:
    async def main() -> None:
        async with Endpoint().run() as endpoint:
            assert recall(model(endpoint)) is None
            await probe(model(endpoint))
            asked = len(endpoint.bodies)
            chat = model(endpoint, api_key="secret-key")
            assert await probe(chat) == chat.abilities == EVERYTHING
            assert len(endpoint.bodies) == asked
            chat = model(endpoint)
            finding = recall(chat)
            assert chat.abilities == EVERYTHING
            assert finding is not None
            assert (finding.model, finding.abilities) == (chat.name, EVERYTHING)
            assert recall(Chat("other", endpoint.url)) is None
            endpoint.can = ALL - {"n"}
            assert not (await probe(chat, refresh=True)).n
            assert len(endpoint.bodies) == 2 * asked

    run(main())
    assert "secret-key" not in "".join(path.read_text() for path in cache.rglob("*.json"))


def test_a_cache_that_cannot_be_written_is_an_error_with_advice(cache: Path) -> None:
    (cache / "abilities").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot be kept in .*: .* set PONDER_CACHE_DIR"):
        run(probed(Endpoint()))


def test_a_count_that_stands_still_is_no_running_usage() -> None:
    """Placeholders in every event would make a cancelled draw look free."""
    count = {"prompt_tokens": 9, "completion_tokens": 0}
    last = count | {"completion_tokens": 3}
    chat = run(probed(Endpoint(faults=[events(delta("Monday,", usage=count), delta(finish="stop", usage=last))])))
    assert chat.abilities.usage
    assert not chat.dialect.running_usage


def test_a_damaged_record_is_probed_anew(cache: Path) -> None:
    async def main() -> None:
        async with Endpoint().run() as endpoint:
            await probe(model(endpoint))
            for path in cache.rglob("*.json"):
                path.write_text("{")
            assert await probe(model(endpoint)) == EVERYTHING

    run(main())


@pytest.mark.parametrize("fault", [status(401), status(403), status(429), status(503)])
def test_a_probe_that_cannot_be_made_is_an_error_and_leaves_no_record(fault: Any, cache: Path) -> None:
    async def main() -> None:
        async with Endpoint(faults=[fault] * 5).run() as endpoint:
            with pytest.raises(EndpointError):
                await probe(model(endpoint))

    run(main())
    assert not list(cache.rglob("*.json"))


def test_a_passing_fault_does_not_cost_an_ability() -> None:
    chat = run(probed(Endpoint(faults=[status(500), status(429)])))
    assert chat.abilities == EVERYTHING


def test_what_is_lacking_is_refused_before_anything_is_sent() -> None:
    async def main() -> None:
        async with Endpoint(can=frozenset()).run() as endpoint:
            chat = model(endpoint)
            await probe(chat)
            asked = len(endpoint.bodies)
            words = Request((Message("user", "words"),))
            lacking = {"n": {"n": 2}, "logprobs": {"logprobs": True}, "prompt_logprobs": {"prompt_logprobs": True}}
            lacking |= {"top_logprobs": {"top_logprobs": 2}, "continues": {"prefix": "Mon"}, "stop": {"stop": (",",)}}
            for ability, wish in lacking.items():
                with pytest.raises(AbilityMissing, match=rf"`weekly@http://127.*` lacks the ability `{ability}`: .* probe it"):
                    await anext(chat.stream(replace(words, **wish)))
            assert len(endpoint.bodies) == asked

    run(main())


def test_base_models_continue_by_nature() -> None:
    chat = run(probed(Endpoint(), api="completions"))
    assert chat.abilities == replace(EVERYTHING, raw=False)
    assert run(probed(Endpoint(faults=[raw("{}")] * 2), api="completions")).abilities.continues
