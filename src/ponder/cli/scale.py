"""`ponder scale`: how accuracy grows with compute."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

from ponder import config, verifiers
from ponder.cli import given, live, show
from ponder.cli.flags import Options, Sampling
from ponder.cli.show import stdout
from ponder.models import catalog
from ponder.registry import split as split_specs
from ponder.tasks import sampled
from ponder.types import Task

Axis = Literal["tokens", "flops", "usd", "seconds", "joules"]


def scale(
    task: str | None = None,
    /,
    *,
    data: Path | None = None,
    strategies: str = "direct,self-consistency",
    budgets: str = "1,2,4,8,16",
    problems: int = 100,
    split: str | None = None,
    also: str = "",
    axis: Axis = "tokens",
    store: Path | None = None,
    report: Path | None = None,
    sampling: Sampling = Sampling(),
    options: Options = Options(),
) -> None:
    """Measure how accuracy grows with compute: draw once, evaluate every strategy at every number of samples.

    Example: ponder scale countdown-4 --strategies best-of-n,self-consistency --budgets 1,2,4,8,16,32,64

    Parameters
    ----------
    task
        One of `ponder tasks`.
    data
        Instead of a task, a .jsonl or .csv file with question and answer columns.
    strategies
        Names, with parameters where wanted, joined by commas; see `ponder strategies`.
    budgets
        Numbers of samples a problem, joined by commas.
    problems
        How many problems of the split.
    split
        Which split of the task; its first by default.
    also
        Other models to measure on the same problems, joined by commas.
    axis
        The cost that the frontier is shown for.
    store
        The sample bank; an interrupted run resumes from it for nothing. By default one in the user's data folder.
    report
        Where to write the report; .svg and .png figures stand beside it. By default report.html, and none with --json.
    """
    asked, sizes = sampled(given.task(task, data), **vars(sampling)), given.numbers(budgets)
    with options.sandbox():
        models = [options.model or asked.model, *(one for one in split_specs(also) if one)]
        settings = {"problems": problems, "split": split, "seed": options.seed}
        result = asyncio.run(_scale(asked, models, split_specs(strategies), sizes, settings, store or config.store_path(), options))
    if options.json:
        show.json_line(result)
    else:
        _print_curves(result, axis)
    if report or not options.json:
        _write_report(result, report or Path("report.html"))


async def _scale(
    task: Task, models: list[str], strategies: list[str], sizes: list[int], settings: dict[str, Any], store: Path, options: Options
) -> dict[str, Any]:
    from ponder.lab.scale import scale as measure

    for name in models:
        given.fetch(name)
    asked = task.load(settings["split"] or task.splits[0], settings["problems"]) if max(sizes) > 0 else []
    async with AsyncExitStack() as stack:
        judge = await stack.enter_async_context(verifiers.opened(options.verifier, task))
        opened = [await stack.enter_async_context(catalog.opened(name, given.price(options.price))) for name in models]
        advance = stack.enter_context(live.progress(task.name, max(sizes) * len(asked) * len(models)))
        kept = stack.enter_context(given.bank(store))
        first, *others = opened
        return await measure(
            task, first, strategies, sizes, also=others, verifier=judge, store=kept, drawn=lambda _: advance(), **settings
        )


def _print_curves(result: dict[str, Any], axis: Axis) -> None:
    from ponder.lab.terminal import terminal_chart, terminal_frontier, terminal_table

    stdout.print(terminal_chart(result))
    stdout.print(terminal_table(result))
    stdout.print(terminal_frontier(result, axis))


def _write_report(result: dict[str, Any], path: Path) -> None:
    from ponder.lab.report import report

    written = report(result, path)
    live.stderr.print(f"wrote {', '.join(map(str, written))}", style="dim", highlight=False, soft_wrap=True)
