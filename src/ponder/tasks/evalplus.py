"""HumanEval+ and MBPP+: the functions of HumanEval and MBPP, tried on many more inputs (Liu et al. 2023, EvalPlus).

A program is right where it gives what the reference program gives for every input: those of the original tests, and those that
EvalPlus adds; each of the two is a step of the score. Decimals are compared to the published tolerance. `bench_code/` may hold the
published files whole (`HumanEvalPlus.jsonl.gz`) or the smaller `HumanEvalPlus-Mini.jsonl.gz`, which is taken where the whole is not
there. The prompt is EvalPlus's own.
"""

import ast
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from ponder.errors import InputError
from ponder.tasks import files, humaneval
from ponder.tasks.programs import defines, fenced, hidden, normal
from ponder.types import Message, Problem, Task
from ponder.verifiers.code import Code
from ponder.verifiers.sandbox import Asserts, Limits

ASK = "Please provide a self-contained Python script that solves the following problem in a markdown code block:\n```\n{}\n```\n"
WHOLE, MINI, MBPP = (f"bench_code/{name}.jsonl.gz" for name in ("HumanEvalPlus", "HumanEvalPlus-Mini", "MbppPlus"))
HUMANEVAL_PLUS = "https://github.com/evalplus/humanevalplus_release/releases"
MBPP_PLUS = "https://github.com/evalplus/mbppplus_release/releases"

AS_SETS = (
    "similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum", "intersection_array",
    "find_dissimilar", "Diff",
)  # fmt: skip
"""Functions of MBPP whose answers are compared as sets, as published."""
AS_TRUTHS = ("check_str", "text_match_three", "text_starta_endb")
"""Functions of MBPP of which it counts only whether they give something or None, as published."""

_TEST = """
import copy, math
inf, nan = math.inf, math.nan
theirs_ = {entry}
{reference}
ours_ = {entry}

def close_(made, wanted):
    if isinstance(wanted, (list, tuple)):
        return type(made) is type(wanted) and len(made) == len(wanted) and all(map(close_, made, wanted))
    numbers = isinstance(made, (int, float)) and isinstance(wanted, float)
    return made == wanted or (numbers and abs(made - wanted) <= {atol} + 1e-7 * abs(wanted))

for given_ in {inputs}:
    wanted_ = ours_(*copy.deepcopy(given_))
    made_ = theirs_(*given_)
    assert {right}, f"{entry}(*{{given_!r:.200}}) is {{made_!r:.200}}, not {{wanted_!r:.200}}"
"""
_RIGHT = {
    "find_zero": "abs(sum(part * made_ ** power for power, part in enumerate(given_[0]))) <= {atol}",
    "are_equivalent": "True",
    "sum_div": "made_ == wanted_ or made_ == 0",
}
_RIGHT |= dict.fromkeys(AS_SETS, "set(made_) == set(wanted_)")
_RIGHT |= dict.fromkeys(AS_TRUTHS, "(made_ is None or made_ is False) == (wanted_ is None or wanted_ is False)")


def like(example: Any, value: Any) -> Any:
    """`value`, which came through JSON, in the types of `example`: tuples and sets are lists there.

    What an example does not show stays as it is; of a list's or a dictionary's members the first of each kind shows for all, and
    where none holds others, those are like the whole.
    """
    match example:
        case dict() if isinstance(value, dict):
            return {key: like(next(iter(example.values()), None), one) for key, one in value.items()}
        case list() | tuple() | set() | frozenset() if isinstance(value, list):
            shows = {"many": example} | {_kind(one): one for one in reversed(list(example))}
            made = [like(shows.get(_kind(one)), one) for one in value]
            return type(example)(made)
    return value


def _kind(value: Any) -> str:
    return "many" if isinstance(value, list | tuple | set | frozenset) else "names" if isinstance(value, dict) else "one"


