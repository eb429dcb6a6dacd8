"""What DeepConf's filter changes on real draws: right to wrong, wrong to right, and the tokens that cutting streams saves.

`builtin:mini` on Countdown. Every row draws the same traces (kept in a store of its own while this runs). `before` is the majority
of the traces that came to their end, `after` is DeepConf's answer.

    python benchmarks/deepconf.py [--problems 40] [--n 32] [--window 8] [--task countdown]
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from statistics import fmean

from ponder import tasks
from ponder.models.catalog import opened
from ponder.solve import solve
from ponder.store import Store
from ponder.types import Model, Problem, Usage

ROWS = ((1.0, False), (0.9, False), (0.5, False), (0.1, False), (0.9, True), (0.5, True), (0.1, True))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--n", type=int, default=32)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--task", default="countdown")
    asked = parser.parse_args()
    problems = tasks.tasks.get(asked.task).load("test", asked.problems)
    print("  keep  traces    before  after  right->wrong  wrong->right  tokens a problem")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bank.sqlite")
        async with opened("builtin:mini") as model:
            for keep, online in ROWS:
                parameters = f"n={asked.n},keep={keep},window={asked.window},warmup={16 if online else asked.n}"
                changed, tokens = await measured(problems, model, f"deepconf({parameters})", store)
                before, after = (fmean(pair[place] for pair in changed.elements()) for place in (0, 1))
                said = f"{before:9.3f}{after:7.3f}{changed[True, False]:14}{changed[False, True]:14}{tokens:18.0f}"
                print(f"{keep:6.1f}  {'cut' if online else 'whole':6}{said}")
        store.close()


async def measured(problems: list[Problem], model: Model, strategy: str, store: Store) -> tuple[Counter[tuple[bool, bool]], float]:
    """How often the answer was right before and after the filter, and the tokens a problem as if nothing had been kept."""
    changed, tokens = Counter[tuple[bool, bool]](), list[int]()
    for problem in problems:
        answer = await solve(problem, model=model, strategy=strategy, store=store, max_tokens=96)
        [filtered] = [event.data for event in answer.trace.events if event.kind == "filtered"]
        changed[right(problem, filtered["before"]), right(problem, filtered["after"])] += 1
        tokens.append(sum(answer.usage.values(), Usage()).computed)
    return changed, fmean(tokens)


def right(problem: Problem, answer: str | None) -> bool:
    """Whether the answer, alone, is graded as right."""
    verifier = problem.task.verifier
    assert verifier is not None
    return answer is not None and verifier.grade(problem, answer).value == 1.0  # type: ignore[attr-defined]


if __name__ == "__main__":
    asyncio.run(main())
