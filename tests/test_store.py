"""The sample bank: content keys, the index of the draw, resumption that costs nothing, and damage that is reported."""

import asyncio
import re
import sqlite3
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ponder import store, trace
from ponder.errors import StoreError
from ponder.models.sample import draws, sample
from ponder.models.simulated import Simulated
from ponder.store import Store, draw_seed, key
from ponder.types import Abilities, Message, Request
from scripted import After

REQUEST = Request((Message("user", "simulated problem 3"),))
ONE_BY_ONE = Abilities(continues=True, usage=True)


def draw(model, n, path, request=REQUEST):
    kept = Store(path)
    try:
        with store.keeping(kept), trace.tracing(trace.Trace()) as seen:
            return asyncio.run(sample(model, request, n)), trace.usage(seen.events)
    finally:
        kept.close()


@pytest.mark.parametrize("able", [ONE_BY_ONE, Abilities(n=True)], ids=["one by one", "n in a call"])
def test_asking_for_64_after_having_16_draws_48(tmp_path, able):
    model = Simulated(abilities=able)
    few, _ = draw(model, 16, tmp_path / "bank.sqlite")
    before = model.tally.completion
    many, usage = draw(model, 64, tmp_path / "bank.sqlite")
    assert [one.text for one in many[:16]] == [one.text for one in few]
    assert [one.index for one in many] == list(range(64))
    assert model.tally.completion - before == sum(one.usage.completion for one in many[16:])
    assert usage["replayed"].completion == sum(one.usage.completion for one in few)
    assert usage["policy"].completion == sum(one.usage.completion for one in many[16:])


def test_a_cache_without_the_index_would_give_n_copies_of_one_answer(tmp_path):
    drawn, _ = draw(Simulated(abilities=ONE_BY_ONE), 32, tmp_path / "bank.sqlite")
    assert len({one.text for one in drawn}) > 16


def test_the_key_holds_all_that_shapes_the_answer_and_nothing_else():
    model = Simulated()
    base = key(model, REQUEST)
    assert base == key(model, replace(REQUEST, n=5))
    changed = [
        replace(REQUEST, **change)
        for change in (
            {"messages": (Message("user", "simulated problem 4"),)},
            {"prefix": "step 1"},
            {"max_tokens": 9},
            {"temperature": 0.1},
            {"top_p": 0.9},
            {"stop": ("\n",)},
            {"until": re.compile("\n+")},
            {"until": re.compile("\n+", re.MULTILINE)},
            {"seed": 1},
            {"top_logprobs": 20},
            {"watch": After(3)},
            {"watch": After(4)},
        )
    ]
    keys = {base, key(Simulated(accuracy=0.9), REQUEST), *(key(model, request) for request in changed)}
    assert len(keys) == len(changed) + 2


def test_banks_from_before_a_wish_was_known_stay_good():
    """The keys that these requests had before there were `top_logprobs` and `watch`."""
    asked = [Request((Message("user", "simulated problem 3"),))]
    asked.append(Request((Message("user", "x"),), until=re.compile("\n+"), logprobs=True))
    found = [key(SimpleNamespace(fingerprint="a model"), request) for request in asked]
    assert found == ["9566a3e310fdc2b82d8d297f5cc1811e", "43ed65c83f1196cf76c1ef56446115a8"]
    assert Simulated().fingerprint == "0cfe9964c6de6386"


def test_seeds_of_draws_are_spread_and_pure():
    seeds = {draw_seed(key(Simulated(), REQUEST), index) for index in range(1000)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_an_aborted_draw_is_kept_marked_and_drawn_again(tmp_path):
    kept = Store(tmp_path / "bank.sqlite")
    model = Simulated(abilities=ONE_BY_ONE, latency=0.002, words=40)

    async def cut_short():
        async for _ in (stream := draws(model, REQUEST, range(4))):
            break
        await stream.aclose()

    with store.keeping(kept):
        asyncio.run(cut_short())
        complete, aborted = kept.count()
        assert complete + aborted == 4
        assert aborted > 0
        whole = asyncio.run(sample(model, REQUEST, 4))
    assert all(one.finish_reason == "stop" for one in whole)
    assert sum(one.replayed for one in whole) == complete
    kept.close()


def test_a_failed_draw_is_kept_as_failed_and_not_replayed(tmp_path):
    drawn, _ = draw(Simulated(abilities=ONE_BY_ONE, faults={"break": 1.0}), 3, tmp_path / "bank.sqlite")
    assert all(one.error for one in drawn)
    kept = Store(tmp_path / "bank.sqlite")
    assert kept.count() == (0, 3)
    kept.close()


def test_what_is_stored_comes_back_equal(tmp_path):
    first, _ = draw(Simulated(abilities=ONE_BY_ONE), 3, tmp_path / "bank.sqlite")
    again, _ = draw(Simulated(abilities=ONE_BY_ONE), 3, tmp_path / "bank.sqlite")
    assert [replace(one, event=None, replayed=True) for one in first] == [replace(one, event=None) for one in again]


def test_a_file_that_is_no_bank_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "bank.sqlite"
    path.write_text("this is not a database, but it is long enough to look like a file " * 20)
    with pytest.raises(StoreError, match=r"bank\.sqlite"):
        Store(path)
    with pytest.raises(StoreError, match="choose another place"):
        Store(tmp_path)


def test_a_damaged_row_is_reported(tmp_path):
    path = tmp_path / "bank.sqlite"
    draw(Simulated(abilities=ONE_BY_ONE), 1, path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE sample SET body = '{'")
    database.close()
    with pytest.raises(StoreError, match="damaged"):
        draw(Simulated(abilities=ONE_BY_ONE), 1, path)
