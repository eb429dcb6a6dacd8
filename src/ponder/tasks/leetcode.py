"""LeetCode contests of July 2023 to January 2024: problems with tests (Guo et al. 2024, DeepSeek-Coder), split `test`.

Every problem carries the `date` of its contest (seconds since 1970) and its difficulty, so that those younger than a model can be
kept apart, as LiveCodeBench does. Two of the 180, whose tests hand over linked lists, are left out: a program gets plain data. No
solutions are published, so there are no references. The prompt is the published one.
"""

from typing import Any

from ponder.errors import InputError
from ponder.tasks import files
from ponder.tasks.programs import defines, fenced, normal
from ponder.types import Message, Problem, Task
from ponder.verifiers.code import Code
from ponder.verifiers.sandbox import Asserts, Limits

DIFFICULTY = {"Easy": 0.0, "Medium": 0.5, "Hard": 1.0}
IMPORTS = """\
import bisect, collections, functools, heapq, itertools, math, random, re, string, sys
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import *
from typing import *
"""
"""What a program finds there before its first line, as on the site."""

ENTRY = """

made_ = []

def call_(name, **given):
    made_[:] = made_ or [Solution()]
    return getattr(made_[0], name)(**given)
"""
"""The program's own way in: what a test gets of an object is no more than plain data, so it calls a function."""
CALLED = "class Solution:\n    def __getattr__(self, name):\n        return lambda **given: call_(name, **given)\n"


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in leetcode.splits:
        raise InputError(f"the task `leetcode` has no split `{split}`; its splits are {', '.join(leetcode.splits)}")
    rows = files.benchmark("bench_code/leetcode_contest_180.jsonl.gz", leetcode.source)
    return [_problem(row) for row in rows if "ListNode" not in row["test"]][:limit]


def _problem(row: dict[str, Any]) -> Problem:
    return Problem(
        id=f"leetcode/{row['task_id']}",
        messages=(Message("user", row["prompt_sft"]),),
        task=leetcode,
        difficulty=DIFFICULTY.get(row["meta"]["difficulty"]),
        data={"tests": (Asserts(CALLED + row["test"]),), "date": row["start_time"]},
    )


def _extract(_problem: Problem, text: str) -> str | None:
    """The last fenced block that defines `Solution`, else all of it, after the usual imports."""
    program = fenced(text, "Solution") or text
    return f"{IMPORTS}\n{program}{ENTRY}" if defines(program, "Solution") else None


leetcode = Task(
    name="leetcode",
    about="LeetCode contests of 2023: a class with one method",
    load=_load,
    extract=_extract,
    canonical=normal,
    verifier=Code(Limits(cpu=10, wall=30.0)),
    max_tokens=2048,
    source="https://github.com/deepseek-ai/DeepSeek-Coder/tree/main/Evaluation/LeetCode",
    licence="MIT; problems (c) LeetCode",
)
