"""Every sample of every problem as a grid of right, wrong and no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ponder.lab.report.section import Section, button, number, percent, text

PROBLEMS, SAMPLES = 400, 256
"""The most that a grid shows: of more problems every so-manieth by difficulty, of more samples the first."""
ABOUT = (
    "A row is a problem, a cell one sample in the order drawn: a strong colour is right, a faint one wrong, an empty cell gave no "
    "answer; the bar on the right is the share that is right. Touch a cell for its problem."
)
HEADS = ("problem", "model", "difficulty", "right", "wrong", "none")


def section(result: Mapping[str, Any]) -> Section | None:
    grids = [grid for grid in result.get("grid") or [] if grid["rows"]]
    if not grids:
        return None
    body = "".join(_grid(at, grid, len(grids) > 1) for at, grid in enumerate(grids))
    rows = [
        [
            text(row["problem"]),
            text(grid["model"]),
            percent(1 - _share(row)),
            *(number(row["outcomes"].count(mark)) for mark in "10-"),
        ]
        for grid in grids
        for row in shown(grid["rows"])
    ]
    return Section(
        "samples", "Problem by problem", ABOUT, (), (("problem", "model", "difficulty", "right", "wrong", "none"), rows), body
    )


def shown(rows: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The rows of a grid from easy to hard, at most `PROBLEMS` of them."""
    ordered = sorted(rows, key=_share, reverse=True)
    if len(ordered) <= PROBLEMS:
        return ordered
    return [ordered[at * (len(ordered) - 1) // (PROBLEMS - 1)] for at in range(PROBLEMS)]


def data(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the page's script draws, one a model."""
    grids = [grid for grid in result.get("grid") or [] if grid["rows"]]
    return [
        {
            "problems": [row["problem"] for row in shown(grid["rows"])],
            "outcomes": [row["outcomes"][:SAMPLES] for row in shown(grid["rows"])],
            "shares": [_share(row) for row in shown(grid["rows"])],
            "order": _places(grid["rows"]),
        }
        for grid in grids
    ]


def _places(rows: Sequence[Mapping[str, str]]) -> list[int]:
    """Where each shown row stood among all."""
    at = {row["problem"]: place for place, row in enumerate(rows)}
    return [at[row["problem"]] for row in shown(rows)]


def _share(row: Mapping[str, str]) -> float:
    return row["outcomes"].count("1") / max(1, len(row["outcomes"]))


def _grid(at: int, grid: Mapping[str, Any], several: bool) -> str:
    rows, widest = grid["rows"], max(len(row["outcomes"]) for row in grid["rows"])
    cut = [f"every {len(rows) / PROBLEMS:.1f}th of {len(rows):,} problems"] if len(rows) > PROBLEMS else []
    cut += [f"the first {SAMPLES} of {widest:,} samples"] if widest > SAMPLES else []
    note = f'<p class="soft">Shown: {" and ".join(cut)}.</p>' if cut else ""
    title = f"<h3>{text(grid['model'])}</h3>" if several else ""
    right = sum(row["outcomes"].count("1") for row in rows) / max(1, sum(len(row["outcomes"]) for row in rows))
    alt = f"Grid of {len(rows)} problems by {widest} samples; {percent(right)} of the samples are right."
    sorts = (("difficulty", "by difficulty"), ("order", "as given"), ("name", "by name"))
    buttons = "".join(button("sort", key, words, key == "difficulty") for key, words in sorts)
    return (
        f'{title}<div class="card grid" data-grid="{at}"><div class="axis" role="group" aria-label="Order of the rows and cells">'
        f"Rows {buttons} {button('gather', '', 'right ones first', False)}</div>"
        f'<div class="scroll" tabindex="0"><div class="cells" role="img" aria-label="{text(alt)}"></div></div>'
        f'<p class="soft" role="status">&nbsp;</p></div>{note}'
    )
