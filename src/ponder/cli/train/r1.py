"""`ponder train r1`: the whole recipe of the small reasoners."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ponder.cli import live, show


def r1(folder: Path, /, *, stages: str = "", scale: float = 1.0, threads: int = 2, problems: int = 32, json: bool = False) -> None:
    """DeepSeek-R1's pipeline on builtin:mini, on this CPU: pure RL, cold start, RL, rejection sampling, RL, a distilled student.

    Each stage has a folder of its own, is made once and judged once on held-out problems; killed, the same command goes on.
    docs/recipe.md has what came of it.

    Example: ponder train r1 runs/r1 --stages zero

    Parameters
    ----------
    folder
        Where the stages' folders and report.md go.
    stages
        Names of stages, joined by commas, whose forerunners are made; default: all.
    scale
        So many times the problems and steps of each stage: 1 takes 90 minutes of two cores; mini-zero and mini-r1 took about 1.5.
    threads
        Stages and judgements that run at once, each with one thread.
    problems
        Held-out problems of each task to judge each model on.
    json
        Print one JSON object at the end: each model's file and figures.
    """
    from ponder.train import allotment, recipe

    live.stderr.print(f"how far each stage is: {folder}/STAGE/log.txt", style="dim", highlight=False, soft_wrap=True)
    names = [name.strip() for name in stages.split(",") if name.strip()]
    made = recipe.run(folder, recipe.Sizes().scaled(scale), names, problems, threads, partial(live.stderr.print, highlight=False))
    found = {name: recipe.judged(name, folder, problems) for name in made}
    text = recipe.report(found)
    if "asked" in made:
        text += f"\n{allotment.table(recipe.obedience(folder, problems))}\n"
    report = folder / "report.md"
    report.write_text(text)
    if json:
        show.json_line({name: {"model": str(made[name]), "tasks": found[name]} for name in made})
    else:
        show.stdout.print(text, markup=False, highlight=False, soft_wrap=True)
    live.stderr.print(f"wrote {report}", style="dim", highlight=False)
