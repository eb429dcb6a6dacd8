"""The ledger: what was used is never lost and never counted twice."""

import asyncio
import os
import signal
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.errors import LimitReached, StoreError
from ponder.serve.keys import Key
from ponder.serve.ledger import DAY, LINGER, Ledger
from ponder.serve.limits import EVER, Used, parse
from ponder.types import Usage


class Clock:
    now = 1000.0 * DAY

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    made = Ledger(tmp_path / "ledger.sqlite", clock)
    yield made
    made.close()


ADA = Key("ada", "ada", parse("2/m,100 tokens/h,$1/day"))


def test_requests_tokens_and_dollars_are_limited_and_reset(ledger, clock):
    ledger.admit("r1", ADA)
    ledger.journal("r1", ADA, 0, Usage(1, 30, 10, 20), 0.25)
    ledger.admit("r2", ADA)
    with pytest.raises(LimitReached, match="limit of 2 requests is reached: 2 used; it is reset in 60 s") as reached:
        ledger.admit("r3", ADA)
    assert reached.value.after == 60
    clock.now += 60
    ledger.journal("r2", ADA, 0, Usage(1, 30, 0, 30), 0.25)
    with pytest.raises(LimitReached, match="100 tokens is reached: 100 used"):
        ledger.admit("r3", ADA)
    clock.now += 3600
    ledger.admit("r3", ADA)
    ledger.journal("r3", ADA, 0, Usage(1, 10, 0, 0), 0.5)
    with pytest.raises(LimitReached, match=r"1 usd is reached: 1 used; it is reset in 82740 s"):
        ledger.admit("r4", ADA)
    assert ledger.used(ADA) == Used(3, 110, 1.0)
    clock.now += DAY
    assert (ledger.used(ADA), ledger.used(ADA, EVER)) == (Used(), Used(3, 110, 1.0))


def test_an_entry_written_again_adds_the_difference_only_and_unknown_prices_are_kept_apart(ledger):
    key = Key("k", "k")
    ledger.admit("r", key)
    for completion in (5, 5, 9, 20, 20):
        ledger.journal("r", key, 0, Usage(1, 10, 0, completion), 0.1 * completion)
    ledger.journal("r", key, 1, Usage(1, 10, 0, 1), None)
    assert ledger.used(key) == Used(1, 41, pytest.approx(2.0), 11)
    for _ in range(2):
        ledger.settle("r")
    assert ledger.used(key) == Used(1, 41, pytest.approx(2.0), 11)
    row = ledger.db.execute("SELECT state, tokens, usd, unpriced FROM request").fetchone()
    assert row == ("done", 41, pytest.approx(2.0), 11)
    assert ledger.db.execute("SELECT COUNT(*) FROM draw").fetchone() == (0,)
    with pytest.raises(StoreError, match="UNIQUE"):
        ledger.admit("r", key)
    assert ledger.used(key).requests == 1


@settings(max_examples=50)
@given(entries=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 50)), max_size=30), data=st.data())
def test_the_spend_is_the_sum_of_the_last_entries_whatever_was_repeated(tmp_path_factory, entries, data):
    ledger, key = Ledger(tmp_path_factory.mktemp("ledger") / "l.sqlite", Clock()), Key("k", "k")
    last = {}
    for request in range(4):
        ledger.admit(str(request), key)
    for request, number, tokens in entries:
        last[request, number] = tokens
        for _ in range(data.draw(st.integers(1, 2))):
            ledger.journal(str(request), key, number, Usage(1, 0, 0, tokens), None)
    assert ledger.used(key, EVER).tokens == sum(last.values())
    for request in range(4):
        ledger.settle(str(request))
    assert ledger.db.execute("SELECT SUM(tokens) FROM request").fetchone()[0] == sum(last.values())
    ledger.close()


def test_inside_an_event_loop_changes_are_kept_together(tmp_path):
    """One transaction: read here at once, by others once it is kept; a change that cannot be is undone alone."""
    key, path = Key("k", "k"), tmp_path / "ledger.sqlite"

    async def main():
        ledger, other = Ledger(path), Ledger(path)
        for request in ("r1", "r2"):
            ledger.admit(request, key)
        with pytest.raises(StoreError, match="UNIQUE"):
            ledger.admit("r1", key)
        ledger.journal("r2", key, 0, Usage(1, 3, 0, 4), None)
        assert (ledger.used(key), other.used(key)) == (Used(2, 7, 0.0, 7), Used())
        await ledger.kept()
        await ledger.kept()  # there is nothing to wait for
        assert other.used(key) == Used(2, 7, 0.0, 7)
        ledger.journal("r2", key, 0, Usage(1, 3, 0, 6), None)
        await asyncio.sleep(2 * LINGER)  # nobody waits, and it is kept
        assert other.used(key) == Used(2, 9, 0.0, 9)
        ledger.admit("r3", key)
        ledger.db.execute("ROLLBACK")  # as a full disk does
        for _ in range(2):  # whoever asks is told
            with pytest.raises(StoreError, match="cannot write"):
                await ledger.kept()
        ledger.settle("r1")
        ledger.keep()
        assert dict(other.db.execute("SELECT id, state FROM request")) == {"r1": "done", "r2": "open"}
        ledger.close()
        assert dict(other.db.execute("SELECT id, state FROM request")) == {"r1": "done", "r2": "open"}
        other.close()

    asyncio.run(main())


KILLED = """
import sys
from ponder.serve.keys import Key
from ponder.serve.ledger import Ledger
from ponder.types import Usage
ledger, key = Ledger(sys.argv[1]), Key("k", "k")
ledger.admit("r", key)
for tokens in range(1, 10**6):
    ledger.journal("r", key, tokens % 7, Usage(1, 0, 0, tokens), None)
    print(tokens, flush=True)
"""


def test_what_was_journalled_before_kill_9_is_spent_and_the_request_is_closed_once(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) == 40:
                process.send_signal(signal.SIGKILL)
                break
        told = [40, *map(int, process.stdout.read().split())]
    assert all(b == a + 1 for a, b in pairwise(told))
    ledger, key = Ledger(path), Key("k", "k")
    spent = ledger.used(key, EVER).tokens
    assert spent in {sum(range(n - 6, n + 1)) for n in (told[-1], told[-1] + 1)}  # it may have died between entry and word
    assert (ledger.recover(), ledger.recover()) == (["r"], [])
    assert ledger.used(key, EVER).tokens == spent
    assert ledger.db.execute("SELECT state, tokens FROM request").fetchone() == ("interrupted", spent)
    ledger.close()


def test_open_requests_of_living_processes_are_left_alone(ledger):
    ledger.admit("r", ADA)
    ledger.db.execute("UPDATE request SET process = ?", (os.getppid(),))
    assert ledger.recover() == []


def test_old_requests_are_forgotten_and_days_are_kept(ledger, clock):
    ledger.admit("old", ADA)
    ledger.journal("old", ADA, 0, Usage(1, 1, 0, 1), 0.1)
    ledger.settle("old")
    clock.now += 30 * DAY
    ledger.admit("new", ADA)
    assert ledger.forget(7 * DAY) == 1
    assert ledger.used(ADA, DAY, clock.now - 30 * DAY) == Used(1, 2, 0.1)
    kept = ledger.db.execute("SELECT seconds FROM spend WHERE period * MAX(seconds, 1) < ?", (clock.now - DAY,))
    assert {row[0] for row in kept} == {DAY, EVER}


def test_a_place_that_cannot_hold_it_is_named(tmp_path):
    with pytest.raises(StoreError, match="cannot open the ledger"):
        Ledger(tmp_path)
