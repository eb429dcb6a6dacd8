"""`ponder tune`: what to spend where."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ponder import config, verifiers
from ponder.cli import given, live, show
from ponder.cli.flags import Options
from ponder.models import catalog
from ponder.policy.policy import Policy
from ponder.registry import split as split_specs
from ponder.types import Task


def tune(
    task: str | None = None,
    /,
    *,
    data: Path | None = None,
    strategies: str = "",
    also: str = "",
    budgets: Annotated[str, Parameter(alias="--budget")] = "",
    temperatures: str = "",
    problems: int = 200,
    samples: int = 64,
    split: str | None = None,
    held_out: str | None = None,
    store: Path | None = None,
    out: Path | None = None,
    options: Options = Options(),
) -> None:
    """Learn what to spend where: the compute-optimal strategy for each difficulty and budget, written to a policy for `auto`.

    Example: ponder tune countdown --out policy.json, then ponder solve "Use 3 7 8 8 to make 24" --policy policy.json

    Parameters
    ----------
    task
        One of `ponder tasks`.
    data
        Instead of a task, a .jsonl or .csv file with question and answer columns.
    strategies
        What to try beside the default grid of votes, best-of-n and early stops, joined by commas; these are run, and race.
    also
        Other models that may be chosen, joined by commas.
    budgets
        Computed tokens a problem, joined by commas; by default as many as 1, 2, 4, … samples take.
    temperatures
        Sampling temperatures that may be chosen beside the task's own, joined by commas; each draws a bank of its own.
    problems
        How many problems of each split.
    samples
        How many samples of each are drawn into the bank.
    split
        What the choices are made on: by default `validation`; where there is one split, every other of its problems.
    held_out
        What they are proved on: by default the first split, or the other problems of the only one.
    store
        The sample bank; an interrupted run resumes from it for nothing. By default one in the user's data folder.
    out
        Where to write the policy. By default policy.json, and nowhere with --json.
    """
    heats = given.temperatures(temperatures)
    settings = {"problems": problems, "samples": samples, "split": split, "held_out": held_out, "temperatures": heats}
    named, others = ([one for one in split_specs(text) if one] for text in (strategies, also))
    made = asyncio.run(_tune(given.task(task, data), named, others, budgets, settings, store, options))
    if options.json:
        show.json_line(made)
    else:
        show.policy(made)
    if out or not options.json:
        made.write(out or Path("policy.json"))
        live.stderr.print(f"wrote {out or 'policy.json'}", style="dim", highlight=False)


async def _tune(
    task: Task, strategies: list[str], also: list[str], budgets: str, settings: dict[str, Any], store: Path | None, options: Options
) -> Policy:
    from ponder.lab.tune import tune as made

    names = [options.model or task.model, *also]
    for name in names:
        given.fetch(name)
    total = 2 * settings["problems"] * settings["samples"] * len(names) * (1 + len(settings["temperatures"]))
    async with AsyncExitStack() as stack:
        models = [await stack.enter_async_context(catalog.opened(name, given.price(options.price))) for name in names]
        judge = await stack.enter_async_context(verifiers.opened(options.verifier, task))
        advance = stack.enter_context(live.progress(task.name, total))
        kept = stack.enter_context(given.bank(store or config.store_path()))
        limits = given.numbers(budgets) if budgets else []
        return await made(
            task, models, strategies, limits, verifier=judge, seed=options.seed, store=kept, drawn=lambda _: advance(), **settings
        )
