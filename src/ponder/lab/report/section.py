"""A part of the page: a heading, words, charts and the table behind them. Everything that comes from a run is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite specification, `alt`: what it shows in words, and the axes of cost that can be chosen, if any."""

    name: str
    spec: dict[str, Any]
    alt: str
    axes: Sequence[str] = ()
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """`about`, `key` (above the charts) and `body` (below) are HTML; `table` is (heads, rows) of HTML cells, folded away."""

    name: str
    title: str
    about: str
    charts: Sequence[Chart] = ()
    table: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None
    body: str = ""
    key: str = ""


def text(value: Any) -> str:
    return escape(str(value), quote=True)


def button(what: str, value: str, words: str, pressed: bool) -> str:
    return f'<button type="button" data-{what}="{text(value)}" aria-pressed="{str(pressed).lower()}">{text(words)}</button>'


def percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}\u00a0%"


def span(limits: Sequence[float | None] | None, digits: int = 1) -> str:
    """An interval of accuracies."""
    if not limits or limits[0] is None or limits[1] is None:
        return "–"
    return f"{100 * limits[0]:.{digits}f}–{100 * limits[1]:.{digits}f}\u00a0%"


def number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


UNITS = {"tokens": "{} tokens", "flops": "{} FLOPs", "usd": "${}", "seconds": "{} s", "joules": "{} J", "n": "{} samples"}


def amount(value: float | None, axis: str) -> str:
    """A cost with its unit: 1,234 tokens, 3.2 GFLOPs, $0.0012, 0.35 s."""
    if value is None:
        return "–"
    if axis == "flops":
        return _scaled(value) + "FLOPs"
    shown = f"{value:,.0f}" if axis in ("tokens", "n") or value >= 1000 else f"{value:.3g}"
    if axis == "usd" and value < 0.001:
        shown = f"{value:.2g}" if value >= 1e-4 else f"{value:.1e}"
    return UNITS[axis].format(shown).replace(" ", "\u00a0")


def _scaled(value: float) -> str:
    for unit, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}\u00a0{unit}"
    return f"{value:.3g}\u00a0"


def table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML. The first column is the row's heading; a row whose first cell is not empty begins a group."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    body = "".join(
        f'<tr{" class=first" if first else ""}><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
