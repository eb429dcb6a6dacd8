"""What a gateway remembers: the trace of every request and the conversation behind every response, for their owners only."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ponder.errors import StoreError
from ponder.trace import Trace
from ponder.types import Message

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS trace (id TEXT PRIMARY KEY, owner TEXT NOT NULL, at REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS response (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, at REAL NOT NULL, body BLOB NOT NULL, messages BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS trace_at ON trace (at);
CREATE INDEX IF NOT EXISTS response_at ON response (at);
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A response as it was sent (JSON), and the conversation up to and with it."""

    body: bytes
    messages: tuple[Message, ...]


def traces(body: bytes) -> list[Trace]:
    """The traces of a request, one for each of its solves."""
    return [Trace.read(bytes(one)) for one in msgspec.json.decode(body, type=list[msgspec.Raw])]


class Archive:
    """A database of its own, used in a thread of its own: the event loop never waits for the disk.

    Every write is committed before the answer is sent. Raises `StoreError` where it cannot be used.
    """

    def __init__(self, path: Path | str) -> None:
        try:
            if path != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
            if path != ":memory:":
                Path(path).chmod(0o600)  # it holds prompts
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"cannot open the archive `{path}`: {error}; choose another place with --store, or --no-store"
            ) from error
        self._thread = ThreadPoolExecutor(1, "archive")

    async def keep_trace(self, name: str, owner: str, solves: Sequence[Trace]) -> None:
        """The traces of a request, one for each of its solves, as an array of JSON."""

        def row() -> tuple[object, ...]:
            return name, owner, time.time(), f"[{','.join(one.line() for one in solves)}]".encode()

        await self._write("INSERT OR REPLACE INTO trace VALUES (?, ?, ?, ?)", row)

    async def trace(self, name: str, owner: str) -> bytes | None:
        found = await self._read("SELECT body FROM trace WHERE id = ? AND owner = ?", (name, owner))
        return found[0][0] if found else None

    async def latest(self, owner: str, limit: int) -> list[tuple[str, float, bytes]]:
        """The owner's latest requests, the newest first: name, when (seconds since 1970), traces."""
        return await self._read("SELECT id, at, body FROM trace WHERE owner = ? ORDER BY at DESC LIMIT ?", (owner, limit))

    async def keep_response(self, name: str, owner: str, kept: Kept) -> None:
        def row() -> tuple[object, ...]:
            return name, owner, time.time(), kept.body, msgspec.json.encode(kept.messages)

        await self._write("INSERT OR REPLACE INTO response VALUES (?, ?, ?, ?, ?)", row)

    async def response(self, name: str, owner: str) -> Kept | None:
        found = await self._read("SELECT body, messages FROM response WHERE id = ? AND owner = ?", (name, owner))
        return Kept(found[0][0], msgspec.json.decode(found[0][1], type=tuple[Message, ...])) if found else None

    async def forget(self, name: str, owner: str) -> bool:
        """Delete a response; whether there was one."""
        return await self._write("DELETE FROM response WHERE id = ? AND owner = ?", lambda: (name, owner)) > 0

    async def prune(self, seconds: float) -> int:
        """Delete what is older than so many seconds; returns how many rows that were."""
        before = (time.time() - seconds,)
        return sum([await self._write(f"DELETE FROM {table} WHERE at < ?", lambda: before) for table in ("trace", "response")])

    def close(self) -> None:
        self._thread.shutdown()
        self._db.close()

    async def _read(self, query: str, values: tuple[object, ...]) -> list[Any]:
        return await self._aside(lambda: self._db.execute(query, values).fetchall())

    async def _write(self, statement: str, row: Callable[[], tuple[object, ...]]) -> int:
        """How many rows it has changed. The row is made in the thread, too."""
        try:
            return await self._aside(lambda: self._db.execute(statement, row()).rowcount)
        except sqlite3.Error as error:
            raise StoreError(f"cannot write to the archive: {error}; make room, or serve with --no-store") from error

    async def _aside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
