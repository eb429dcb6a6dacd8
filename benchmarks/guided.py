"""Searches guided by one process reward model against the same guided by another, at equal sizes, on held-out Countdown.

python benchmarks/guided.py OLD.gguf          # against builtin:mini-prm; half an hour of one core
"""

import asyncio
import sys

import numpy as np

from ponder.lab.attempt import attempts
from ponder.lab.intervals import interval, paired_interval
from ponder.models.catalog import opened
from ponder.tasks import get
from ponder.verifiers import opened as judging

TASK, PROBLEMS, ABREAST = get("countdown-4"), 400, 32
SEARCHES = ("best-of-n(n=8)", "beam(beams=8,width=4)", "rebase(n=8)", "twisted-smc(n=8)")


async def guided(search: str, verifier: str) -> tuple[np.ndarray, float]:
    """Right or wrong by problem, and the mean of the computed tokens. The engines' caches begin cold."""
    async with judging(verifier, TASK) as prm, opened("builtin:mini") as model:
        made = await attempts(TASK.load("test", PROBLEMS), ABREAST, model=model, strategy=search, verifier=prm)
    return np.array([one.right for one in made]), float(np.mean([one.tokens for one in made]))


def shown(right: np.ndarray) -> str:
    (low,), (high,) = interval(right[:, None])
    return f"{right.mean():.3f} [{low:.3f}, {high:.3f}]"


async def main() -> None:
    print("| search | before | tokens | now | tokens | difference (paired) |\n|---|---|---|---|---|---|")
    for search in SEARCHES:
        (before, paid), (now, pays) = await guided(search, f"prm:{sys.argv[1]}"), await guided(search, "builtin:mini-prm")
        (low,), (high,) = paired_interval(now[:, None], before[:, None])
        gain = f"{now.mean() - before.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        print(f"| `{search}` | {shown(before)} | {paid:,.0f} | {shown(now)} | {pays:,.0f} | {gain} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
