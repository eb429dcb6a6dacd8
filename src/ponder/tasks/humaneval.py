"""HumanEval: functions to be written after their signature and docstring (Chen et al. 2021); 164 problems, split `test`."""

import ast
import builtins
import re
from collections.abc import Iterator
from typing import Any

from ponder.errors import InputError
from ponder.tasks import files
from ponder.tasks.programs import STOP, defines, fenced, normal
from ponder.types import Message, Problem, Task
from ponder.verifiers.code import code
from ponder.verifiers.sandbox import Asserts

SYSTEM = Message("system", "Complete the Python function. Answer with the whole function in one ```python block.")
_SHOWN = r"(?P<call>%s\(.*\))\s*(?:#\s*)?(?:=+>|==?|-+>|➞|(?:should )?returns?:?)\s*(?P<value>\S.*)"


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in humaneval.splits:
        raise InputError(f"the task `humaneval` has no split `{split}`; its splits are {', '.join(humaneval.splits)}")
    rows = files.benchmark("bench_code/HumanEval.jsonl.gz", "openai/openai_humaneval", "openai_humaneval", split)
    return [_problem(row) for row in rows[:limit]]


def _problem(row: dict[str, Any]) -> Problem:
    prompt, entry = row["prompt"], row["entry_point"]
    # The prompt once more: a helper that a test calls (`encode_cyclic`) is the prompt's, and not the program's.
    test = f"candidate_ = {entry}\n{prompt}\n{entry} = candidate_\n{row['test']}\ncheck({entry})\n"
    return Problem(
        id=row["task_id"].replace("HumanEval", "humaneval"),
        messages=(SYSTEM, Message("user", prompt)),
        task=humaneval,
        reference=prompt + row["canonical_solution"],
        data={"tests": (Asserts(test),), "examples": tuple(examples(prompt, entry)), "prompt": prompt, "entry": entry},
    )


def examples(prompt: str, entry: str) -> Iterator[Asserts]:
    """What the docstring shows of the function, as tests: `>>> f(2)` above its value, or `f(2) == 4`, also with ->, => or returns.

    Right or wrong, they are what the prompt says; those whose value is no Python literal are left out.
    """
    lines = [line.strip() for line in prompt[prompt.rindex(f"def {entry}") :].splitlines()[1:]]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        shown = re.search(_SHOWN % re.escape(entry), line)
        pairs = [(line[3:].strip(), following)] if line.startswith(">>>") else []
        pairs += [(shown["call"], shown["value"])] if shown else []
        for call, value in pairs:
            plain = {"true": "True", "false": "False"}.get(value.rstrip("."), value.rstrip("."))
            if _is_runnable(call, prompt) and _is_literal(plain):
                yield Asserts(f"assert ({call}\n) == ({plain}\n)")
                break


def _is_runnable(call: str, prompt: str) -> bool:
    """Whether it is Python, of names that the prompt or the language defines."""
    try:
        names = [node.id for node in ast.walk(ast.parse(call, mode="eval")) if isinstance(node, ast.Name)]
    except (SyntaxError, ValueError):
        return False
    return all(hasattr(builtins, name) or defines(prompt, name) for name in names)


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return False
    return True


def extract(problem: Problem, text: str) -> str | None:
    """The whole program: a block or text that defines the function, after the prompt's imports; else the prompt continued.

    A continuation ends where the published evaluation would have stopped drawing.
    """
    prompt, entry = str(problem.data["prompt"]), str(problem.data["entry"])
    block = fenced(text, entry)
    program = text if block is None else block
    if not program.strip():
        return None
    if defines(program, entry):
        return program if program.startswith(prompt) else f"{_before(prompt, entry)}\n{program}"
    end = min((found for found in map(program.find, STOP) if found >= 0), default=len(program))
    return prompt + program[:end]


def _before(prompt: str, entry: str) -> str:
    """The prompt's imports and helpers, which stand before the function to be written."""
    return prompt[: prompt.rindex(f"def {entry}")]


humaneval = Task(
    name="humaneval",
    about="Python functions, written after signature and docstring",
    load=_load,
    extract=extract,
    canonical=normal,
    verifier=code,
    source="https://github.com/openai/human-eval",
    licence="MIT",
)
