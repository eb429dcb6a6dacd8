"""How recorded answers are found, compared and judged: exact, as mathematics, or as the letter of an option."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from ponder.answers import canonical, final_answer
from ponder.lab.records import Record
from ponder.types import Message, Problem, Sample, Score, Task, Verifier
from ponder.verifiers.choice import choice, option
from ponder.verifiers.exact import exact
from ponder.verifiers.math import math

Grader = Literal["auto", "exact", "math", "choice"]
GRADERS: tuple[Grader, ...] = ("auto", "exact", "math", "choice")

_LIKE_MATH = re.compile(r"\d|\\")
_QUOTES = "\"'`“”‘’«»"
_LONGEST = 60  # a longer reference, or one of several lines, is a solution, and its final answer is the reference


def suited(references: Sequence[str]) -> Grader:
    """The grader for such references: all letters A to J are options; one in two with a digit or a backslash, mathematics."""
    if references and all(len(one.strip(" ().")) == 1 and option(one) for one in references):
        return "choice"
    like = sum(_LIKE_MATH.search(one) is not None for one in references)
    return "math" if 2 * like > len(references) else "exact"


def reader(grader: Grader) -> Callable[[Record], str | None]:
    """How the answer of a record is read: as it is given, else from the text."""
    find = option if grader == "choice" else final_answer

    def read(record: Record) -> str | None:
        if record.answered:
            return option(record.answer) if grader == "choice" and record.answer else record.answer
        return None if record.text is None else unquoted(find(record.text))

    return read


def unquoted(answer: str | None) -> str | None:
    """A found answer without the quotation marks around it."""
    bare = (answer or "").strip().rstrip(".,")
    return bare[1:-1].strip(" .,") or None if len(bare) > 2 and bare[0] in _QUOTES and bare[-1] in _QUOTES else answer


async def graded(grader: Grader, name: str, reference: str, answers: Sequence[str]) -> list[Score]:
    """A verdict on each answer; `Score.value` is None where the grader cannot tell."""
    if len(reference) > _LONGEST or "\n" in reference or "####" in reference or "\\boxed" in reference:
        reference = final_answer(reference) or reference
    verifiers: Mapping[str, Verifier] = {"exact": exact, "math": math, "choice": choice}
    task = Task("recorded", "", lambda _split, _limit: [], lambda _problem, text: text, canonical, verifiers[grader])
    problem = Problem(name, (Message("user", ""),), task, reference)
    return await verifiers[grader](problem, [Sample(answer, index) for index, answer in enumerate(answers)])
