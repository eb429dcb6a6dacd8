"""What was found out about a model, kept between runs: one JSON file each under the cache folder, by kind and key."""

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from ponder.config import cache_path
from ponder.errors import InputError

T = TypeVar("T")


def keep(kind: str, key: str, finding: object) -> None:
    """Write a finding, whole or not at all. Raises `InputError` when the cache folder cannot be written."""
    path = _path(kind, key)
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(finding)))
        draft.replace(path)
    except OSError as error:
        raise InputError(
            f"what was found out cannot be kept in {path.parent}: {error.strerror}; "
            f"set PONDER_CACHE_DIR to a folder that can be written"
        ) from error


def recall(kind: str, key: str, of: type[T]) -> T | None:
    """The finding, a dataclass `of`; None if there is none, or its record cannot be read."""
    try:
        return msgspec.json.decode(_path(kind, key).read_bytes(), type=of)
    except (OSError, msgspec.DecodeError):
        return None


def _path(kind: str, key: str) -> Path:
    return cache_path() / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
