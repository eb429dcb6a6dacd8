"""A user's own questions: `--data FILE.jsonl|csv` with a question column and, where they are known, an answer column."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ponder.answers import canonical, final_answer
from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Message, Problem, Task
from ponder.verifiers.choice import choice, option
from ponder.verifiers.math import math

QUESTIONS = ("question", "prompt", "problem", "input")
ANSWERS = ("answer", "reference", "target", "solution")


def rows(path: Path) -> Task:
    """The file as a task, its columns found by their usual names, in any case.

    Answers that are all option letters A to J make it multiple choice; others are compared as mathematics, and without any there is
    no verifier. Exact duplicates and rows without a question are left out, and `about` says how many. A problem's id is a hash of
    its question and answer. Raises InputError that names the file, the line, the value and what to do.
    """
    found: dict[str, tuple[str, str | None]] = {}
    empty = duplicates = 0
    for line, row in files.rows(path):
        question, answer = _cell(path, line, row, QUESTIONS), _cell(path, line, row, ANSWERS)
        key = hashlib.sha256(f"{question}\0{answer}".encode(errors="surrogatepass")).hexdigest()[:12]
        if question is None:
            empty += 1
        elif key in found:
            duplicates += 1
        else:
            found[key] = question, answer
    if not found:
        raise InputError(f"`{path}` has no questions; give rows with a column `{'`, `'.join(QUESTIONS)}`")
    references = [answer for _, answer in found.values() if answer is not None]
    return _task(path.name, found, references, f"{len(found)} questions of {path.name}{_left_out(empty, duplicates)}")


def _task(name: str, found: Mapping[str, tuple[str, str | None]], references: list[str], about: str) -> Task:
    letters = bool(references) and all(len(answer) == 1 and option(answer) for answer in references)

    def load(_split: str, limit: int | None) -> list[Problem]:
        return [
            Problem(f"{name}/{key}", (Message("user", question),), task, answer)
            for key, (question, answer) in list(found.items())[:limit]
        ]

    def extract(_problem: Problem, text: str) -> str | None:
        return option(text) if letters else final_answer(text)

    task = Task(
        name=name,
        about=about,
        load=load,
        extract=extract,
        canonical=canonical,
        verifier=None if not references else choice if letters else math,
        splits=("all",),
    )
    return task


def _cell(path: Path, line: int, row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The text under the first of `names` that the row has; None if it is empty, or if the row has no answer column."""
    columns = {str(column).strip().lower(): column for column in row}
    column = next((columns[name] for name in names if name in columns), None)
    if column is None and names is QUESTIONS:
        raise InputError(f"{path}:{line}: no question column among {list(row)!r:.100}; name one of them `{'`, `'.join(QUESTIONS)}`")
    cell = row.get(column) if column is not None else None
    if isinstance(cell, bool) or not isinstance(cell, str | int | float | None):
        raise InputError(f"{path}:{line}: `{column}` is not a text or a number: {cell!r:.60}; write it as a text")
    return str(cell).strip() or None if cell is not None else None


def _left_out(empty: int, duplicates: int) -> str:
    parts = [f"{count} {what}" for count, what in ((duplicates, "duplicates"), (empty, "rows without a question")) if count]
    return f" ({' and '.join(parts)} left out)" if parts else ""
