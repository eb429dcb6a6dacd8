"""CodeContests: Codeforces problems solved by a script that reads and prints (Li et al. 2022).

A local file holds the 120 smallest with their tests; without it, the hub's `test` split of 165 is read.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ponder.errors import InputError
from ponder.tasks import files
from ponder.tasks.programs import fenced, normal, pairs
from ponder.types import Message, Problem, Task
from ponder.verifiers.code import Code
from ponder.verifiers.sandbox import Limits, Prints

SYSTEM = Message(
    "system",
    "Solve the problem with a Python 3 program that reads standard input and prints to standard output. "
    "Answer with the whole program in one ```python block.",
)
PYTHON3 = 3
"""The hub's number for the language of a solution."""


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in codecontests.splits:
        raise InputError(f"the task `codecontests` has no split `{split}`; its splits are {', '.join(codecontests.splits)}")
    found = files.benchmark("bench_code/codecontests_120.jsonl.gz", "deepmind/code_contests", "default", split)
    rows = [row if "tests" in row else _plain(row) for row in found]
    return [_problem(row) for row in rows if _sound(row)][:limit]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the hub in the form of the local file."""
    solutions = zip(row["solutions"]["language"], row["solutions"]["solution"], strict=True)
    kinds = ("public_tests", "private_tests", "generated_tests")
    tests = {kind: list(zip(row[kind]["input"], row[kind]["output"], strict=True)) for kind in kinds}
    return {
        "id": row["name"],
        "statement": row["description"],
        "reference_python": next((solution for language, solution in solutions if language == PYTHON3), None),
        "tests": [pair for kind in kinds for pair in tests[kind]],
        "examples": tests["public_tests"],
    }


def _sound(row: dict[str, Any]) -> bool:
    """Whether a comparison can grade the problem: where it is known how many tests the reference passes, it passes them all."""
    known = files.local("bench_code/codecontests_reference_passes.json")
    return known is None or json.loads(known.read_text()).get(row["id"], len(row["tests"])) == len(row["tests"])


def _problem(row: dict[str, Any]) -> Problem:
    examples = row["examples"] if "examples" in row else pairs(row["statement"])
    return Problem(
        id=f"codecontests/{row['id']}",
        messages=(SYSTEM, Message("user", row["statement"])),
        task=codecontests,
        reference=row["reference_python"],
        data={"tests": _cases(row["tests"]), "examples": _cases(examples)},
    )


def _cases(pairs: Iterable[Sequence[str]]) -> tuple[Prints, ...]:
    return tuple(Prints(given, expected) for given, expected in pairs)


def _extract(_problem: Problem, text: str) -> str | None:
    program = fenced(text, None) or text
    return program if program.strip() else None


codecontests = Task(
    name="codecontests",
    about="contest problems solved by a script that reads and prints",
    load=_load,
    extract=_extract,
    canonical=normal,
    verifier=Code(Limits(cpu=5, wall=20.0)),
    max_tokens=2048,
    source="https://github.com/google-deepmind/code_contests",
    licence="CC-BY-4.0",
)
