"""What numbers at hand can still reach, by exhaustive search in exact arithmetic; and how a search thinks about such puzzles.

Countdown and Game of 24 share this. A partial solution is steps, one a line (`8-7=1 left 3 8 1`), as `expression` reads them.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache, lru_cache
from itertools import combinations

from ponder.tasks.expression import SIGNS, STEP, Hand, extract, grade, hand
from ponder.types import Problem, Thoughts

Ratios = list[tuple[int, int, str]]
"""The numbers at hand, each an exact ratio (numerator, denominator) and the expression that made it: faster than a Fraction."""

_MARKER = re.compile(r"^\s*(?:[-*•]\s+|\(?\d+[.)]\s+)")


@cache
def solve(numbers: tuple[int, ...], target: int) -> str | None:
    """An expression that uses each number once and equals `target`, or None if there is none."""
    found = _search([(number, 1, str(number)) for number in numbers], target)
    return found.removeprefix("(").removesuffix(")") if found else None


@lru_cache(maxsize=1 << 16)
def reachable(numbers: tuple[Fraction, ...], target: int) -> bool:
    """Whether `target` can be made from all of the numbers, each used once."""
    return _search([(number.numerator, number.denominator, str(number)) for number in numbers], target) is not None


def _search(held: Ratios, target: int) -> str | None:
    if len(held) == 1:
        numerator, denominator, expression = held[0]
        return expression if numerator == target * denominator else None
    for first, second in combinations(range(len(held)), 2):
        rest = [one for position, one in enumerate(held) if position not in (first, second)]
        for made in _results(*held[first], *held[second]):
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


def _held(problem: Problem, text: str) -> Hand | None:
    return hand(problem.data["numbers"], [line for line in text.splitlines() if line.strip()])


def _listed(held: Hand) -> str:
    return " ".join(_shown(number) for number, _ in held)


def _shown(number: Fraction) -> str:
    return str(number) if number.denominator == 1 else f"({number})"


def _propose(problem: Problem, text: str) -> str:
    numbers = _listed(_held(problem, text) or [])
    return (
        f"Numbers at hand: {numbers}\nTarget: {problem.data['target']}\n\n"
        "A step takes two of the numbers at hand and replaces them by their sum, difference, product or quotient (a fraction like "
        "(3/2) where it is not whole). In the end the target alone must be left. List the different steps that are worth trying "
        "next, one a line, each with the numbers left after it and nothing else. For 3 7 8 8, such lines are:\n"
        "8-7=1 left 3 8 1\n3*8=24 left 7 8 24"
    )


def _read(problem: Problem, text: str, reply: str) -> list[tuple[str, float]]:
    """The steps that are right and possible, each with the numbers that it really leaves; weights are 1."""
    thoughts = []
    for line in reply.translate(SIGNS).splitlines():
        step = STEP.fullmatch(_MARKER.sub("", line))
        if step and (held := _held(problem, text + step[0])):
            left = f" left {_listed(held)}" if len(held) > 1 else ""
            thoughts.append((f"{text}{_made(step)}{left}\n", 1.0))
    return thoughts


def _made(step: re.Match[str]) -> str:
    """The step's equation, with the larger number of a sum or a product first."""
    operands = [Fraction(step[1]), Fraction(step[3])]
    if step[2] in "+*":
        operands.sort(reverse=True)
    return f"{_shown(operands[0])}{step[2]}{_shown(operands[1])}={_shown(Fraction(step[4]))}"


def _judge(problem: Problem, text: str) -> tuple[str, ...]:
    held, target = _held(problem, text), problem.data["target"]
    if held is None:
        return ()
    if len(held) == 1:
        numbers = " ".join(map(str, problem.data["numbers"]))
        return (
            f"Does {held[0][1]} use each of the numbers {numbers} exactly once, and is it equal to {target}? "
            "Work it out; then write as the last line one word: sure if both are so, impossible if not.",
        )
    return (
        f"Numbers: {_listed(held)}\nTarget: {target}\n\n"
        "Can all of the numbers, each used exactly once, be combined by + - * / to the target? Try some ways; then write as the "
        "last line one word: sure if you found a way, likely if you found none but their sizes suit, impossible if they are too "
        "large or too small.",
    )


def _value(problem: Problem, text: str) -> float | None:
    """1 where the target is reached or can still be, 0 where it cannot; None where lines are no steps."""
    if grade(problem, text).value == 1.0:
        return 1.0
    if not all(STEP.fullmatch(line) for line in text.splitlines() if line.strip()):
        return None
    held = _held(problem, text)
    return float(held is not None and reachable(tuple(sorted(number for number, _ in held)), problem.data["target"]))


thoughts = Thoughts(
    propose=_propose,
    read=_read,
    ended=lambda problem, text: extract(problem, text) is not None,
    judge=_judge,
    labels={"sure": 1.0, "likely": 1 / 20, "impossible": 0.001 / 20},  # 20, 1 and .001 in Yao et al. 2023
    value=_value,
)
