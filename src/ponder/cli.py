"""The command line: thin. Every command calls a library function; stdout is the answer or data, stderr is for people.

Settings come from flags, else from the environment (`PONDER_SOLVE_MODEL=...`), else from `ponder.toml` here or in a parent folder,
else from the user's, else from the defaults.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Env, Toml

import ponder
from ponder import config, live, tasks, verifiers
from ponder import show as show_
from ponder.errors import InputError, PonderError
from ponder.flags import Options, Spending
from ponder.models import catalog
from ponder.policy.policy import Policy
from ponder.registry import split as split_specs
from ponder.show import stdout
from ponder.store import Store
from ponder.strategies import registry as known_strategies
from ponder.types import Abilities, Answer, Price, Task

app = App(
    name="ponder",
    help="Better answers from any language model, by spending inference compute where it pays.",
    version=ponder.__version__,
    suppress_keyboard_interrupt=False,
    config=[Env("PONDER_", command=True), *(Toml(path) for path in config.files())],
)


@app.command
def solve(
    question: str,
    /,
    *,
    spending: Spending = Spending(),
    store: Path | None = None,
    show: Literal["answer", "text", "candidates", "tree", "trace"] = "answer",
    options: Options = Options(),
) -> None:
    """Answer a question with the best that the budget buys.

    Example: ponder solve "Use 3 7 8 8 to make 24" --budget 4000 --show candidates

    Parameters
    ----------
    question
        What is asked. Countdown, Game of 24 and left-to-right arithmetic are recognised and solved by the built-in reasoner.
    store
        A sample bank: draws that it holds are replayed for nothing, new ones are kept in it.
    show
        What goes to stderr beside the bill: the whole text, all candidates, the search as a tree, or the trace.
    """
    problem = tasks.problem(question)
    name = options.model or problem.task.model
    if options.model is None and name == "builtin:smollm2":
        live.stderr.print(catalog.SMOLLM2_ADVICE, style="dim", highlight=False)
    _fetch(name)
    settings = spending.settings() | {"verifier": options.verifier, "seed": options.seed}

    async def run() -> Answer:
        with live.solving() as listener, _bank(store) as kept:
            async with catalog.opened(name, _price(options.price)) as model:
                return await ponder.solve(problem, model=model, store=kept, listener=listener, **settings)

    with options.sandbox():
        answer = asyncio.run(run())
    if options.json:
        show_.json_line(show_.answer_object(answer))
        return
    show_.bill(answer, show)
    stdout.print(answer.text if answer.answer is None else answer.answer, markup=False, highlight=False)


@app.command
def scale(
    task: str | None = None,
    /,
    *,
    data: Path | None = None,
    strategies: str = "direct,self-consistency",
    budgets: str = "1,2,4,8,16",
    problems: int = 100,
    split: str | None = None,
    store: Path | None = None,
    report: Path | None = None,
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
    store
        The sample bank; an interrupted run resumes from it for nothing. By default one in the user's data folder.
    report
        Where to write the report; .svg and .png figures stand beside it. By default report.html, and none with --json.
    """
    asked, sizes = _task(task, data), _numbers(budgets)
    with options.sandbox():
        result = asyncio.run(_scale(asked, split_specs(strategies), sizes, problems, split, store or config.store_path(), options))
    if options.json:
        show_.json_line(result)
    else:
        _print_curves(result)
    if report or not options.json:
        _write_report(result, report or Path("report.html"))


async def _scale(
    task: Task, strategies: list[str], sizes: list[int], problems: int, split: str | None, store: Path, options: Options
) -> dict[str, Any]:
    from ponder.lab.scale import scale as measure

    _fetch(options.model or task.model)
    asked = task.load(split or task.splits[0], problems) if max(sizes) > 0 else []
    with live.progress(task.name, max(sizes) * len(asked)) as advance, _bank(store) as kept:
        name, price = options.model or task.model, _price(options.price)
        async with verifiers.opened(options.verifier, task) as judge, catalog.opened(name, price) as model:
            return await measure(
                task,
                model,
                strategies,
                sizes,
                problems=problems,
                split=split,
                seed=options.seed,
                verifier=judge,
                store=kept,
                drawn=lambda _: advance(),
            )


