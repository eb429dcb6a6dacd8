"""`ponder demo`: the main job in a minute or two."""

from __future__ import annotations

from pathlib import Path

from ponder.cli.flags import Spending
from ponder.cli.scale import scale
from ponder.cli.show import stdout
from ponder.cli.solve import solve


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
