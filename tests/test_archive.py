"""The archive: what is kept is there after a restart, for its owner alone, until it is forgotten or too old."""

import time

import pytest

from ponder.errors import StoreError
from ponder.serve.archive import Archive, Kept
from ponder.types import Message

KEPT = Kept(b'{"id":"r"}', (Message("user", "Hi"), Message("assistant", "", '{"role":"assistant","tool_calls":[]}')))


def test_what_is_kept_is_there_after_a_restart_for_its_owner_alone(tmp_path):
    archive = Archive(tmp_path / "folder" / "archive.sqlite")
    archive.keep_response("r", "ann", KEPT)
    archive.keep_trace("t", "ann", ['{"seed":0}', '{"seed":1}'])
    archive.close()
    again = Archive(tmp_path / "folder" / "archive.sqlite")
    assert again.response("r", "ann") == KEPT
    assert again.trace("t", "ann") == b'[{"seed":0},{"seed":1}]'
    assert again.response("r", "bob") is again.trace("t", "bob") is None
    assert not again.forget("r", "bob")
    assert again.forget("r", "ann")
    assert again.response("r", "ann") is None
    again.close()


def test_what_is_too_old_is_pruned(monkeypatch):
    archive = Archive(":memory:")
    archive.keep_trace("old", "ann", ["{}"])
    later = time.time() + 100
    monkeypatch.setattr(time, "time", lambda: later)
    archive.keep_trace("new", "ann", ["{}"])
    assert archive.prune(50) == 1
    assert archive.trace("old", "ann") is None
    assert archive.trace("new", "ann") is not None
    archive.close()


def test_a_place_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--store"):
        Archive(tmp_path / "file" / "archive.sqlite")
