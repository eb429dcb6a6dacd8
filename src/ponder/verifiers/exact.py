"""Exact match: the extracted answer and the reference have the same canonical form."""

from ponder.types import Problem, Score
from ponder.verifiers.check import Check


def grade(problem: Problem, completion: str) -> Score:
    """1 for the reference's equivalence class, 0 for another or for no answer at all, None without a reference."""
    if problem.reference is None:
        return Score(None, error=f"the problem `{problem.id}` has no reference answer")
    answer, canonical = problem.task.extract(problem, completion), problem.task.canonical
    return Score(float(answer is not None and canonical(answer) == canonical(problem.reference)))


exact = Check("exact", "reference", grade)
