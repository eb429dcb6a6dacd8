"""`ponder train labels`: what each step of a model's solutions is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from ponder.cli import given, live, show
from ponder.models import catalog
from ponder.types import Problem

By = Literal["soft", "hard", "exact", "omega"]
ENDINGS = {"omega": 8}


def labels(
    file: Path,
    /,
    *,
    model: str = "builtin:mini",
    by: By = "soft",
    problems: int = 1000,
    solutions: int = 4,
    endings: int | None = None,
    seed: int = 1,
    json: bool = False,
) -> None:
    """Draw solutions of training problems, and label their steps without people: for `ponder train prm`.

    A line a problem. Killed, the same command goes on behind the last whole line.

    Example: ponder train labels labels.jsonl --by omega --problems 100

    Parameters
    ----------
    file
        The .jsonl to write, or to go on with.
    model
        Whose solutions they are.
    by
        soft: the share of endings through a step that are right; hard: whether any is; exact: whether a right end can still be
        reached, by the task's own search; omega: a search for first errors (docs/prm.md).
    problems
        Countdown and arithmetic, mixed, of the training splits alone.
    solutions
        Drawn from the question; omega draws its own.
    endings
        Drawn from each step of each solution, 2 without a number; with omega from each beginning that it tries, 8.
    json
        Print one JSON object at the end: the file, its problems, and how many are new.
    """
    from ponder.train import rollouts

    given.fetch(model)
    asked = rollouts.problems(problems, seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    with live.progress("problems", len(asked)) as told:
        fresh = asyncio.run(
            _write(file, asked, model, by, solutions, ENDINGS.get(by, 2) if endings is None else endings, seed, told)
        )
    if json:
        show.json_line({"file": str(file), "problems": len(asked), "new": fresh})
    live.stderr.print(f"wrote {file}", style="dim", highlight=False, soft_wrap=True)


async def _write(
    file: Path, asked: list[Problem], name: str, by: By, solutions: int, endings: int, seed: int, told: Callable[[], object]
) -> int:
    from ponder.train import omega, rollouts

    async with catalog.opened(name) as model:
        if by == "omega":
            return await rollouts.write(
                file, asked, partial(omega.label, model=model, k=endings, plan=omega.Plan(), seed=seed), told
            )
        one = partial(rollouts.label, model=model, solutions=solutions, rollouts=endings, seed=seed, labels=by)
        return await rollouts.write(file, asked, one, told)
