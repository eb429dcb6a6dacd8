"""The archive: what is kept is there after a restart, for its owner alone, until it is forgotten or too old."""

import asyncio
import sqlite3
import time

import pytest

from ponder.errors import StoreError
from ponder.serve.archive import Archive, Kept
from ponder.trace import Trace
from ponder.types import Message

KEPT = Kept(b'{"id":"r"}', (Message("user", "Hi"), Message("assistant", "", '{"role":"assistant","tool_calls":[]}')))


def test_what_is_kept_is_there_after_a_restart_for_its_owner_alone(tmp_path):
    async def kept():
        archive = Archive(tmp_path / "folder" / "archive.sqlite")
        await archive.keep_response("r", "ann", KEPT)
        await archive.keep_trace("t", "ann", [Trace(0), Trace(1)])
        archive.close()

    async def found():
        again = Archive(tmp_path / "folder" / "archive.sqlite")
        assert await again.response("r", "ann") == KEPT
        assert await again.trace("t", "ann") == b'[{"seed":0,"events":[]},{"seed":1,"events":[]}]'
        assert await again.response("r", "bob") is await again.trace("t", "bob") is None
        assert not await again.forget("r", "bob")
        assert await again.forget("r", "ann")
        assert await again.response("r", "ann") is None
        again.close()

    asyncio.run(kept())
    asyncio.run(found())


def test_what_is_too_old_is_pruned(monkeypatch):
    async def main():
        archive = Archive(":memory:")
        await archive.keep_trace("old", "ann", [])
        later = time.time() + 100
        monkeypatch.setattr(time, "time", lambda: later)
        await archive.keep_trace("new", "ann", [])
        assert await archive.prune(50) == 1
        assert await archive.trace("old", "ann") is None
        assert await archive.trace("new", "ann") is not None
        archive.close()

    asyncio.run(main())


def test_the_event_loop_does_not_wait_for_the_disk(tmp_path):
    """Another process that writes to the file holds a write up, and nothing else."""
    path = tmp_path / "archive.sqlite"

    async def main():
        archive = Archive(path)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.ensure_future(archive.keep_trace("t", "ann", []))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not writing.done()
        other.execute("COMMIT")
        await writing
        assert await archive.trace("t", "ann") == b"[]"
        archive.close()
        other.close()

    asyncio.run(main())


def test_a_place_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--store"):
        Archive(tmp_path / "file" / "archive.sqlite")
