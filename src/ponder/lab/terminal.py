"""A `scale` result on a terminal: its curves drawn in braille, and its points as a table with bars.

Each line ends in its name and its last value, and carries its own mark, so that the chart reads without colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import ceil, log2
from typing import TYPE_CHECKING, Any

from ponder.lab.charts import Line, Point, labels, lines

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

COLOURS = ("blue", "yellow", "green", "magenta", "cyan", "red")
MARKS = "●■▲◆▼★"
SHARED = {"oracle": ("○", "bright_black"), "mean": ("·", "bright_black")}
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # a braille cell's dots, by row and column
LEFT, RIGHT = 6, 26  # columns for the axis labels and for the names
BAR = 12


class Canvas:
    """Braille cells of 2 × 4 dots, each with the style of what was drawn on it last."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.cells: dict[tuple[int, int], tuple[int, str]] = {}
        self.marks: dict[tuple[int, int], tuple[str, str]] = {}

    def stroke(self, start: tuple[float, float], end: tuple[float, float], style: str, dash: int) -> None:
        """A straight line between two places in [0, 1]²; every `dash`-th dot is drawn."""
        steps = max(1, ceil(max(abs(end[0] - start[0]) * self.width * 2, abs(end[1] - start[1]) * self.height * 4)))
        for step in range(0, steps + 1, dash):
            x = start[0] + (end[0] - start[0]) * step / steps
            y = start[1] + (end[1] - start[1]) * step / steps
            column, row = round(x * (self.width * 2 - 1)), round((1 - y) * (self.height * 4 - 1))
            cell = (row // 4, column // 2)
            self.cells[cell] = (self.cells.get(cell, (0, ""))[0] | DOTS[row % 4][column % 2], style)

    def place(self, x: float, y: float) -> tuple[int, int]:
        """The cell (row, column) of a place in [0, 1]²."""
        return round((1 - y) * (self.height * 4 - 1)) // 4, round(x * (self.width * 2 - 1)) // 2

    def row(self, row: int) -> Text:
        from rich.text import Text

        text = Text()
        for column in range(self.width):
            bits, style = self.cells.get((row, column), (0, ""))
            text.append(*self.marks.get((row, column), (chr(0x2800 + bits) if bits else " ", style)))
        return text


def terminal_chart(result: Mapping[str, Any], width: int = 80, height: int = 16) -> Text:
    """Accuracy against samples (a logarithmic axis), `width` columns wide. Selected lines are solid, oracle and mean are sparse."""
    from rich.text import Text

    drawn = lines(result)
    styles = _styles(drawn)
    top = ceil(10 * max(point.value for line in drawn for point in line.points)) / 10 or 0.1
    far = log2(max(point.n for line in drawn for point in line.points)) or 1.0
    canvas = Canvas(width - LEFT - RIGHT, height)

    def at(point: Point) -> tuple[float, float]:
        return log2(point.n) / far, point.value / top

    for line, (mark, style) in reversed(list(zip(drawn, styles, strict=True))):
        for start, end in pairwise(line.points):
            canvas.stroke(at(start), at(end), style, dash=1 if line.role == "selected" else 3)
        if line.role != "mean":
            canvas.marks |= {canvas.place(*at(point)): (mark, style) for point in line.points}
    ends = _ends(drawn, [canvas.place(*at(line.points[-1]))[0] for line in drawn], height)
    ticks = _ticks(top, canvas)
    text = Text(no_wrap=True, overflow="crop").append(f"{result['task']}: problems solved, by {result['model']}\n\n", style="bold")
    for row in range(height):
        tick = ticks.get(row, "")
        text.append(f"{tick:>{LEFT - 2}} ┤" if tick else " " * (LEFT - 1) + "│", style="dim").append_text(canvas.row(row))
        if row in ends:
            line, (mark, style) = drawn[ends[row]], styles[ends[row]]
            text.append(f" {mark} {line.points[-1].value:>5.1%} {_clipped(line.name, RIGHT - 10)}", style=style)
        text.append("\n")
    return text.append_text(_axis(drawn, canvas.width, far))


def _styles(drawn: list[Line]) -> list[tuple[str, str]]:
    """A mark and a colour for each line."""
    styles, count = [], 0
    for line in drawn:
        if line.role == "selected":
            styles.append((MARKS[count % len(MARKS)], COLOURS[count % len(COLOURS)]))
            count += 1
        else:
            styles.append(SHARED[line.role])
    return styles


def _ends(drawn: list[Line], wanted: list[int], height: int) -> dict[int, int]:
    """The row of each line's name -> the line: as near to its last point as the other names allow."""
    order = sorted(range(len(drawn)), key=lambda index: (wanted[index], -drawn[index].points[-1].value))
    rows: list[int] = []
    for index in order:
        rows.append(max(wanted[index], rows[-1] + 1 if rows else 0))
    for place in reversed(range(len(rows))):
        rows[place] = min(rows[place], height - len(rows) + place)
    return dict(zip(rows, order, strict=True))


def _ticks(top: float, canvas: Canvas) -> dict[int, str]:
    step = 20 if top > 0.5 else 10 if top > 0.2 else 5
    return {canvas.place(0, value / 100 / top)[0]: f"{value}%" for value in range(0, round(top * 100) + 1, step)}


def _axis(drawn: list[Line], width: int, far: float) -> Text:
    """The horizontal axis with the values of n that have room, and its title."""
    from rich.text import Text

    marks, labels = ["─"] * width, [" "] * (width + 4)
    free = 0
    for n in sorted({point.n for line in drawn for point in line.points}):
        column = round(log2(n) / far * (width - 1))
        start = max(0, column - (len(str(n)) - 1) // 2)
        if start >= free:
            marks[column], labels[start : start + len(str(n))] = "┴", str(n)
            free = start + len(str(n)) + 1
    pad = " " * (LEFT - 1)
    return Text(f"{pad}└{''.join(marks)}\n{pad} {''.join(labels).rstrip()}  samples per problem", style="dim")


def _clipped(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def terminal_table(result: Mapping[str, Any]) -> Table:
    """Every point as a row; the bar is the selected accuracy (solid) within the oracle's (dashed). Costs are a problem's."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("strategy", no_wrap=True, max_width=18)
    for head in ("n", "selected", "interval"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=BAR)
    for head in ("oracle", "tokens", "seconds"):
        table.add_column(head, justify="right", no_wrap=True)
    for name, curve in zip(labels(result), result["curves"], strict=True):
        for index, point in enumerate(curve["points"]):
            last = index == len(curve["points"]) - 1
            table.add_row(*_cells(name if index == 0 else "", point), end_section=last)
    return table


def terminal_frontier(result: Mapping[str, Any], axis: str = "tokens") -> Table | Text:
    """The points that no other beats in both accuracy and cost (`axis`: see `lab.spend.AXES`), with how sure that is."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    found = result.get("frontier", {}).get(axis)
    if not found:
        return Text(f"no frontier in {axis}: nobody knows what these runs have cost in that", style="dim")
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(f"frontier in {axis}", no_wrap=True, max_width=40)
    for head in ("n", axis, "selected", "on it in"):
        table.add_column(head, justify="right", no_wrap=True)
    names = labels(result)
    for point in found["points"]:
        if point["on"]:
            sure = _shown(point["probability"], ".0%")
            table.add_row(names[point["curve"]], str(point["n"]), f"{point['cost']:,.4g}", f"{point['selected']:.1%}", sure)
    return table


def _cells(name: str, point: Mapping[str, Any]) -> list[str | Text]:
    from rich.text import Text

    low, high = point.get("interval") or (None, None)
    limits = "–" if low is None or high is None else f"{100 * low:.0f}–{100 * high:.0f}%"
    filled, reach = (round(BAR * (point.get(role) or 0)) for role in ("selected", "oracle"))
    bar = Text("━" * filled, style="blue").append("╌" * max(0, reach - filled), style="bright_black")
    selected, oracle = (_shown(point.get(role), ".1%") for role in ("selected", "oracle"))
    costs = _shown(point.get("tokens"), ",.0f"), _shown(point.get("seconds"), ".2f")
    return [name, str(point["n"]), selected, limits, bar, oracle, *costs]


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
