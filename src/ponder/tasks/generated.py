"""Problems made on demand: endless, deterministic, and split by a hash so that no split can hold another's problem."""

import hashlib
import random
from collections.abc import Callable

from ponder.errors import InputError
from ponder.types import Problem

SPLITS = ("test", "validation", "train")
DEFAULT_LIMIT = 200
_PATIENCE = 10_000


def split_of(key: str) -> str:
    """The split that the problem spelled `key` belongs to, whoever draws it: 14 of 16 train, 1 validation, 1 test."""
    bucket = hashlib.sha256(key.encode()).digest()[0]
    return "train" if bucket < 224 else "validation" if bucket < 240 else "test"


def distinct(name: str, split: str, limit: int | None, draw: Callable[[random.Random], Problem | None]) -> list[Problem]:
    """The first `limit` (default 200) different problems that `draw` gives; the seed is (name, split). None is drawn again.

    Raises InputError for an unknown split, and when the task has fewer problems than were asked for.
    """
    if split not in SPLITS:
        raise InputError(f"the task `{name}` has no split `{split}`; its splits are {', '.join(SPLITS)}")
    rng, found, misses = random.Random(f"{name}/{split}"), dict[str, Problem](), 0
    while len(found) < (DEFAULT_LIMIT if limit is None else limit):
        problem = draw(rng)
        if problem is not None and problem.id not in found:
            found[problem.id], misses = problem, 0
        elif (misses := misses + 1) > _PATIENCE:
            raise InputError(f"the split `{split}` of `{name}` has about {len(found)} problems, and {limit} were asked for")
    return list(found.values())
