"""Game of 24: reach 24 with four numbers of 1 to 13, each used once, by + - * /. Every answer can be checked exactly.

Of the 1,820 hands 1,362 are solvable. They are made here by an exact solver; where `PONDER_DATA` holds the list of Yao et al. 2023
(Tree of Thoughts), they come in its order of rank, with the share of people who fail as their difficulty.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations, combinations_with_replacement, islice
from pathlib import Path

from ponder.errors import InputError
from ponder.tasks import countdown, files
from ponder.tasks.expression import canonical, extract, grade
from ponder.types import Problem, Task
from ponder.verifiers.check import Check

TARGET, LARGEST = 24, 13
RANKED = "bench_game24/24.csv"
TEST_RANKS = range(900, 1000)

Hand = list[tuple[int, int, str]]
"""The numbers at hand, each an exact ratio (numerator, denominator) and the expression that made it."""


@cache
def solve(numbers: tuple[int, ...], target: int = TARGET) -> str | None:
    """An expression that uses each number once and equals `target`, or None if there is none: exhaustive and exact."""
    found = _search([(number, 1, str(number)) for number in numbers], target)
    return found.removeprefix("(").removesuffix(")") if found else None


def _search(hand: Hand, target: int) -> str | None:
    if len(hand) == 1:
        numerator, denominator, expression = hand[0]
        return expression if numerator == target * denominator else None
    for first, second in combinations(range(len(hand)), 2):
        rest = [held for position, held in enumerate(hand) if position not in (first, second)]
        for made in _results(*hand[first], *hand[second]):
            if found := _search([*rest, made], target):
                return found
    return None


def _results(a: int, b: int, left: str, c: int, d: int, right: str) -> Iterator[tuple[int, int, str]]:
    """Every sum, product, difference and quotient of a/b and c/d."""
    yield a * d + c * b, b * d, f"({left}+{right})"
    yield a * c, b * d, f"({left}*{right})"
    yield a * d - c * b, b * d, f"({left}-{right})"
    yield c * b - a * d, b * d, f"({right}-{left})"
    if c:
        yield a * d, c * b, f"({left}/{right})"
    if a:
        yield c * b, a * d, f"({right}/{left})"


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
    model="builtin:mini",
    exemplars=countdown.countdown_4.exemplars,
    source="generated; ranks and human solve rates from princeton-nlp/tree-of-thought-llm",
    licence="Apache-2.0; the list MIT",
)
