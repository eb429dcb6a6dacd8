"""`ponder solve`: one question."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import ponder
from ponder import tasks
from ponder.cli import given, live
from ponder.cli import show as shown
from ponder.cli.flags import Options, Sampling, Spending
from ponder.cli.show import stdout
from ponder.models import catalog
from ponder.types import Answer


def solve(
    question: str,
    /,
    *,
    spending: Spending = Spending(),
    sampling: Sampling = Sampling(),
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
    given.fetch(name)
    settings = spending.settings() | vars(sampling) | {"verifier": options.verifier, "seed": options.seed}

    async def run() -> Answer:
        with live.solving() as listener, given.bank(store) as kept:
            async with catalog.opened(name, given.price(options.price)) as model:
                return await ponder.solve(problem, model=model, store=kept, listener=listener, **settings)

    with options.sandbox():
        answer = asyncio.run(run())
    if options.json:
        shown.json_line(shown.answer_object(answer))
        return
    shown.bill(answer, show)
    stdout.print(answer.text if answer.answer is None else answer.answer, markup=False, highlight=False)
