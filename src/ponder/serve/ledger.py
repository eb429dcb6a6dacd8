"""What each API key has used, in SQLite: it survives a crash, and nothing is counted twice.

A request is admitted under an id of its own, its draws are journalled while they run and when they end, and it is settled. A draw's
entry holds what it has used so far: writing it again adds only the difference to the spend, so it can be repeated at will. What was
journalled is spent from that moment: after `kill -9` there is nothing to reconstruct, and the requests that were open are closed as
`interrupted`. (The write-ahead log is flushed to the disk at checkpoints: a process that dies loses nothing, a machine that loses
its power may lose the last moments.)

What a busy server pays for is transactions, so inside an event loop changes share one, for `LINGER` seconds at most. Whoever must
not go on before a change is safe ends it by `keep()`, or awaits `kept()`, which does so in the next turn of the loop.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from ponder.errors import LimitReached, StoreError
from ponder.serve.keys import Key
from ponder.serve.limits import EVER, PERIODS, Standing, Used, window
from ponder.types import Usage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, began REAL NOT NULL, process INTEGER NOT NULL, state TEXT NOT NULL,
    tokens INTEGER NOT NULL DEFAULT 0, usd REAL NOT NULL DEFAULT 0, unpriced INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS open ON request (process) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS draw (
    request TEXT, number INTEGER, tokens INTEGER NOT NULL, usd REAL NOT NULL, unpriced INTEGER NOT NULL,
    PRIMARY KEY (request, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spend (
    key TEXT, seconds INTEGER, period INTEGER,
    requests INTEGER NOT NULL, tokens INTEGER NOT NULL, usd REAL NOT NULL, unpriced INTEGER NOT NULL,
    PRIMARY KEY (key, seconds, period)
) WITHOUT ROWID;
"""
_SPEND = """
INSERT INTO spend VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET
requests = requests + ?4, tokens = tokens + ?5, usd = usd + ?6, unpriced = unpriced + ?7
"""
_CLOSE = """
UPDATE request SET state = ?1, (tokens, usd, unpriced) = (
    SELECT COALESCE(SUM(tokens), 0), COALESCE(SUM(usd), 0), COALESCE(SUM(unpriced), 0) FROM draw WHERE request = ?2
) WHERE id = ?2 AND state = 'open'
"""

State = Literal["open", "done", "interrupted"]
DAY = PERIODS["day"]
LINGER = 0.005


