"""SimpleQA: 4,326 short questions of fact, each with one answer that does not change (Wei et al. 2024)."""

from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Message, Problem, Task
from ponder.verifiers.facts import facts, key, stated

SYSTEM = Message("system", r"Answer with the fact alone, in \boxed{}. If you are not sure, write \boxed{unknown}.")


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in simpleqa.splits:
        raise InputError(f"the task `simpleqa` has no split `{split}`; its splits are {', '.join(simpleqa.splits)}")
    found = files.benchmark("bench_qa/simple_qa_test_set.csv.gz", "basicv8vc/SimpleQA", "default", split)
    return [
        Problem(f"simpleqa/{number}", (SYSTEM, Message("user", row["problem"])), simpleqa, row["answer"])
        for number, row in enumerate(found[:limit])
    ]


def _extract(_problem: Problem, text: str) -> str | None:
    return stated(text)


simpleqa = Task(
    name="simpleqa",
    about="short questions of fact",
    load=_load,
    extract=_extract,
    canonical=key,
    verifier=facts,
    source="https://openai.com/index/introducing-simpleqa",
    licence="MIT",
)
