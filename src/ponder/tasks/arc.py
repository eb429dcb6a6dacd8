"""ARC-AGI-1: grids, and the rule that makes one of the other (Chollet 2019); 400 puzzles in `evaluation`, others in `training`.

A local file holds the first 60 of the 400 training puzzles; without it, the hub's are read.
"""

import re
from collections.abc import Sequence
from typing import Any

from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Message, Problem, Score, Task
from ponder.verifiers.check import Check

ATTEMPTS = 2
"""At each test input, as the benchmark allows."""

SYSTEM = Message(
    "system",
    "Each puzzle shows input grids, and the output grid that one rule makes of each; a cell is a digit. Find the rule and apply it "
    "to every test input. End with two attempts at each test input, in the order of the inputs: only grids, written as those of "
    "the puzzle, with an empty line between any two.",
)
SPLITS = {"evaluation": "bench_arc/evaluation_400.jsonl.gz", "training": "bench_arc/training_60.jsonl.gz"}

_GRID = re.compile(r"\[\s*(?:\[[\d\s,]*\][\s,]*)*\]|(?:^[ \t]*\d(?:[ \t,]+\d)*[ \t]*$\n?)+", re.MULTILINE)


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in SPLITS:
        raise InputError(f"the task `arc` has no split `{split}`; its splits are {', '.join(SPLITS)}")
    return [_problem(row) for row in files.benchmark(SPLITS[split], "dataartist/arc-agi", "default", split)[:limit]]


def _problem(row: dict[str, Any]) -> Problem:
    examples = [(_written(pair["input"]), _written(pair["output"])) for pair in row["train"]]
    inputs = [_written(pair["input"]) for pair in row["test"]]
    shown = [f"Example {i}\n\nInput:\n{given}\n\nOutput:\n{made}" for i, (given, made) in enumerate(examples, 1)]
    asked = [f"Test input {i}:\n{given}" for i, given in enumerate(inputs, 1)]
    return Problem(
        id=f"arc/{row['id']}",
        messages=(SYSTEM, Message("user", "\n\n".join([*shown, *asked]))),
        task=arc,
        reference="\n\n".join(_written(pair["output"]) for pair in row["test"]),
        data={"inputs": inputs},
    )


def _written(grid: Sequence[Sequence[int]]) -> str:
    return "\n".join(" ".join(map(str, row)) for row in grid)


def grids(text: str) -> list[str]:
    """The grids in a text, one row a line, digits apart: as the puzzles are written, or nested lists; `[]` gives an empty one."""
    found = (match[0] for match in _GRID.finditer(text))
    rows = (re.findall(r"\[([\d\s,]*)\]", one[1:-1]) if one.startswith("[") else one.splitlines() for one in found)
    return ["\n".join(" ".join(re.findall(r"\d+", row)) for row in grid) for grid in rows]


def attempts(text: str, pairs: int) -> list[list[str]]:
    """The attempts at each of `pairs` test inputs: the last two grids for each; one for each, if two are not there.

    With fewer grids than test inputs, they belong to the first of these.
    """
    found = grids(text)
    each = min(ATTEMPTS, len(found) // pairs) or 1
    last = found[-each * pairs :]
    return [last[at : at + each] for at in range(0, len(last), each)]


def _extract(problem: Problem, text: str) -> str | None:
    tried = attempts(text, len(problem.data["inputs"]))
    return "\n\n".join(grid or "[]" for several in tried for grid in several) or None


def _grade(problem: Problem, text: str) -> Score:
    """The share of the test inputs at which an attempt is exactly right; each is a step."""
    wanted = grids(problem.reference or "")
    tried = attempts(text, len(wanted))
    solved = [float(output in several) for output, several in zip(wanted, [*tried, *([[]] * len(wanted))], strict=False)]
    return Score(sum(solved) / len(solved), tuple(solved), None if tried else "there is no grid")


arc = Task(
    name="arc",
    about="ARC-AGI-1: puzzles of grids, two attempts each",
    load=_load,
    extract=_extract,
    canonical=str,
    verifier=Check("arc", "reference", _grade),
    splits=tuple(SPLITS),
    max_tokens=4096,
    source="https://github.com/fchollet/ARC-AGI",
    licence="Apache-2.0",
)
