"""`ponder processbench`: does a verifier find the earliest wrong step?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ponder import verifiers
from ponder.cli import given, live, show


def processbench(
    *files: Path, verifier: str, threshold: float | None = None, problems: int | None = None, json: bool = False
) -> None:
    """Measure how well a verifier finds the earliest wrong step of a solution: the F1 of ProcessBench.

    Example: ponder processbench gsm8k.json olympiadbench.json --verifier prm:MODEL@http://localhost:8000/v1

    Parameters
    ----------
    files
        Files of ProcessBench: .json or .jsonl, plain or .gz; each is one part.
    verifier
        What judges the steps: builtin:mini-prm, prm:MODEL, … (docs/verifiers.md).
    threshold
        A step below it is called wrong; by default the best one of the part gsm8k, else of the first.
    problems
        How many solutions of each file, evenly from all of it; by default all.
    json
        Print JSON.
    """
    from ponder.lab.processbench import TASK, Solution, read, spread
    from ponder.lab.processbench import processbench as measure

    parts: dict[str, list[Solution]] = {path.name.partition(".")[0]: spread(read(path), problems) for path in files}
    if verifier.startswith("builtin:"):
        given.fetch(verifier)

    async def run() -> dict[str, Any]:
        with live.progress("processbench", sum(map(len, parts.values()))) as advance:
            async with verifiers.opened(verifier, TASK) as judge:
                assert judge is not None
                return await measure(parts, judge, threshold, advance)

    found = asyncio.run(run())
    if json:
        show.json_line(found)
        return
    show.listing(found["parts"], {}, False)
    how = f"tuned on {found['tuned_on']}" if found["tuned_on"] else "given"
    line = f"{found['verifier']}: threshold {found['threshold']:.4g} ({how}), mean F1 {_percent(found['f1'])}"
    live.stderr.print(line, markup=False, highlight=False, soft_wrap=True)
    if found["why_unknown"]:
        why = f"not judged to the end, and counted as not found unless a wrong step came before: {found['why_unknown']}"
        live.stderr.print(why, markup=False, style="dim", highlight=False, soft_wrap=True)


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"
