"""What builtin:mini-prm knows: how well each step's value tells solutions that end right from others, on held-out problems.

python benchmarks/prm.py              # about a minute on 2 cores
"""

import asyncio

import numpy as np

from ponder import trace
from ponder.models.catalog import opened
from ponder.models.sample import sample
from ponder.strategies.draw import ask
from ponder.tasks import get
from ponder.trace import Trace
from ponder.types import Model, Score, Verifier
from ponder.verifiers import opened as judging

PROBLEMS, SAMPLES = 200, 8


def auc(values: np.ndarray, right: np.ndarray) -> float:
    """The chance that a right solution has the higher value than a wrong one; a tie counts half."""
    good, bad = values[right == 1], values[right == 0]
    return float(np.mean((good[:, None] > bad) + 0.5 * (good[:, None] == bad)))


async def judged(name: str, model: Model, prm: Verifier) -> list[tuple[Score, float]]:
    """Each drawn solution's score and its grade."""
    task = get(name)

    async def one(problem) -> list[tuple[Score, float]]:
        with trace.tracing(Trace()):
            samples = await sample(model, ask(problem), SAMPLES)
            grades = await task.verifier(problem, samples)
            return [(score, grade.value) for score, grade in zip(await prm(problem, samples), grades, strict=True)]

    return [pair for pairs in await asyncio.gather(*map(one, task.load("test", PROBLEMS))) for pair in pairs]


async def main() -> None:
    for name in ("countdown-3", "countdown-4", "countdown-5", "arithmetic-8"):
        async with judging("builtin:mini-prm", get(name)) as prm, opened("builtin:mini") as model:
            pairs = await judged(name, model, prm)
        known = [(score.steps, right) for score, right in pairs if score.steps and None not in score.steps]
        print(f"{name}: {len(pairs)} solutions, {len(known)} judged, {np.mean([right for _, right in known]):.1%} right")
        for back in (1, 2, 3, 4):
            seen = [(steps[-back], right) for steps, right in known if len(steps) >= back]
            if len({right for _, right in seen}) == 2:
                values, right = map(np.array, zip(*seen, strict=True))
                means = f"mean value {values.mean():.3f}, right {right.mean():.3f}"
                print(f"  step {back} from the end: AUC {auc(values, right):.3f}, {means}")


if __name__ == "__main__":
    asyncio.run(main())
