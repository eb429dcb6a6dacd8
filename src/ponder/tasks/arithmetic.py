"""Left-to-right arithmetic: a chain of small operations, each easy, in which one slip spoils the answer.

The value could be computed from the question, and a verifier that did so would be a calculator. So the answer is graded against the
reference, and a search has only what it can honestly have: the agreement of its samples (self-consistency).
"""

import random
import re

from ponder import answers
from ponder.tasks import generated
from ponder.types import Message, Problem, Task
from ponder.verifiers.check import Check
from ponder.verifiers.exact import grade

LENGTHS = (4, 8, 12, 16)
SHORTEST, LONGEST = 2, 16
LARGEST = 99

SYSTEM = Message(
    "system",
    "Compute strictly from left to right, whatever the usual precedence. Write one operation a line, then the answer. "
    "For `compute left to right 12+7*3-5`:\n12+7=19\n19*3=57\n57-5=52\nanswer 52",
)

_WORDING = re.compile(
    r"\s*(?:compute|calculate)\s+(?:from\s+)?left[ -]to[ -]right:?\s+([0-9]{1,6}(?:\s*[-+*]\s*[0-9]{1,6}){1,64})\W*", re.I
)


def question(expression: str) -> str:
    return f"compute left to right {expression}"


def problem(task: Task, expression: str, reference: str | None = None) -> Problem:
    """A problem of `task`; the answer, where it is known, is only in the reference."""
    return Problem(expression, (SYSTEM, Message("user", question(expression))), task, reference)


def draw(rng: random.Random, length: int) -> tuple[str, str]:
    """An expression of `length` operations and its worked solution; every value on the way lies in 1..99."""
    value = rng.randint(1, LARGEST)
    expression, steps = str(value), list[str]()
    while len(steps) < length:
        sign = rng.choice("+-*")
        operand = rng.randint(2, 9) if sign == "*" else rng.randint(1, LARGEST)
        result = {"+": value + operand, "-": value - operand, "*": value * operand}[sign]
        if 0 < result <= LARGEST:
            steps.append(f"{value}{sign}{operand}={result}")
            expression += f"{sign}{operand}"
            value = result
    return expression, "\n".join([*steps, f"answer {value}"])


def arithmetic(length: int | None) -> Task:
    """The task with `length` operations, or with 2 to 16 of them."""

    def drawn(rng: random.Random, split: str) -> Problem | None:
        expression, solution = draw(rng, length or rng.randint(SHORTEST, LONGEST))
        return problem(task, expression, solution.rpartition(" ")[2]) if generated.split_of(expression) == split else None

    def recognise(text: str) -> Problem | None:
        found = _WORDING.fullmatch(text[:400])
        expression = "" if found is None else re.sub(r"\s", "", found[1])
        return problem(task, expression) if expression and length in (None, len(re.findall("[-+*]", expression))) else None

    name = "arithmetic" if length is None else f"arithmetic-{length}"
    task = Task(
        name=name,
        about=f"a chain of {length or f'{SHORTEST} to {LONGEST}'} operations on numbers up to {LARGEST}, from left to right",
        load=lambda split, limit: generated.distinct(name, split, limit, lambda rng: drawn(rng, split)),
        extract=lambda _, text: answers.final_answer(text),
        canonical=answers.canonical,
        verifier=Check("arithmetic", "reference", grade),
        recognise=recognise,
        splits=generated.SPLITS,
        max_tokens=256,
        temperature=1.3,
        model="builtin:mini",
        exemplars=((question("12+7*3-5"), "12+7=19\n19*3=57\n57-5=52\nanswer 52"),),
        source="generated",
        licence="Apache-2.0",
    )
    return task


arithmetic_4, arithmetic_8, arithmetic_12, arithmetic_16, arithmetic_mixed = (arithmetic(length) for length in (*LENGTHS, None))
