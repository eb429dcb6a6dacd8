"""Findings are kept whole, by kind and key, and what cannot be read is not there."""

from dataclasses import dataclass

import pytest

from ponder import cache
from ponder.errors import InputError


@dataclass(frozen=True)
class Finding:
    width: int
    rates: tuple[float, ...]


def test_a_finding_comes_back_by_its_kind_and_key(monkeypatch, tmp_path):
    monkeypatch.setenv("PONDER_CACHE_DIR", str(tmp_path))
    assert cache.recall("latency", "a", Finding) is None
    cache.keep("latency", "a", Finding(4, (1.0, 0.5)))
    cache.keep("latency", "a", Finding(8, (1.0, 0.5)))
    assert cache.recall("latency", "a", Finding) == Finding(8, (1.0, 0.5))
    assert cache.recall("latency", "b", Finding) is None
    assert cache.recall("abilities", "a", Finding) is None
    [file] = (tmp_path / "latency").iterdir()
    file.write_text('{"width": "many"}')
    assert cache.recall("latency", "a", Finding) is None


def test_a_folder_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "latency").write_text("in the way")
    monkeypatch.setenv("PONDER_CACHE_DIR", str(tmp_path))
    with pytest.raises(InputError, match=r"cannot be kept in .*latency: .*PONDER_CACHE_DIR"):
        cache.keep("latency", "a", Finding(1, ()))
