"""`ponder train curves`: how a run went."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ponder.cli import live, show


def curves(folder: Path, /, *, out: Path | None = None, json: bool = False) -> None:
    """Show how a run went, or goes: reward, accuracy, length, divergence and entropy, and what the monitors said.

    Example: ponder train curves runs/dapo --out curves.html

    Parameters
    ----------
    folder
        Where the run keeps its checkpoints.
    out
        A page (.html) to write: the same as charts, in one file that loads nothing.
    json
        Print every step as JSON instead.
    """
    from ponder.train import curves as drawn

    steps = drawn.read(folder)
    if json:
        show.json_line([asdict(one) for one in steps])
    else:
        show.stdout.print(drawn.panel(steps))
    if out:
        live.stderr.print(f"wrote {drawn.page(folder, out)}", style="dim", highlight=False, soft_wrap=True)
