"""`ponder report`: the page, or another shape, of what was measured before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ponder.cli import live
from ponder.errors import InputError

Format = Literal["html", "md", "csv", "parquet", "hf"]
NAMES: dict[Format, str] = {"html": "report.html", "md": "report.md", "csv": "report.csv", "parquet": "report.parquet", "hf": "."}


def report(
    *paths: Path,
    out: Path | None = None,
    shape: Annotated[Format | None, Parameter(name="--format")] = None,
    dataset: str | None = None,
    task_id: str = "default",
) -> None:
    """Make the report again from what a command printed with --json, from traces, or from a sample bank.

    Example: ponder scale countdown-4 --json > scale.json; ponder report scale.json --out report.html

    Parameters
    ----------
    paths
        A result (`ponder scale --json`) or a sample bank, and traces (`ponder solve --json`, or a file with one a line).
    out
        The file to write, or for hf the model's repository. By default report.html, or as the format is called, here.
    shape
        html, md, csv, parquet (pip install "ponder[files]") or hf (a model card's .eval_results); by default what `out` ends in.
    dataset
        For hf, the benchmark's dataset on the Hub, such as openai/gsm8k.
    task_id
        For hf, the task's id in the benchmark's eval.yaml.
    """
    if not paths:
        raise InputError("there is nothing to report: give a result, a trace or a sample bank, as `ponder report scale.json`")
    from ponder.lab import formats, material
    from ponder.lab.report import report as page

    shape = shape or _ending(out)
    made, target = material.read(paths), out or Path(NAMES[shape])
    if shape == "html":
        written = page(made.result, target, made.traces)
    elif not made.result["curves"]:
        raise InputError(f"only html shows traces and banks, and {shape} needs the curves of `ponder scale --json`")
    elif shape == "hf":
        written = formats.write_hub(made.result, target, dataset, task_id)
    else:
        written = formats.WRITERS[shape](made.result, target)
    live.stderr.print(f"wrote {', '.join(map(str, written))}", style="dim", highlight=False, soft_wrap=True)


def _ending(out: Path | None) -> Format:
    """The format that a file's name ends in; without one a page."""
    shapes: dict[str, Format] = {".html": "html", ".md": "md", ".csv": "csv", ".parquet": "parquet"}
    if out is None:
        return "html"
    if out.suffix not in shapes:
        raise InputError(f"`{out.name}` ends in no format: name it report.html, .md, .csv or .parquet, or say --format")
    return shapes[out.suffix]
