"""SimpleQA: 4,326 short questions of fact, each with one answer that does not change (Wei et al. 2024).

`simpleqa-verified` holds the 1,000 that Haas et al. 2025 have checked and balanced.
"""

import gzip
import json
from dataclasses import replace

from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Message, Problem, Task
from ponder.verifiers.facts import facts, key, stated

SYSTEM = Message("system", r"Answer with the fact alone, in \boxed{}. If you are not sure, write \boxed{unknown}.")
VERIFIED = "bench_qa/simpleqa_verified_questions.json.gz"


def _load(split: str, limit: int | None) -> list[Problem]:
    _check(split, simpleqa)
    found = files.benchmark("bench_qa/simple_qa_test_set.csv.gz", "basicv8vc/SimpleQA", "default", split)
    return [_problem(simpleqa, number, row["problem"], row["answer"]) for number, row in enumerate(found[:limit])]


def _load_verified(split: str, limit: int | None) -> list[Problem]:
    _check(split, verified)
    path = files.local(VERIFIED)
    if path is not None:  # number -> [question, answer]
        found = json.loads(gzip.decompress(path.read_bytes()))
        return [_problem(verified, number, *pair) for number, pair in list(found.items())[:limit]]
    rows = files.benchmark(VERIFIED, "google/simpleqa-verified", "simpleqa_verified", "eval")
    return [_problem(verified, number, row["problem"], row["answer"]) for number, row in enumerate(rows[:limit], 1)]


def _check(split: str, task: Task) -> None:
    if split not in task.splits:
        raise InputError(f"the task `{task.name}` has no split `{split}`; its splits are {', '.join(task.splits)}")


def _problem(task: Task, number: int | str, question: str, answer: str) -> Problem:
    return Problem(f"{task.name}/{number}", (SYSTEM, Message("user", question)), task, answer)


def extract(_problem: Problem, text: str) -> str | None:
    return stated(text)


simpleqa = Task(
    name="simpleqa",
    about="short questions of fact",
    load=_load,
    extract=extract,
    canonical=key,
    verifier=facts,
    source="https://openai.com/index/introducing-simpleqa",
    licence="MIT",
)
verified = replace(
    simpleqa,
    name="simpleqa-verified",
    about="1,000 questions of SimpleQA, checked and balanced",
    load=_load_verified,
    source="https://huggingface.co/datasets/google/simpleqa-verified",
)
