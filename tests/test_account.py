"""A key's limits hold inside its requests, however many run at once, and the ledger has what the model itself counted."""

import asyncio
from contextlib import nullcontext
from dataclasses import replace

import pytest

from ponder import budget
from ponder.errors import LimitReached
from ponder.models.simulated import ABLE, Simulated
from ponder.serve.account import Accounts
from ponder.serve.keys import Key
from ponder.serve.ledger import Ledger
from ponder.serve.limits import parse
from ponder.solve import solve
from ponder.tasks.simulated import problems
from ponder.types import Price, Usage


@pytest.fixture
def accounts(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield Accounts(ledger)
    ledger.close()


def asked(accounts, key, model, requests, n=8):
    """So many requests at once; their answers, None for those that the key refused."""

    async def one(number):
        try:
            account = accounts.admit(f"{key.id}{number}", key)
        except LimitReached:
            return None

        def listener(event):
            if event.kind == "drawn":
                account.journal(account.number(), Usage(**event.data["usage"]), event.data["usd"])

        settings = {"model": model, "strategy": "self-consistency", "n": n, "max_tokens": 64, "listener": listener}
        try:
            with budget.under(account.meter) if account.meter else nullcontext():
                return await solve(problems(requests)[number], **settings)
        except LimitReached:
            return None
        finally:
            account.settle()

    async def main():
        return await asyncio.gather(*(one(number) for number in range(requests)))

    return asyncio.run(main())


@pytest.mark.parametrize("batched", [True, False])
def test_a_keys_tokens_are_never_overdrawn_by_concurrent_requests(accounts, batched):
    key = Key("k", "k", parse("3000 tokens/ever,$100/day"))
    model = Simulated(price=Price(1e-3, 1e-3), abilities=replace(ABLE, n=batched), latency=1e-4, concurrency=16)
    answers = asked(accounts, key, model, requests=20)
    used = accounts.ledger.used(key)
    spent = model.tally.usage
    assert used.tokens == spent.computed <= 3000
    assert used.usd == pytest.approx(model.price.usd(spent))
    assert used.tokens > 2500  # and nearly all of it was to be had
    assert any(answer is not None and answer.stopped == "done" for answer in answers)
    assert any(answer is None or answer.stopped == "budget" for answer in answers)
    assert accounts.ledger.db.execute("SELECT COUNT(*) FROM request WHERE state = 'open'").fetchone() == (0,)
    with pytest.raises(LimitReached):
        accounts.ledger.admit("x", replace(key, limits=parse("1 tokens/ever")))


def test_dollars_are_limited_as_tokens_are_and_a_key_without_limits_is_counted_too(accounts):
    model = Simulated(price=Price(1e-3, 1e-3), latency=1e-4)
    poor, rich = Key("p", "p", parse("$0.5/day")), Key("r", "r")
    asked(accounts, poor, model, requests=6)
    assert 0.3 < accounts.ledger.used(poor).usd <= 0.5
    model = Simulated(latency=1e-4)
    asked(accounts, rich, model, requests=6)
    used = accounts.ledger.used(rich)
    assert (used.tokens, used.unpriced, used.usd) == (model.tally.usage.computed, model.tally.usage.computed, 0.0)


def test_failed_and_cancelled_draws_are_on_the_account(accounts):
    key, model = Key("k", "k"), Simulated(faults={"break": 0.3, "refuse": 0.2}, abilities=replace(ABLE, n=False), latency=1e-4)
    asked(accounts, key, model, requests=10)
    assert accounts.ledger.used(key).tokens == model.tally.usage.computed


def test_clients_are_told_what_is_left(accounts):
    key = Key("k", "k", parse("10/m,1000 tokens/m"))
    account = accounts.admit("r", key)
    account.journal(0, Usage(1, 0, 0, 400), None)
    told = account.headers()
    assert (told["x-ratelimit-remaining-requests"], told["x-ratelimit-remaining-tokens"]) == ("9", "600")
    assert told["x-ratelimit-reset-tokens"].endswith("s")