@app.command
def tune(
    task: str | None = None,
    /,
    *,
    data: Path | None = None,
    strategies: str = "",
    also: str = "",
    budgets: Annotated[str, Parameter(alias="--budget")] = "",
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
    settings = {"problems": problems, "samples": samples, "split": split, "held_out": held_out}
    named, others = ([one for one in split_specs(text) if one] for text in (strategies, also))
    made = asyncio.run(_tune(_task(task, data), named, others, budgets, settings, store, options))
    if options.json:
        show_.json_line(made)
    else:
        show_.policy(made)
    if out or not options.json:
        made.write(out or Path("policy.json"))
        live.stderr.print(f"wrote {out or 'policy.json'}", style="dim", highlight=False)


async def _tune(
    task: Task, strategies: list[str], also: list[str], budgets: str, settings: dict[str, Any], store: Path | None, options: Options
) -> Policy:
    from ponder.lab.tune import tune as made

    names = [options.model or task.model, *also]
    for name in names:
        _fetch(name)
    total = 2 * settings["problems"] * settings["samples"] * len(names)
    async with AsyncExitStack() as stack:
        models = [await stack.enter_async_context(catalog.opened(name, _price(options.price))) for name in names]
        judge = await stack.enter_async_context(verifiers.opened(options.verifier, task))
        advance = stack.enter_context(live.progress(task.name, total))
        kept = stack.enter_context(_bank(store or config.store_path()))
        limits = _numbers(budgets) if budgets else []
        return await made(
            task, models, strategies, limits, verifier=judge, seed=options.seed, store=kept, drawn=lambda _: advance(), **settings
        )


@app.command
def demo(*, report: Path = Path("report.html")) -> None:
    """Real inference with the built-in reasoner in a minute or two: one puzzle, then accuracy against compute on two tasks.

    Parameters
    ----------
    report
        Where to write the Countdown report.
    """
    stdout.print('[bold]1.[/] ponder solve "Use 3 7 8 8 to make 24"')
    solve("Use 3 7 8 8 to make 24", spending=Spending(n=64))
    stdout.print("\n[bold]2.[/] Countdown with 4 numbers: a checker can verify, so best-of-n turns samples into answers")
    scale("countdown-4", strategies="direct,best-of-n,self-consistency", budgets="1,2,4,8,16,32,64", problems=60, report=report)
    stdout.print("\n[bold]3.[/] Long arithmetic: nothing verifies, but right answers agree, so a vote does")
    scale(
        "arithmetic-16", strategies="direct,self-consistency", budgets="1,2,4,8,16", problems=60,
        report=report.with_stem(f"{report.stem}-arithmetic"),
    )  # fmt: skip
    stdout.print("\nWorth trying next:", highlight=False)
    for command in (
        'ponder solve "Use 4 9 10 13 to make 24" --budget 2000 --show candidates',
        "ponder scale countdown-5 --strategies best-of-n --budgets 1,4,16,64",
        "ponder models",
    ):
        stdout.print(f"  {command}", style="bold", highlight=False)


@app.command
def models(
    *, download: str | None = None, verify: str | None = None, probe: str | None = None, refresh: bool = False, json: bool = False
) -> None:
    """List the models, or download, verify or probe one.

    Example: ponder models --probe MODEL@http://localhost:8000/v1

    Parameters
    ----------
    download
        Bring a built-in model here and print its path.
    verify
        Compare a built-in model's file with its SHA-256.
    probe
        Find out by a few small calls what a model can really do; the finding is kept.
    refresh
        Probe again, even if a finding is kept.
    json
        Print JSON.
    """
    if download:
        with live.steps() as report:
            stdout.print(str(catalog.download(download, report)), markup=False)
    elif verify:
        if not catalog.verify(verify):
            raise InputError(f"the file of `{verify}` is not the one that was shipped or made; delete it and download it again")
        stdout.print(f"{verify}: good", highlight=False)
    elif probe:
        found = asdict(asyncio.run(_probed(probe, refresh)))
        show_.listing([{"ability": name, "has": value} for name, value in found.items()], {}, json)
    else:
        rows = [asdict(entry) for entry in catalog.catalog()]
        shown = ("name", "present", "size", "about", "source", "licence")
        show_.listing([{name: row[name] for name in shown} for row in rows], catalog.PLUGINS.broken, json)


async def _probed(name: str, refresh: bool) -> Abilities:
    """What an endpoint can do, by trying; an embedded model knows it of itself."""
    from ponder.models.abilities import probe
    from ponder.models.chat import Chat

    async with catalog.opened(name) as model:
        return await probe(model, refresh=refresh) if isinstance(model, Chat) else model.abilities


@app.command(name="tasks")
def tasks_(*, json: bool = False) -> None:
    """List the tasks: what they ask, who grades, where they come from."""
    found = tasks.tasks.all()
    show_.listing(
        [
            {
                "name": name,
                "about": task.about,
                "grades": f"{task.verifier.name} (reads {task.verifier.reads})" if task.verifier else None,
                "splits": ",".join(task.splits),
                "source": task.source,
                "licence": task.licence,
            }
            for name, task in found.items()
        ],
        tasks.tasks.broken,
        json,
    )


@app.command(name="strategies")
def strategies_(*, json: bool = False) -> None:
    """List the strategies: the paper, the parameters with their defaults, what they need."""
    found = known_strategies.all()
    show_.listing(
        [
            {
                "name": name,
                "about": one.about,
                "parameters": ", ".join(f"{key}={parameter.default}" for key, parameter in one.parameters.items()),
                "needs": ", ".join(one.needs),
                "paper": one.paper,
            }
            for name, one in found.items()
        ],
        known_strategies.broken,
        json,
    )


@contextmanager
def _bank(path: Path | None) -> Iterator[Store | None]:
    """The sample bank at `path`, closed at the end; None where none is wanted."""
    if path is None:
        yield None
        return
    with closing(Store(path)) as store:
        yield store


def _fetch(name: str) -> None:
    """Bring a built-in model here, with progress, if it is not."""
    if name.startswith("builtin:"):
        with live.steps() as report:
            catalog.download(name, report)


def _price(text: str | None) -> Price | None:
    if text is None:
        return None
    try:
        prompt, completion = (float(part) / 1e6 for part in text.split(","))
    except ValueError:
        raise InputError(f"cannot read the price {text!r}: write dollars per million tokens as 0.15,0.60") from None
    return Price(prompt, completion)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"cannot read the budgets {text!r}: write whole numbers as 1,2,4,8,16") from None


def _task(task: str | None, data: Path | None) -> Task:
    if task is not None and data is None:
        return tasks.get(task)
    if task is None and data is not None:
        from ponder.tasks.rows import rows

        return rows(data)
    raise InputError("name one task, such as countdown-4 (see `ponder tasks`), or a file with --data")


def _print_curves(result: dict[str, Any]) -> None:
    from ponder.lab.terminal import terminal_chart, terminal_table

    stdout.print(terminal_chart(result))
    stdout.print(terminal_table(result))


def _write_report(result: dict[str, Any], path: Path) -> None:
    from ponder.lab.report import report

    written = report(result, path)
    live.stderr.print(f"wrote {', '.join(map(str, written))}", style="dim", highlight=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 good, 1 the user's input or a failure, 2 usage, 130 Ctrl-C."""
    try:
        app(arguments, exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        return 2
    except PonderError as error:
        live.stderr.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
