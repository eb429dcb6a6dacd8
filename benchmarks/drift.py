"""What the guard against drift does to IFEval answers: how many it makes right and how many wrong, and the tokens that it costs.

PONDER_DATA=… python benchmarks/drift.py              # about 4 minutes on 2 cores

`builtin:smollm2` answers every 13th of the 541 prompts alone, guarded, and guarded with three candidates; all share the first draw.
Right is the strict verdict on the instructions that are recorded, which the guard does not see: it reads its own in the prompt.

Then the check alone, on the recorded answers of three models: which wrong ones it finds, and which right ones it suspects. Only on
prompts that its patterns were not written on, those in even places of the file, counted from 1.
"""

import asyncio
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ponder.models.catalog import opened
from ponder.solve import solve
from ponder.store import Store
from ponder.tasks import files
from ponder.tasks.ifeval import ifeval
from ponder.types import Model, Problem, Sample
from ponder.verifiers.instruction import instruction, read

EVERY, MAX_TOKENS = 13, 200
STRATEGIES = ("drift-check", "drift-check(sampler=self-consistency(n=3))")
COLUMNS = ("before", "after", "wrong → right", "right → wrong", "more followed", "fewer followed", "repairs", "taken", "tokens")
RECORDED = {
    "GPT-4": "gpt4_verdicts_strict.jsonl.gz",
    "gpt-4o-mini": "verdicts_strict_gpt-4o-mini-2024-07-18.jsonl.gz",
    "Qwen2.5-3B": "verdicts_strict_Qwen__Qwen2.5-3B-Instruct-GPTQ-Int4.jsonl.gz",
}


def table(names: tuple[str, ...], rows: dict[str, Counter[str]]) -> str:
    lines = [f"| `{name}` | {' | '.join(str(counts[column]) for column in names)} |" for name, counts in rows.items()]
    return "\n".join([f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|", *lines, ""])


async def change(model: Model, problem: Problem, strategy: str, bank: Store) -> Counter[str]:
    """What the guard did to one answer; it sees the prompt's words and nothing else."""
    blind = replace(problem, data={}, task=replace(problem.task, verifier=None))
    answer = await solve(blind, model=model, strategy=strategy, max_tokens=MAX_TOKENS, store=bank)
    events = answer.trace.events
    repairs = [event.data for event in events if event.kind == "repaired"]
    drawn = [event.data["usage"]["completion"] for event in events if event.kind == "drawn"]
    first = repairs[0]["before"] if repairs else answer.text
    was, now = await instruction(problem, [Sample(first), Sample(answer.text)])
    counts = Counter({"before": was.value, "after": now.value, "tokens": sum(drawn), "taken": any(one["taken"] for one in repairs)})
    counts["repairs"] = any(one["by"] == "draw" for one in repairs)
    counts["wrong → right"], counts["right → wrong"] = now.value > was.value, now.value < was.value
    counts["more followed"], counts["fewer followed"] = sum(now.steps) > sum(was.steps), sum(now.steps) < sum(was.steps)
    return Counter({name: int(count) for name, count in counts.items()})


async def guarded(problems: list[Problem]) -> dict[str, Counter[str]]:
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        bank = Store(Path(folder) / "bank.sqlite")
        async with opened("builtin:smollm2") as model:
            for strategy in STRATEGIES:
                changes = await asyncio.gather(*(change(model, problem, strategy, bank) for problem in problems))
                rows[strategy] = sum(changes, Counter[str]())
    return rows


def suspected(problems: list[Problem], name: str) -> Counter[str]:
    """The guard's rules on recorded answers, by the recorded verdict."""
    path = files.local(f"bench_ifeval/{name}")
    recorded = {row["prompt"]: row for _, row in files.rows(path)} if path else {}
    counts = Counter[str]()
    for problem in problems:
        row = recorded.get(problem.question)
        if row is not None:
            found = any(one.fault(row["response"]) for one in read(problem))
            right = "right" if row["follow_all_instructions"] else "wrong"
            counts += Counter({right: 1, f"{right}, suspected": found})
    return counts


async def main() -> None:
    problems = ifeval.load("test", None)
    some = problems[::EVERY]
    asked = sum(len(problem.data["instructions"]) for problem in some)
    print(f"builtin:smollm2 on {len(some)} prompts with {asked} instructions, at most {MAX_TOKENS} tokens a draw\n")
    print(table(COLUMNS, await guarded(some)))
    columns = ("wrong", "wrong, suspected", "right", "right, suspected")
    print(table(columns, {model: suspected(problems[1::2], name) for model, name in RECORDED.items()}))


if __name__ == "__main__":
    asyncio.run(main())
