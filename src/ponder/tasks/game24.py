"""Game of 24: reach 24 with four numbers of 1 to 13, each used once, by + - * /. Every answer can be checked exactly.

Of the 1,820 hands 1,362 are solvable. They are made here by an exact solver; where `PONDER_DATA` holds the list of Yao et al. 2023
(Tree of Thoughts), they come in its order of rank, with the share of people who fail as their difficulty.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement, islice
from pathlib import Path

from ponder.errors import InputError
from ponder.tasks import countdown, files, reach
from ponder.tasks.expression import canonical, extract, grade
from ponder.types import Problem, Task
from ponder.verifiers.check import Check

TARGET, LARGEST = 24, 13
RANKED = "bench_game24/24.csv"
TEST_RANKS = range(900, 1000)


def solve(numbers: tuple[int, ...]) -> str | None:
    """An expression that uses each number once and equals 24, or None if there is none: exhaustive and exact."""
    return reach.solve(numbers, TARGET)


def _load(split: str, limit: int | None) -> list[Problem]:
    ranked = files.local(RANKED)
    if split == "all":
        return list(islice(_ranked(ranked) if ranked else _generated(), limit))
    if split != "test":
        raise InputError(f"the task `game24` has no split `{split}`; its splits are {', '.join(game24.splits)}")
    if ranked is None:
        raise InputError(
            f"the split `test` of `game24` is ranks 901 to 1000 of Yao et al. 2023: set PONDER_DATA to a folder that holds "
            f"{RANKED} (src/tot/data/24/24.csv of princeton-nlp/tree-of-thought-llm), or take the split `all`, which needs no file"
        )
    return list(islice(_ranked(ranked), TEST_RANKS.start, TEST_RANKS.stop))[:limit]


def _ranked(path: Path) -> Iterator[Problem]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            numbers = tuple(int(number) for number in row["Puzzles"].split())
            failing = 1 - float(row["Solved rate"].rstrip("%")) / 100
            yield replace(countdown.problem(game24, numbers, TARGET, solve(numbers)), difficulty=failing)


def _generated() -> Iterator[Problem]:
    for numbers in combinations_with_replacement(range(1, LARGEST + 1), 4):
        if expression := solve(numbers):
            yield countdown.problem(game24, numbers, TARGET, expression)


game24 = Task(
    name="game24",
    about="Game of 24: the 1,362 solvable hands of four numbers of 1 to 13",
    load=_load,
    extract=extract,
    canonical=canonical,
    verifier=Check("game24", "nothing", grade),
    splits=("all", "test"),
    max_tokens=256,
    temperature=0.8,
    thoughts=reach.thoughts,
    model="builtin:mini",
    exemplars=countdown.countdown_4.exemplars,
    source="generated; ranks and human solve rates from princeton-nlp/tree-of-thought-llm",
    licence="Apache-2.0; the list MIT",
)
