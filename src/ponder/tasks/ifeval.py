"""IFEval: 541 prompts with instructions that a rule can check (Zhou et al. 2023), split `test`."""

from typing import Any

from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Message, Problem, Task
from ponder.verifiers.constraint import Constraint
from ponder.verifiers.instruction import instruction


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in ifeval.splits:
        raise InputError(f"the task `ifeval` has no split `{split}`; its splits are {', '.join(ifeval.splits)}")
    rows = files.benchmark("bench_ifeval/input_data.jsonl.gz", "google/IFEval", "default", "train")  # the hub has one split
    return [_problem(row) for row in rows[:limit]]


def _problem(row: dict[str, Any]) -> Problem:
    asked = tuple(
        Constraint(kind, {name: value for name, value in given.items() if value is not None})
        for kind, given in zip(row["instruction_id_list"], row["kwargs"], strict=True)
    )
    return Problem(f"ifeval/{row['key']}", (Message("user", row["prompt"]),), ifeval, data={"instructions": asked})


def _extract(_problem: Problem, _text: str) -> None:
    """There is no final answer to find: the whole text is the answer."""


ifeval = Task(
    name="ifeval",
    about="prompts with instructions that a rule can check",
    load=_load,
    extract=_extract,
    canonical=str,
    verifier=instruction,
    max_tokens=1024,
    source="https://github.com/google-research/google-research/tree/master/instruction_following_eval",
    licence="Apache-2.0",
)
