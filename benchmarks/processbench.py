"""ProcessBench's measure on the built-in reasoner's own task, where every step can be labelled exactly; and on the published files.

python benchmarks/processbench.py              # two minutes on 2 cores; PONDER_DATA for the published files
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from ponder import trace, verifiers
from ponder.lab.processbench import RIGHT, TASK, Solution, processbench, read, spread
from ponder.models.catalog import opened
from ponder.models.sample import sample
from ponder.strategies.draw import ask
from ponder.tasks import files, get
from ponder.tasks.reach import thoughts
from ponder.trace import Trace
from ponder.types import Problem

PROBLEMS, SAMPLES = 200, 2


def labelled(problem: Problem, text: str) -> Solution | None:
    """A solution with the first step after which the target cannot be reached, -1 if there is none; None if a line is no step."""
    assert thoughts.value
    steps = [line for line in text.splitlines() if line.strip()]
    values = [thoughts.value(problem, "\n".join(steps[:size]) + "\n") for size in range(1, len(steps) + 1)]
    if not steps or None in values:
        return None
    return Solution(problem.id, problem.question, tuple(steps), next((at for at, value in enumerate(values) if value == 0), RIGHT))


async def drawn(split: str) -> list[Solution]:
    """Labelled solutions of the built-in reasoner."""
    async with opened("builtin:mini") as model:

        async def solutions(problem: Problem) -> list[Solution]:
            with trace.tracing(Trace()):
                samples = await sample(model, ask(problem), SAMPLES)
            return [one for one in (labelled(problem, each.text) for each in samples) if one]

        found = await asyncio.gather(*map(solutions, get("countdown-4").load(split, PROBLEMS)))
    return [one for some in found for one in some]


async def main() -> None:
    async with verifiers.opened("builtin:mini-prm", TASK) as prm:
        assert prm
        tuning, held = await drawn("validation"), await drawn("test")
        chosen = await processbench({"countdown-4, validation": tuning}, prm)
        print(json.dumps(chosen, indent=1))
        print(json.dumps(await processbench({"countdown-4, test": held}, prm, chosen["threshold"]), indent=1))
        parts: dict[str, Sequence[Solution]] = {}
        for name in ("gsm8k", "olympiadbench"):
            path = files.local(f"step_processbench/{name}.json.gz")
            parts |= {name: spread(read(Path(path)), 100)} if path else {}
        if parts:
            print(json.dumps(await processbench(parts, prm), indent=1))


if __name__ == "__main__":
    asyncio.run(main())
