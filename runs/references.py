"""Every reference solution of the code tasks through the sandbox: python runs/references.py [TASK …] (PONDER_DATA or the hub)."""

import asyncio
import sys
import time

from ponder import tasks
from ponder.types import Problem, Sample

TASKS = ("humaneval", "humaneval-plus", "mbpp", "mbpp-sanitized", "mbpp-plus", "codecontests", "cruxeval-i")


async def main() -> None:
    for name in sys.argv[1:] or TASKS:
        task = tasks.get(name)
        assert task.verifier is not None
        problems = [problem for split in task.splits for problem in task.load(split, None)]
        began = time.monotonic()
        passed = sum(await asyncio.gather(*(passes(problem) for problem in problems)))
        print(f"{name}: {passed} of {len(problems)} reference solutions pass, in {time.monotonic() - began:.0f} s")


async def passes(problem: Problem) -> bool:
    assert problem.task.verifier is not None
    (score,) = await problem.task.verifier(problem, [Sample(problem.reference or "")])
    if score.value != 1.0:
        print(f"{problem.id}: {score.error}")
    return score.value == 1.0


if __name__ == "__main__":
    asyncio.run(main())
