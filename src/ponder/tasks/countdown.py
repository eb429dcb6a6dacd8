"""Countdown: reach a target with every one of 3 to 5 numbers, by steps of + - * /. Every answer can be checked exactly.

A problem is made backwards, by a random walk over its numbers that ends at the target: so it is solvable, and the walk is its
reference.
"""

import random
import re
from collections.abc import Sequence
from functools import lru_cache

from ponder.tasks import generated
from ponder.tasks.expression import canonical, extract, grade
from ponder.tasks.reach import thoughts
from ponder.types import Message, Problem, Task
from ponder.verifiers.check import Check

COUNTS = (3, 4, 5)
LARGEST_NUMBER, LARGEST_RESULT, LARGEST_TARGET = 20, 200, 99

SYSTEM = Message(
    "system",
    "Reach the target with the numbers given. Each step takes two of the numbers at hand and replaces them by their sum, "
    "difference, product or quotient; every number must be used exactly once. Write only the steps, one a line, and after each "
    "the numbers that are left. For `countdown 3 7 8 8 to 24`:\n8-7=1 left 3 8 1\n8*3=24 left 1 24\n24*1=24",
)

_LIST = r"([0-9]{1,4}(?:(?:\s*,\s*|\s+)(?:and\s+)?[0-9]{1,4}){1,5})"
_NAMED = r"(?:the\s+)?(?:numbers?:?\s+)?"
_GOAL = r"(?:make|get|reach|obtain|form|give)"
_WORDINGS = (
    re.compile(
        rf"\b(?:countdown|use|using|combine|with|from)\s+{_NAMED}{_LIST}\s*,?\s+(?:to\s+{_GOAL}|{_GOAL}|to)\s+([0-9]{{1,4}})\W*$",
        re.I,
    ),
    re.compile(rf"\b{_GOAL}\s+([0-9]{{1,4}})\s+(?:from|with|using|out\s+of|by\s+using)\s+{_NAMED}{_LIST}\W*$", re.I),
)


def question(numbers: Sequence[int], target: int) -> str:
    return f"countdown {' '.join(map(str, numbers))} to {target}"


def puzzle(text: str) -> tuple[tuple[int, ...], int] | None:
    """Numbers and target of `Use 3 7 8 8 to make 24`, `make 24 from 3, 7, 8 and 8` and the like; None for other text."""
    return _puzzle(text[:400])


@lru_cache(1)  # each of the tasks asks for it
def _puzzle(text: str) -> tuple[tuple[int, ...], int] | None:
    if found := _WORDINGS[0].search(text):
        listed, target = found[1], found[2]
    elif found := _WORDINGS[1].search(text):
        target, listed = found[1], found[2]
    else:
        return None
    return tuple(int(number) for number in re.findall("[0-9]+", listed)), int(target)


def problem(task: Task, numbers: Sequence[int], target: int, reference: str | None = None) -> Problem:
    """A problem of `task`, whose id does not depend on the order of the numbers."""
    return Problem(
        id=f"{'-'.join(map(str, sorted(numbers)))}-to-{target}",
        messages=(SYSTEM, Message("user", question(numbers, target))),
        task=task,
        reference=reference,
        data={"numbers": tuple(numbers), "target": target},
    )


def split_of(numbers: Sequence[int], target: int) -> str:
    """Every Game of 24 (four numbers of 1 to 13, target 24) is a test problem: a model trained here has seen none of them."""
    if len(numbers) == 4 and target == 24 and max(numbers) <= 13:
        return "test"
    return generated.split_of(f"{' '.join(map(str, sorted(numbers)))} to {target}")


def draw(rng: random.Random, count: int) -> tuple[tuple[int, ...], int, str]:
    """A solvable problem of any split: its numbers, its target, and the walk that made it as a worked solution."""
    while True:
        numbers = tuple(rng.randint(1, LARGEST_NUMBER) for _ in range(count))
        *steps, (last, [target]) = walk(rng, numbers)
        if target <= LARGEST_TARGET:
            return numbers, target, "\n".join([*(line for line, _ in steps), last])


def walk(rng: random.Random, hand: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Random steps from the numbers at hand until one is left: each as its line and the hand after it."""
    steps: list[tuple[str, list[int]]] = []
    while len(hand) > 1:
        if (taken := _step(rng, list(hand))) is not None:
            steps.append(taken)
            hand = taken[1]
    return steps


def countdown(count: int | None) -> Task:
    """The task with `count` numbers, or with 3 to 5 of them."""

    def drawn(rng: random.Random, split: str) -> Problem | None:
        numbers, target, solution = draw(rng, count or rng.choice(COUNTS))
        return problem(task, numbers, target, solution) if split_of(numbers, target) == split else None

    def recognise(text: str) -> Problem | None:
        found = puzzle(text)
        return problem(task, *found) if found and count in (None, len(found[0])) else None

    name = "countdown" if count is None else f"countdown-{count}"
    task = Task(
        name=name,
        about=f"reach a target with {count or '3 to 5'} numbers of 1 to {LARGEST_NUMBER}, each used once, by + - * /",
        load=lambda split, limit: generated.distinct(name, split, limit, lambda rng: drawn(rng, split)),
        extract=extract,
        canonical=canonical,
        verifier=Check("countdown", "nothing", grade),
        recognise=recognise,
        splits=generated.SPLITS,
        max_tokens=128,
        temperature=0.8,
        thoughts=thoughts,
        model="builtin:mini",
        exemplars=((question((3, 7, 8, 8), 24), "8-7=1 left 3 8 1\n8*3=24 left 1 24\n24*1=24"),),
        source="generated",
        licence="Apache-2.0",
    )
    return task


def _step(rng: random.Random, hand: list[int]) -> tuple[str, list[int]] | None:
    """A random step from `hand`, as its line and the hand after it; None if its result is no whole number within bounds."""
    first, second = rng.sample(range(len(hand)), 2)
    a, b = sorted((hand[first], hand[second]), reverse=True)
    sign = rng.choice("++--**/")
    if sign == "/" and a % b:
        return None
    result = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[sign]
    if not 1 <= result <= LARGEST_RESULT:
        return None
    rest = [number for index, number in enumerate(hand) if index not in (first, second)] + [result]
    left = f" left {' '.join(map(str, rest))}" if len(rest) > 1 else ""
    return f"{a}{sign}{b}={result}{left}", rest


countdown_3, countdown_4, countdown_5, countdown_mixed = (countdown(count) for count in (*COUNTS, None))
