"""The command line, one command a file: thin. Every command calls a library function; stdout is data, stderr is for people.

Settings come from flags, else from the environment (`PONDER_SOLVE_MODEL=...`), else from `ponder.toml` here or in a parent folder,
else from the user's, else from the defaults.
"""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import App, CycloptsError
from cyclopts.config import Env, Toml

import ponder
from ponder import config
from ponder.cli import (
    analyse,
    contamination,
    contest,
    demo,
    keys,
    lists,
    mcp,
    models,
    plan,
    processbench,
    report,
    scale,
    serve,
    solve,
    train,
    tune,
)
from ponder.cli.live import stderr
from ponder.errors import PonderError

app = App(
    name="ponder",
    help="Better answers from any language model, by spending inference compute where it pays.",
    version=ponder.__version__,
    suppress_keyboard_interrupt=False,
    config=[Env("PONDER_", command=True), *(Toml(path) for path in config.files())],
)
for _command in (
    solve.solve,
    scale.scale,
    report.report,
    analyse.analyse,
    tune.tune,
    train.train,
    plan.plan,
    demo.demo,
    serve.serve,
    processbench.processbench,
    contest.contest,
    contamination.contamination,
    models.models,
    lists.tasks,
    lists.strategies,
    keys.keys,
    mcp.mcp,
):
    app.command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 good, 1 the user's input or a failure, 2 usage, 130 Ctrl-C."""
    try:
        app(arguments, exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        return 2
    except PonderError as error:
        stderr.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
