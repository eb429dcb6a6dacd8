"""`ponder contamination`: what test sets share with training texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ponder import tasks
from ponder.cli import show


def contamination(
    *task: str,
    training: Annotated[list[Path] | None, Parameter(consume_multiple=True)] = None,
    words: int = 13,
    split: str | None = None,
    examples: int = 20_000,
    json: bool = False,
) -> None:
    """Find the problems of test sets that stand in training texts: runs of 13 words, as for GPT-3.

    Example: ponder contamination math500 gsm8k --training corpus.jsonl

    Parameters
    ----------
    task
        Names of `ponder tasks`.
    training
        Files of training texts: .txt (a text a line), .jsonl, .json or .csv; by default what builtin:mini is trained on.
    words
        The length of a run; a problem with fewer words counts as a whole.
    split
        Which split of every task; its first by default.
    examples
        How many examples of builtin:mini's training are drawn, where no file is given.
    json
        Print JSON.
    """
    from itertools import chain

    from ponder.lab import contamination as measure

    chosen = [tasks.get(name) for name in task]
    tests = {one.name: [problem.question for problem in one.load(split or one.splits[0], None)] for one in chosen}
    texts = chain.from_iterable(map(measure.texts, training)) if training else measure.shipped(examples)
    found = measure.overlaps(texts, tests, words)
    rows: list[dict[str, Any]] = [
        {"task": one.name, "problems": one.problems, "dirty": len(one.dirty), "share": one.share, "places": one.dirty}
        for one in found
    ]
    if json:
        show.json_line(rows)
        return
    for row in rows:
        row["places"] = ", ".join(map(str, row["places"][:10]))
    show.listing(rows, {}, False)