def shown(asserted: str, entry: str) -> list[list[Any]]:
    """The arguments of every call of `entry` in the assertions whose arguments are literals."""
    found = []
    for node in ast.walk(ast.parse(asserted)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry:
            try:
                found.append([ast.literal_eval(argument) for argument in node.args])
            except ValueError:
                continue
    return found


def typed(inputs: Sequence[list[Any]], asserted: str, entry: str) -> list[list[Any]]:
    """The inputs in the types that the original assertions use; of several, the example at its own place, else the first."""
    examples = shown(asserted, entry)
    first = examples[0] if examples else []
    pairs = zip_longest(examples[: len(inputs)], inputs, fillvalue=first)
    return [[_argument(one, value) for one, value in zip_longest(example[: len(given)], given)] for example, given in pairs]


def _argument(example: Any, value: Any) -> Any:
    """An argument in the type of `example`; a number that JSON holds as a text, since it may be complex, is one again."""
    if isinstance(value, str) and isinstance(example, int | float | complex):
        with suppress(ValueError):  # a word stays one
            return complex(value) if "j" in value else float(value)
    return like(example, value)


def _tests(row: dict[str, Any], reference: str) -> Iterator[Asserts]:
    entry, hides = row["entry_point"], hidden(reference)
    for kind in ("base_input", "plus_input"):
        inputs = typed(row[kind], row.get("assertion", ""), entry)
        atol = row["atol"] or 1e-6
        right = _RIGHT.get(entry, "close_(made_, wanted_)").format(atol=atol)
        yield Asserts(_TEST.format(entry=entry, reference=reference, inputs=repr(inputs), right=right, atol=atol), hides)


def _problem(row: dict[str, Any], task: Task, prompt: str, reference: str, **data: Any) -> Problem:
    return Problem(
        id=f"{task.name}/{row['task_id'].rpartition('/')[2]}",
        messages=(Message("user", ASK.format(row["prompt"].strip())),),
        task=task,
        reference=reference,
        data={"tests": tuple(_tests(row, reference)), "prompt": prompt, "entry": row["entry_point"], **data},
    )


def _load_humaneval(split: str, limit: int | None) -> list[Problem]:
    _check(split, humaneval_plus)
    rows = files.benchmark(WHOLE if files.local(WHOLE) or not files.local(MINI) else MINI, HUMANEVAL_PLUS)[:limit]
    return [
        _problem(
            row, humaneval_plus, row["prompt"], row["prompt"] + row["canonical_solution"],
            examples=tuple(humaneval.examples(row["prompt"], row["entry_point"])),
        )
        for row in rows
    ]  # fmt: skip


def _load_mbpp(split: str, limit: int | None) -> list[Problem]:
    _check(split, mbpp_plus)
    return [_problem(row, mbpp_plus, "", row["canonical_solution"]) for row in files.benchmark(MBPP, MBPP_PLUS)[:limit]]


def _check(split: str, task: Task) -> None:
    if split not in task.splits:
        raise InputError(f"the task `{task.name}` has no split `{split}`; its splits are {', '.join(task.splits)}")


def _extract(problem: Problem, text: str) -> str | None:
    """The last fenced block that defines the function, else all."""
    program = fenced(text, problem.data["entry"]) or text
    return program if defines(program, problem.data["entry"]) else None


humaneval_plus = Task(
    name="humaneval-plus",
    about="HumanEval, tried on many more inputs",
    load=_load_humaneval,
    extract=humaneval.extract,
    canonical=normal,
    verifier=Code(Limits(cpu=30, wall=90.0, memory=1 << 32, output=1 << 25)),  # some inputs have answers of megabytes
    max_tokens=768,
    temperature=0.8,
    source="https://github.com/evalplus/evalplus",
    licence="Apache-2.0",
)
mbpp_plus = replace(humaneval_plus, name="mbpp-plus", about="MBPP, tried on many more inputs", load=_load_mbpp, extract=_extract)
