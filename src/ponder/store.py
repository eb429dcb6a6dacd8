"""The sample bank: every draw ever made, in SQLite, keyed by its content and its index.

The key is a hash of the model's fingerprint and of everything in the request that shapes the answer, the run's seed among it.
Asking for 64 draws after having 16 draws 48; a killed run, run again, replays what it had for nothing. Every sample is committed
when it is complete. Aborted draws are kept too, marked, so that the bill can be recounted.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from ponder.ambient import Ambient
from ponder.errors import StoreError
from ponder.types import Model, Request, Sample

_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (key TEXT PRIMARY KEY, model TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sample (
    key TEXT NOT NULL, draw INTEGER NOT NULL, complete INTEGER NOT NULL, body BLOB NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ'))
);
CREATE UNIQUE INDEX IF NOT EXISTS completed ON sample (key, draw) WHERE complete = 1;
"""


def key(model: Model, request: Request) -> str:
    """The content key of a request's draws; `request.seed` is the run's seed, and how many are asked for does not matter."""
    return hashlib.sha256(msgspec.json.encode([model.fingerprint, _content(request)])).hexdigest()[:32]


def draw_seed(content_key: str, index: int) -> int:
    """The seed of draw `index`, 31 bits: a hash of the key (in which the run's seed is) and the index, so order changes nothing."""
    digest = hashlib.sha256(f"{content_key}:{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _content(request: Request) -> dict[str, Any]:
    """What shapes the answer. What came later is in it only where it is asked for: so banks from before there was any stay good."""
    content: dict[str, Any] = msgspec.to_builtins(request, enc_hook=lambda _: None)
    content["n"] = 1
    del content["until"], content["top_logprobs"], content["watch"]
    later = [(content, "fields")] + [(message, "raw") for message in content["messages"]]
    for holder, name in later:
        if not holder[name]:
            del holder[name]
    until = {} if request.until is None else {"until": [request.until.pattern, request.until.flags]}
    top = {"top_logprobs": request.top_logprobs} if request.top_logprobs else {}
    watch = {"watch": repr(request.watch)} if request.watch else {}
    return content | until | top | watch


class Store:
    """One bank. Safe for several readers and, through SQLite's write-ahead log, for writers that take turns."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot open the sample bank `{self.path}`: {error}; choose another place with --store") from error

    def samples(self, content_key: str, indices: Iterable[int]) -> dict[int, Sample]:
        """The completed draws among `indices`, marked `replayed`."""
        wanted = set(indices)
        rows = self._db.execute("SELECT draw, body FROM sample WHERE key = ? AND complete = 1", (content_key,))
        return {draw: replace(self._read(body), replayed=True) for draw, body in rows if draw in wanted}

    def put(self, content_key: str, model: str, request: Request, sample: Sample) -> None:
        """Commit one draw. A completed draw that is there already stays as it was."""
        try:
            self._db.execute("BEGIN")
            self._db.execute(
                "INSERT OR IGNORE INTO request VALUES (?, ?, ?)", (content_key, model, msgspec.json.encode(_content(request)))
            )
            self._db.execute(
                "INSERT OR IGNORE INTO sample (key, draw, complete, body) VALUES (?, ?, ?, ?)",
                (content_key, sample.index, sample.whole, msgspec.json.encode(replace(sample, event=None))),
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"cannot write to the sample bank `{self.path}`: {error}") from error

    def everything(self) -> Iterator[tuple[str, dict[str, Any], list[Sample]]]:
        """Every request with its model's name, its content, and its draws in the order of their indices, aborted ones too."""
        for content_key, model, body in self._db.execute("SELECT key, model, body FROM request ORDER BY rowid").fetchall():
            rows = self._db.execute("SELECT body FROM sample WHERE key = ? ORDER BY draw, complete DESC", (content_key,))
            yield model, msgspec.json.decode(body), [self._read(row) for (row,) in rows]

    def count(self) -> tuple[int, int]:
        """How many draws are complete, and how many were aborted."""
        complete, total = self._db.execute("SELECT COALESCE(SUM(complete), 0), COUNT(*) FROM sample").fetchone()
        return complete, total - complete

    def close(self) -> None:
        self._db.close()

    def _read(self, body: bytes) -> Sample:
        try:
            return msgspec.json.decode(body, type=Sample)
        except msgspec.DecodeError as error:
            raise StoreError(f"a row of the bank `{self.path}` is damaged: {error}; move the file away to begin anew") from error


_current: ContextVar[Store | None] = ContextVar("ponder.store", default=None)


def current() -> Store | None:
    """The ambient bank, or None: nothing is kept."""
    return _current.get()


def keeping(store: Store | None) -> Ambient[Store | None]:
    """Make it the ambient bank."""
    return Ambient(_current, store)
