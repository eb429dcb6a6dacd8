r"""Multiple choice: the option's letter, A to J, in its usual spellings: `B`, `(b)`, `B) Rome`, `Option B`, `\boxed{\text{B}}`."""

import re

from ponder.answers import final_answer
from ponder.types import Problem, Score
from ponder.verifiers.check import Check

_STATED = re.compile(
    r"\W*(?:(?i:text|textbf|mathrm|mathbf|option|choice)\b\W*)*(?:([A-J])(?![\w'’])|([a-j])(?=\)|\W*$))",
)
_OPENING = re.compile(r"[^\w(]{0,8}([A-J])(?:[).:]|\W*$)")
_MENTION = re.compile(r"\(([A-J])\)|\b(?i:option|choice)\W{1,4}([A-J])\b|^[^\w\n]{0,8}([A-J])[^\w\n]{0,8}$", re.MULTILINE)


def option(text: str) -> str | None:
    """The letter that a completion chooses, in upper case, or None.

    In this order: at the head of what it states as its answer (`answers.final_answer`), at the head of the text, the last mention.
    """
    stated = _STATED.match((final_answer(text) or "")[:200]) or _OPENING.match(text[:200])
    last = stated
    if stated is None:
        for last in _MENTION.finditer(text):  # noqa: B007 - the last match is what is wanted
            pass
    return next(letter for letter in last.groups() if letter).upper() if last else None


def grade(problem: Problem, completion: str) -> Score:
    """1 for the reference's letter, 0 for another or none; None if the reference is not an option."""
    right = option(problem.reference or "")
    if right is None:
        return Score(None, error=f"the reference of `{problem.id}` is not an option A to J: {problem.reference!r}")
    return Score(float(option(completion) == right))


choice = Check("choice", "reference", grade)
