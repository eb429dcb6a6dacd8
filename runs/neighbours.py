"""ponder inside inspect_ai, as itself: python runs/neighbours.py (needs pip install "ponder[inspect]").

The same problems, seeds and strategy by `ponder.solve` and by `inspect eval`: the answers must be the same, one by one.
"""

import asyncio
import sys
import tempfile

import inspect_ai
from inspect_ai.model import get_model

import ponder
from ponder import tasks
from ponder.models import catalog
from ponder.neighbours import inspection

TASK, PROBLEMS, N = "countdown-4", 40, 16


async def library() -> list[str | None]:
    async with catalog.opened("builtin:mini") as model:
        problems = tasks.get(TASK).load("test", PROBLEMS)
        return [(await ponder.solve(one, model=model, strategy="best-of-n", n=N)).answer for one in problems]


def evaluated(solver: object | None) -> tuple[float, dict[str, str | None]]:
    """Accuracy, and every sample's answer."""
    [log] = inspect_ai.eval(
        inspection.benchmark(TASK, limit=PROBLEMS),
        model=get_model("ponder/builtin:mini"),
        solver=solver,
        display="none",
        log_dir=tempfile.mkdtemp(),
    )
    if log.status != "success" or log.results is None or log.samples is None:
        sys.exit(f"inspect_ai: {log.status}: {log.error}")
    figure = log.results.scores[0].metrics["accuracy"].value
    return figure, {str(one.id): (one.metadata.get("ponder") or {}).get("answer") for one in log.samples}


def main() -> None:
    ours = asyncio.run(library())
    problems = tasks.get(TASK).load("test", PROBLEMS)
    solved = sum(one.task.verifier.grade(one, answer or "").value == 1.0 for one, answer in zip(problems, ours, strict=True))
    figure, theirs = evaluated(inspection.pondering("best-of-n", n=N))
    single, _ = evaluated(None)
    same = sum(theirs[one.id] == answer for one, answer in zip(problems, ours, strict=True))
    print(f"{TASK}, {PROBLEMS} problems, builtin:mini: one sample by inspect_ai's own generate {single:.1%}")
    print(f"best-of-{N}: ponder.solve {solved / PROBLEMS:.1%}, inspect_ai {figure:.1%}; the same answer {same} times of {PROBLEMS}")
    if same != PROBLEMS or figure != solved / PROBLEMS:
        sys.exit("they differ")


if __name__ == "__main__":
    main()
