"""API keys of the gateway: who may ask, and how much.

A key is `pk-ID-SECRET`: the id finds its row, and the secret has 256 random bits. Only the SHA-256 of the whole key is stored. A
slow hash such as scrypt protects passwords, which can be guessed; nobody can guess 256 bits, and 50 ms of hashing a request would
be a lever against the server. No salt is needed either: no two keys are alike, and no table of them can be made in advance.
Digests are compared in constant time, and an unknown id costs the same comparison.
"""

from __future__ import annotations

import hmac
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import msgspec

from ponder.errors import InputError
from ponder.serve.limits import Limit

_SCHEMA = """
CREATE TABLE IF NOT EXISTS key (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL, limits BLOB NOT NULL, created REAL NOT NULL, revoked REAL
);
CREATE UNIQUE INDEX IF NOT EXISTS living ON key (name) WHERE revoked IS NULL;
"""
_COLUMNS = "id, name, limits, created, revoked"
_FOUND = f"SELECT digest, {_COLUMNS} FROM key WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key: not the key. Times are Unix times."""

    id: str
    name: str
    limits: tuple[Limit, ...] = ()
    created: float = 0.0
    revoked: float | None = None


class Keyring:
    """The keys in a database (that of the ledger)."""

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float] = time.time) -> None:
        self._db, self._clock, self._needed = db, clock, False
        db.executescript(_SCHEMA)

    def create(self, name: str, limits: Iterable[Limit] = ()) -> str:
        """A new key called `name`, in clear: it is shown this once. Raises InputError if a living key has the name."""
        identity = secrets.token_hex(6)
        key = f"pk-{identity}-{secrets.token_urlsafe(32)}"
        row = (identity, name, _digest(key), msgspec.json.encode(tuple(limits)), self._clock(), None)
        try:
            self._db.execute("INSERT INTO key VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise InputError(f"there is a key called `{name}`; revoke it first, or choose another name") from None
        return key

    def needed(self) -> bool:
        """Whether a key was ever made: revoking the last one does not open the door."""
        self._needed = self._needed or self._db.execute("SELECT 1 FROM key LIMIT 1").fetchone() is not None
        return self._needed

    def check(self, key: str) -> Key | None:
        """The key's row, or None: it is unknown, wrong or revoked."""
        identity = key.split("-")[1] if key.startswith("pk-") and key.isascii() else ""
        row = self._db.execute(_FOUND, (identity,)).fetchone()
        same = hmac.compare_digest(_digest(key), row[0] if row else bytes(32))
        found = _key(row[1:]) if row else None
        return found if same and found is not None and found.revoked is None else None

    def revoke(self, name: str) -> None:
        """End a key, by its name or its id; what it spent stays known. Raises InputError if there is none."""
        ended = self._db.execute(
            "UPDATE key SET revoked = ? WHERE revoked IS NULL AND (name = ? OR id = ?)", (self._clock(), name, name)
        )
        if not ended.rowcount:
            raise InputError(f"there is no living key called `{name}`; see `ponder keys list`")

    def all(self) -> list[Key]:
        """Every key ever made, the oldest first."""
        return [_key(row) for row in self._db.execute(f"SELECT {_COLUMNS} FROM key ORDER BY created")]


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


@lru_cache(1024)
def _key(row: tuple[str, str, bytes, float, float | None]) -> Key:
    identity, name, limits, created, revoked = row
    return Key(identity, name, msgspec.json.decode(limits, type=tuple[Limit, ...]), created, revoked)
