"""ponder's tools as an assistant calls them, over the official SDK's own client, in memory."""

import asyncio
from dataclasses import replace

from mcp import Client

from ponder.budget import Budget
from ponder.models.simulated import ABLE, Simulated
from ponder.serve.mcp import Bench, server
from ponder.solve import solve

QUESTION = "Use 3 7 8 8 to make 24"
WORDS = "simulated problem 17"


def talk(main, bench):
    async def run():
        async with Client(server(bench)) as client:
            return await main(client)

    return asyncio.run(run())


def test_the_tools_say_what_they_take():
    async def main(client):
        return {tool.name: tool for tool in (await client.list_tools()).tools}

    tools = talk(main, Bench(Simulated()))
    assert tools.keys() == {"solve", "verify", "compare"}
    assert set(tools["solve"].input_schema["properties"]) == {"question", "budget", "strategy", "samples"}
    assert tools["solve"].input_schema["required"] == ["question"]
    assert all(tool.description for tool in tools.values())


def test_solve_answers_as_the_library_does_tells_its_progress_and_keeps_the_cap():
    model = Simulated(accuracy=0.7, latency=1e-3, abilities=replace(ABLE, n=False), concurrency=4)
    told = []

    async def progress(done, total, message):
        told.append((done, total, message))

    async def main(client):
        asked = {"question": WORDS, "strategy": "self-consistency", "samples": 24, "budget": "100000"}
        return await client.call_tool("solve", asked, progress_callback=progress)

    result = talk(main, Bench(model, cap=Budget(tokens=900)))
    row, spent = result.structured_content, model.tally.usage
    assert not result.is_error
    assert (row["stopped"], row["tokens"]) == ("budget", spent.computed)
    assert spent.computed <= 900
    assert told
    assert told[-1][0] == row["tokens"]
    assert "draws" in told[-1][2]
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    alone = asyncio.run(
        solve(WORDS, model=replace(model, tally=type(model.tally)()), strategy="self-consistency", n=24, budget="900")
    )
    assert (row["answer"], row["text"]) == (alone.answer, alone.text)


def test_verify_judges_with_the_tasks_own_checker():
    async def main(client):
        good, bad = "8 / (3 - 8 / 3)", "3 + 7 + 8 + 8"
        asked = {"question": "Use 3 3 8 8 to make 24", "answers": [good, bad]}
        whole = await client.call_tool("verify", asked)
        none = await client.call_tool("verify", {"question": "Why is the sky blue?", "answers": ["because"]})
        unknown = await client.call_tool("verify", asked | {"verifier": "prm:/etc/passwd"})
        return whole, none, unknown

    whole, none, unknown = talk(main, Bench())
    assert [one["value"] for one in whole.structured_content["scores"]] == [1.0, 0.0]
    assert none.is_error
    assert "--verifier" in none.content[0].text
    assert unknown.is_error
    assert "not offered" in unknown.content[0].text


def test_compare_shows_answers_and_costs_side_by_side():
    model = Simulated(accuracy=0.7)

    async def main(client):
        asked = {"question": WORDS, "strategies": ["direct", "self-consistency(n=8)"], "budget": "2000"}
        return await client.call_tool("compare", asked), await client.call_tool(
            "compare", asked | {"strategies": ["direct", "nothing"]}
        )

    good, wrong = talk(main, Bench(model))
    rows = good.structured_content["rows"]
    assert [row["draws"] for row in rows] == [1, 8]
    assert rows[0]["tokens"] < rows[1]["tokens"]
    assert wrong.is_error
    assert "no strategy called `nothing`" in wrong.content[0].text