class Ledger:
    """One database, that of the keys too. Several processes may share it; each reads what the others have written."""

    def __init__(self, path: Path | str, clock: Callable[[], float] = time.time) -> None:
        self.path, self.clock = Path(path), clock
        self._last: asyncio.TimerHandle | None = None  # ends the transaction that changes share; None where there is none
        self._error: sqlite3.Error | None = None  # why the latest of them was lost
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self.db.execute("PRAGMA page_size = 1024")  # each change writes a few rows, in whole pages
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = NORMAL")
            self.db.executescript(_SCHEMA)
            self.path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot open the ledger `{self.path}`: {error}; choose another place with --ledger") from error

    def admit(self, request: str, key: Key) -> list[Standing]:
        """Count one request of `key`, and say how its limits stand with it. Raises LimitReached where one leaves nothing,
        StoreError for an id used before."""
        now = self.clock()
        with self._writing():
            before = self.standings(key)
            for standing in before:
                if standing.left < (1 if standing.limit.kind == "requests" else 1e-12):
                    limit = standing.limit
                    raise LimitReached(limit.kind, limit.amount, standing.used, 0, limit.reset(now))
            row = (request, key.id, now, os.getpid())
            self.db.execute("INSERT INTO request (id, key, began, process, state) VALUES (?, ?, ?, ?, 'open')", row)
            self._spend(key, Used(requests=1), now)
        return [Standing(one.limit, one.used + 1) if one.limit.kind == "requests" else one for one in before]

    def journal(self, request: str, key: Key, number: int, usage: Usage, usd: float | None) -> None:
        """Draw `number` of a request has used so much until now; `usd` is None where the price is unknown."""
        more = Used(0, usage.computed, usd or 0.0, usage.computed if usd is None else 0)
        row = (request, number, more.tokens, more.usd, more.unpriced)
        with self._writing():
            if not self.db.execute("INSERT OR IGNORE INTO draw VALUES (?, ?, ?, ?, ?)", row).rowcount:
                more = self._grown(row, more)
            self._spend(key, more, self.clock())

    def settle(self, request: str, state: State = "done") -> None:
        """Close a request: its entries become one sum. A second time changes nothing."""
        with self._writing():
            self._close([request], state)

    def recover(self) -> list[str]:
        """Close the requests of processes that are no more, and return their ids."""
        with self._writing():
            rows = self.db.execute("SELECT id, process FROM request WHERE state = 'open'").fetchall()
            lost = [request for request, process in rows if process != os.getpid() and not _lives(process)]
            self._close(lost, "interrupted")
        return lost

    def standings(self, key: Key) -> list[Standing]:
        """Each limit of the key, and what of it is used in this period."""
        now = self.clock()
        return [Standing(one, getattr(self.used(key, one.seconds, now), one.kind)) for one in key.limits]

    def used(self, key: Key, seconds: int = DAY, now: float | None = None) -> Used:
        """What the key has used in the period of so many seconds in which `now` lies: a day, `EVER`, or one of its limits'."""
        period = window(seconds, self.clock() if now is None else now)
        query = "SELECT requests, tokens, usd, unpriced FROM spend WHERE key = ? AND seconds = ? AND period = ?"
        row = self.db.execute(query, (key.id, seconds, period)).fetchone()
        return Used(*row) if row else Used()

    def forget(self, older: float) -> int:
        """Delete the closed requests that began over `older` seconds ago; returns how many. Of the spend, days are kept."""
        with self._writing():
            now = self.clock()
            gone = self.db.execute("DELETE FROM request WHERE state != 'open' AND began < ?", (now - older,)).rowcount
            self.db.execute("DELETE FROM spend WHERE seconds BETWEEN 1 AND ? AND (period + 1) * seconds < ?", (DAY - 1, now))
        return gone

    def keep(self) -> None:
        """Let all that was written so far outlive this process. Raises StoreError where it could not be written."""
        if self._last is not None:
            try:
                self.db.execute("COMMIT")
                self._over()
            except sqlite3.Error as error:
                self.db.rollback()
                self._over(error)
        if self._error is not None:
            raise self._lost(self._error)

    async def kept(self) -> None:
        """`keep`, but first let others write what they have to in this turn of the event loop."""
        await asyncio.sleep(0)
        self.keep()

    def close(self) -> None:
        self._linger()
        self.db.close()

    def _grown(self, row: tuple[str, int, int, float, int], so_far: Used) -> Used:
        """By how much a draw's entry has grown, which is what `row` says now."""
        query = "SELECT tokens, usd, unpriced FROM draw WHERE request = ? AND number = ?"
        tokens, usd, unpriced = self.db.execute(query, row[:2]).fetchone()
        self.db.execute("REPLACE INTO draw VALUES (?, ?, ?, ?, ?)", row)
        return Used(0, so_far.tokens - tokens, so_far.usd - usd, so_far.unpriced - unpriced)

    def _spend(self, key: Key, more: Used, now: float) -> None:
        spent, periods = (more.requests, more.tokens, more.usd, more.unpriced), {DAY, EVER, *[one.seconds for one in key.limits]}
        self.db.executemany(_SPEND, [(key.id, seconds, window(seconds, now), *spent) for seconds in periods])

    def _close(self, requests: Iterable[str], state: State) -> None:
        for request in requests:
            if self.db.execute(_CLOSE, (state, request)).rowcount:
                self.db.execute("DELETE FROM draw WHERE request = ?", (request,))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One change: all of it or nothing; with others inside an event loop, or at once outside of one."""
        try:
            if self.db.in_transaction:
                with self._beside():
                    yield
                return
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._share()
            except BaseException:
                self.db.rollback()
                raise
        except sqlite3.Error as error:
            if self._last is not None and not self.db.in_transaction:  # the other changes are gone with this one
                self._over(error)
            raise self._lost(error) from error

    @contextmanager
    def _beside(self) -> Iterator[None]:
        """A change in a transaction that others have begun: where it fails, it is undone alone."""
        self.db.execute("SAVEPOINT change")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK TO change")
            raise
        finally:
            self.db.execute("RELEASE change")

    def _share(self) -> None:
        """Let others into the transaction that has been begun, or end it where there is no event loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.db.execute("COMMIT")
            return
        self._last = loop.call_later(LINGER, self._linger)

    def _over(self, error: sqlite3.Error | None = None) -> None:
        """The shared transaction has ended: it is kept, or lost."""
        if self._last is not None:
            self._last.cancel()  # a loop is not woken for what is over
        self._last, self._error = None, error

    def _linger(self) -> None:
        """End the shared transaction for those who have not waited for its end; they hear of a loss when they ask."""
        with suppress(StoreError):
            self.keep()

    def _lost(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"cannot write to the ledger `{self.path}`: {error}")


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
