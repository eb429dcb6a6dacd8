"""HotpotQA: questions that two Wikipedia articles answer together (Yang et al. 2018), without the articles; split `validation`."""

from ponder.errors import InputError
from ponder.tasks import files
from ponder.tasks.simpleqa import SYSTEM, extract
from ponder.types import Message, Problem, Task
from ponder.verifiers.facts import facts, key


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in hotpotqa.splits:
        raise InputError(f"the task `hotpotqa` has no split `{split}`; its splits are {', '.join(hotpotqa.splits)}")
    rows = files.benchmark("bench_qa/hotpot_dev_v1_simplified.json.gz", "hotpotqa/hotpot_qa", "fullwiki", split)
    return [
        Problem(f"hotpotqa/{number}", (SYSTEM, Message("user", row["question"])), hotpotqa, row["answer"])
        for number, row in enumerate(rows[:limit])
    ]


hotpotqa = Task(
    name="hotpotqa",
    about="questions of fact that need two articles, asked without them",
    load=_load,
    extract=extract,
    canonical=key,
    verifier=facts,
    splits=("validation",),
    source="https://hotpotqa.github.io",
    licence="CC-BY-SA-4.0",
)
