"""Whether a text follows the instructions of its prompt, by rule: 1 if it follows all of them, else 0, with one step each.

`instruction` is IFEval's strict verdict, and `loose` its loose one. The instructions are those that the problem's data state
(`instructions`, constraints) or, where it states none, what `extraction` reads in its words; so neither reads a reference.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.types import Problem, Score
from ponder.verifiers.check import Check
from ponder.verifiers.constraint import Constraint
from ponder.verifiers.extraction import constraints


def variants(text: str) -> list[str]:
    """The eight texts that the loose verdict tries: whole or less the first line, the last or both; with asterisks or without."""
    lines = text.split("\n")
    cut = [text, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return [*cut, *(part.replace("*", "") for part in cut)]


def strict(problem: Problem, text: str) -> Score:
    """Each instruction on the text as it is; `error` says what is wrong first."""
    return _score(problem, [text])


def lenient(problem: Problem, text: str) -> Score:
    """An instruction is followed if one of the text's eight variants follows it, each its own."""
    return _score(problem, variants(text))


def read(problem: Problem) -> list[Constraint]:
    """What the problem's words ask for, in its system messages and its last one, that a rule can check."""
    messages = [*(message for message in problem.messages[:-1] if message.role == "system"), problem.messages[-1]]
    return [one for message in messages for one in constraints(message.content)]


def _score(problem: Problem, texts: Sequence[str]) -> Score:
    asked: Sequence[Constraint] = problem.data.get("instructions") or read(problem)
    if not asked:
        return Score(None, error=f"the problem `{problem.id}` states no instruction that a rule can check")
    steps = tuple(float(any(one.fault(text) is None for text in texts)) for one in asked)
    wrong = (f"{one.kind}: {one.fault(texts[0])}" for one, step in zip(asked, steps, strict=True) if not step)
    return Score(float(all(steps)), steps, next(wrong, None))


instruction = Check("instruction", "nothing", strict)
loose = Check("instruction-loose", "nothing", lenient)
