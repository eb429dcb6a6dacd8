"""CRUXEval: what does this function give for this input, and which input gives this output (Gu et al. 2024); 800 functions.

`cruxeval-o` asks for the output, which is compared as a Python literal without running anything; `cruxeval-i` for an input, which
is right if the function gives the output for it: any such input is. Sampled at temperature .2 for pass@1, as published.
"""

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Message, Problem, Score, Task
from ponder.verifiers.check import Check
from ponder.verifiers.code import code
from ponder.verifiers.sandbox import Asserts

ASK_OUTPUT = (
    "You are given a Python function and an assertion that contains an input to it. Complete the assertion with a literal (no "
    "expressions to simplify, no function calls): the output when the function is executed on that input, even if the function is "
    "incorrect or incomplete. Think step by step, and end with the full assertion between [ANSWER] and [/ANSWER].\n\n"
    "[PYTHON]\n{code}\nassert f({input}) == ??\n[/PYTHON]"
)
ASK_INPUT = (
    "You are given a Python function and an assertion that contains its output. Find any input such that executing the function on "
    "it gives that output. Think step by step, and end with the full assertion between [ANSWER] and [/ANSWER].\n\n"
    "[PYTHON]\n{code}\nassert f(??) == {output}\n[/PYTHON]"
)
_ANSWER = re.compile(r"\[ANSWER\](.*?)(?:\[/ANSWER\]|\Z)", re.DOTALL)


def _stated(text: str) -> str:
    """What stands between the last [ANSWER] and its end, else the whole, without the word `assert`."""
    stated: str = (_ANSWER.findall(text) or [text])[-1]
    return stated.strip().removeprefix("assert").strip()


def output(_problem: Problem, text: str) -> str | None:
    """The literal that the assertion ends with, or that stands alone."""
    made = _stated(text)
    try:
        tree = ast.parse(made, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    literal = tree.comparators[-1] if isinstance(tree, ast.Compare) else tree
    return ast.unparse(literal) if _is_literal(ast.unparse(literal)) else None


def given(problem: Problem, text: str) -> str | None:
    """The program and the arguments that the assertion gives its function, or that stand alone."""
    made = _stated(text)
    try:
        tree = ast.parse(made, mode="eval").body
        call = tree.left if isinstance(tree, ast.Compare) else tree
        is_call = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "f"
        arguments = ast.unparse(call).removeprefix("f(").removesuffix(")") if is_call else made
        ast.parse(f"f({arguments})", mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return f"{problem.data['code']}\n\ndef answer_():\n    return f({arguments})\n"


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        return False
    return True


def _grade(problem: Problem, text: str) -> Score:
    made = output(problem, text)
    if made is None or problem.reference is None:
        return Score(0.0, error="there is no literal")
    return Score(float(ast.literal_eval(made) == ast.literal_eval(problem.reference)))


def _loader(name: str, ask: str, reference: str) -> Callable[[str, int | None], list[Problem]]:
    def load(split: str, limit: int | None) -> list[Problem]:
        task = TASKS[name]
        if split not in task.splits:
            raise InputError(f"the task `{name}` has no split `{split}`; its splits are {', '.join(task.splits)}")
        return [problem(task, row) for row in files.benchmark("bench_code/cruxeval.jsonl.gz", "cruxeval-org/cruxeval")[:limit]]

    def problem(task: Task, row: dict[str, Any]) -> Problem:
        tests = (Asserts(f"assert answer_() == {row['output']}"),)
        message = Message("user", ask.format(**row))
        number = row["id"].rpartition("_")[2]
        return Problem(f"{name}/{number}", (message,), task, reference.format(**row), data={"code": row["code"], "tests": tests})

    return load


cruxeval_o = Task(
    name="cruxeval-o",
    about="what a short Python function gives for an input",
    load=_loader("cruxeval-o", ASK_OUTPUT, "{output}"),
    extract=output,
    canonical=str,
    verifier=Check("cruxeval", "reference", _grade),
    max_tokens=1024,
    temperature=0.2,
    top_p=0.95,
    source="https://github.com/facebookresearch/cruxeval",
    licence="MIT",
)
cruxeval_i = replace(
    cruxeval_o,
    name="cruxeval-i",
    about="an input for which a short Python function gives an output",
    load=_loader("cruxeval-i", ASK_INPUT, "f({input})"),
    extract=given,
    verifier=code,
)
TASKS = {task.name: task for task in (cruxeval_o, cruxeval_i)}
