"""MBPP: small Python functions described in a sentence (Austin et al. 2021); 974 problems, 500 of them in the split `test`.

`mbpp-sanitized` holds the 427 whose descriptions its authors corrected, 257 of them in `test`.
"""

import re
from dataclasses import replace
from typing import Any

from ponder.errors import InputError
from ponder.tasks import files
from ponder.tasks.programs import fenced, hidden, normal
from ponder.types import Message, Problem, Task
from ponder.verifiers.code import Code
from ponder.verifiers.sandbox import Asserts, Limits

SPLITS = {"test": range(11, 511), "prompt": range(1, 11), "validation": range(511, 601), "train": range(601, 975)}
"""Task numbers by split (Austin et al. 2021, section 2.1)."""

_ENDED = re.compile(r"\[BEGIN\]\r?\n?|\[DONE\]")


def _load(split: str, limit: int | None) -> list[Problem]:
    _check(split, mbpp)
    rows = files.benchmark("bench_code/mbpp.jsonl.gz", "google-research-datasets/mbpp", "full", split)
    return [_problem(row, mbpp) for row in rows if row["task_id"] in SPLITS[split]][:limit]


def _load_sanitized(split: str, limit: int | None) -> list[Problem]:
    _check(split, sanitized)
    rows = files.benchmark("bench_code/sanitized-mbpp.json.gz", "google-research-datasets/mbpp", "sanitized", split)
    return [_problem(row, sanitized) for row in rows if row["task_id"] in SPLITS[split]][:limit]


def _check(split: str, task: Task) -> None:
    if split not in SPLITS:
        raise InputError(f"the task `{task.name}` has no split `{split}`; its splits are {', '.join(SPLITS)}")


def _problem(row: dict[str, Any], task: Task) -> Problem:
    """A row of either set; in the sanitized one the description is the `prompt`, and tests may need imports."""
    hides = hidden(row["code"])
    tests = tuple(Asserts("\n".join([*row.get("test_imports", ()), test]), hides) for test in row["test_list"])
    text = row["text"] if "text" in row else row["prompt"]
    question = f"You are an expert Python programmer, and here is your task: {text} Your code should pass these tests:\n\n"
    return Problem(
        id=f"{task.name}/{row['task_id']}",
        messages=(Message("user", question + "\n".join(row["test_list"]) + "\n"),),
        task=task,
        reference=row["code"],
        data={"tests": tests, "examples": tests, "setup": row.get("test_setup_code", "")},
    )


def _extract(problem: Problem, text: str) -> str | None:
    """The last fenced block, or what stands between [BEGIN] and [DONE], or all; the problem's set-up code follows it."""
    begun = "[BEGIN]" in text
    block = None if begun else fenced(text, None)
    program = _ENDED.split(text)[begun] if block is None else block
    return f"{program}\n{problem.data['setup']}" if program.strip() else None


mbpp = Task(
    name="mbpp",
    about="small Python functions, described in a sentence",
    load=_load,
    extract=_extract,
    canonical=normal,
    verifier=Code(Limits(cpu=10, wall=30.0)),  # one reference solution needs 4 s
    splits=tuple(SPLITS),
    source="https://github.com/google-research/google-research/tree/master/mbpp",
    licence="CC-BY-4.0",
)
sanitized = replace(mbpp, name="mbpp-sanitized", about="MBPP with corrected descriptions", load=_load_sanitized)
