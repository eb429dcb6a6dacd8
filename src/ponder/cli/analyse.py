"""`ponder analyse`: what recorded samples say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ponder.cli import given, live, show
from ponder.cli.show import stdout
from ponder.errors import InputError


def analyse(
    *files: Path,
    field: Sequence[str] = (),
    where: Sequence[str] = (),
    grader: Literal["auto", "exact", "math", "choice"] = "auto",
    metric: str | None = None,
    filter: str | None = None,  # noqa: A002 - the name of the flag, and of lm-eval
    ks: str = "",
    seed: int = 0,
    skip: bool = False,
    report: Path | None = None,
    json: bool = False,
) -> None:
    """Analyse recorded samples from anywhere: coverage, votes, best-of-k, scores, early stopping and laws, with intervals.

    Example: ponder analyse samples.jsonl --field problem=question_id --field reference=gold

    Parameters
    ----------
    files
        .jsonl, .json, .csv (also .gz), .parquet, sample logs of lm-eval or logs of inspect_ai; together they are one set.
    field
        FIELD=NAME: where a field is that is not called by its name; FIELD is problem, answer, text, reference, correct, score,
        steps, confidence, tokens, num_samples or num_correct. correct=NAME=VALUE says which value means correct. May be repeated.
    where
        NAME=VALUE: take only rows with this value. May be repeated.
    grader
        How answers are compared with the reference; by default what the references look like.
    metric
        Which metric of lm-eval or scorer of inspect_ai says whether a sample is right; its first by default.
    filter
        Which filter of lm-eval; the first in the file by default.
    ks
        Numbers of samples, joined by commas; by default a grid up to all.
    seed
        Of the random orders of votes and early stops.
    skip
        Leave rows out that cannot be used, instead of failing at the first.
    report
        Where to write the report, a page; .svg and .png figures stand beside it. By default none.
    json
        Print one JSON object instead.
    """
    from ponder.lab.analyse import analyse as analysed

    sizes, fields, kept = given.numbers(ks) if ks else [], dict(_pairs("field", field)), _pairs("where", where)
    choice: dict[str, Any] = {"fields": fields, "where": kept, "metric": metric, "filtered": filter, "skip": skip}
    result = asyncio.run(analysed(_named(files), **choice, grader=grader, ks=sizes, seed=seed))
    for note in result["notes"]:
        live.stderr.print(f"note: {note}", style="dim", markup=False, highlight=False, soft_wrap=True)
    if json:
        show.json_line(result)
    else:
        _print(result)
    if report:
        _report(result, report)


def _named(files: Sequence[Path]) -> Sequence[Path]:
    if not files:
        raise InputError("name the files of recorded samples: ponder analyse samples.jsonl")
    return files


def _pairs(flag: str, given: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in given]
    for text, (name, equal, _) in zip(given, pairs, strict=True):
        if not name or not equal:
            raise InputError(f"--{flag} {text!r} has no `=`: write --{flag} NAME=VALUE")
    return [(name, value) for name, _, value in pairs]


def _print(result: dict[str, Any]) -> None:
    from ponder.lab.terminal import terminal_chart, terminal_table

    stdout.print(terminal_chart(result))
    stdout.print(terminal_table(result))
    stdout.print(f"{result['problems']:,} problems, {result['samples']:,} samples", highlight=False)
    for kind, value in result["auc"].items():
        sure = result["calibration"][kind]
        error = "" if sure is None else f", calibration error {sure['error']:.3f}"
        if value is not None:
            stdout.print(f"AUC of {kind}: {value:.3f}{error}", highlight=False)
    for name, one in result["early_stopping"].items():
        stdout.print(
            f"{name}: {one['accuracy']:.1%} with {one['samples']:.1f} samples, {one['saved']:.0%} saved; "
            f"the vote of all {one['majority']:.1%}",
            highlight=False,
        )
    for found in (one for one in result["fits"] if one["chosen"]):
        far = ", ".join(f"{value:.1%} at {int(k):,}" for k, value in found["predicted"].items() if value is not None)
        ends = "" if found["limit"] is None else f", limit {found['limit']:.1%}"
        stdout.print(f"{found['strategy']}: {found['law']}{ends}; {found['growth']}; {far}", highlight=False)


def _report(result: dict[str, Any], path: Path) -> None:
    from ponder.lab.report import report

    written = report(result, path)
    live.stderr.print(f"wrote {', '.join(map(str, written))}", style="dim", highlight=False, soft_wrap=True)
