"""MBPP: small Python functions described in a sentence (Austin et al. 2021); 974 problems, 500 of them in the split `test`."""

import builtins
import re
from typing import Any

from ponder.errors import InputError
from ponder.tasks import files
from ponder.tasks.programs import fenced, normal
from ponder.types import Message, Problem, Task
from ponder.verifiers.code import Code
from ponder.verifiers.sandbox import Asserts, Limits

SPLITS = {"test": range(11, 511), "prompt": range(1, 11), "validation": range(511, 601), "train": range(601, 975)}
"""Task numbers by split (Austin et al. 2021, section 2.1)."""

_ENDED = re.compile(r"\[BEGIN\]\r?\n?|\[DONE\]")


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in SPLITS:
        raise InputError(f"the task `mbpp` has no split `{split}`; its splits are {', '.join(SPLITS)}")
    rows = files.benchmark("bench_code/mbpp.jsonl.gz", "google-research-datasets/mbpp", "full", split)
    return [_problem(row) for row in rows if row["task_id"] in SPLITS[split]][:limit]


def _problem(row: dict[str, Any]) -> Problem:
    hides = tuple(name for name in re.findall(r"^def (\w+)", row["code"], re.MULTILINE) if hasattr(builtins, name))
    tests = tuple(Asserts(test, hides) for test in row["test_list"])
    question = f"You are an expert Python programmer, and here is your task: {row['text']} Your code should pass these tests:\n\n"
    return Problem(
        id=f"mbpp/{row['task_id']}",
        messages=(Message("user", question + "\n".join(row["test_list"]) + "\n"),),
        task=mbpp,
        reference=row["code"],
        data={"tests": tests, "examples": tests, "setup": row["test_setup_code"]},
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
