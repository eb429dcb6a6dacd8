"""Accuracy against compute, and the ranking of the strategies where there is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ponder.lab.charts import AXES, figure, labels, lines
from ponder.lab.report.section import Chart, Section, amount, percent, span, table, text

ABOUT = (
    "<b>Selected</b> is the accuracy of the answer that the strategy returned; the band is its 95 % interval over problems."
    " <b>Oracle</b> counts a problem as solved if any of the n samples is right: what a perfect choice would reach with the"
    " same samples. <b>Mean</b> is the accuracy of one sample. Points are expectations over all subsets of that size, not "
    "the first n samples. Click a legend entry to highlight its line; touch a point for its numbers."
)


def section(result: Mapping[str, Any]) -> Section | None:
    drawn = lines(result)
    if not drawn:
        return None
    known = [axis for axis in AXES if any(point.get(axis) for curve in result["curves"] for point in curve["points"])]
    alt = "Accuracy against compute. At the largest size: " + "; ".join(
        f"{line.name} {percent(line.points[-1].value)}" for line in drawn
    )
    chart = Chart("curves", figure(result, width="container").to_dict(), alt, known)
    costs = [axis for axis in known if axis != "n"]
    heads = ["strategy", "n", "selected", "95 % interval", "oracle", "mean", *costs]
    return Section("curves", "Accuracy against compute", ABOUT, [chart], (heads, list(_rows(result, costs))), _ranking(result))


def _rows(result: Mapping[str, Any], costs: Iterable[str]) -> Iterable[list[str]]:
    for name, curve in zip(labels(result), result["curves"], strict=True):
        for index, point in enumerate(curve["points"]):
            accuracy = [percent(point.get("selected")), span(point.get("interval")), percent(point.get("oracle"))]
            cells = [text(name) if index == 0 else "", str(point["n"]), *accuracy, percent(point.get("mean"))]
            yield [*cells, *(amount(point.get(axis), axis) for axis in costs)]


def _ranking(result: Mapping[str, Any]) -> str:
    """The curves from best to worst, with p-values that allow for how many were compared."""
    found, names = result.get("ranking") or [], labels(result)
    if len(found) < 2:
        return ""
    rows = [
        [text(names[one["curve"]]), str(one["n"]), percent(one["mean"]), span(one["interval"]), *_behind(one, first=at == 0)]
        for at, one in enumerate(found)
    ]
    heads = ("strategy", "n", "solved", "95 % interval", "behind the first", "95 % interval", "p (Holm)", "")
    about = (
        "From best to worst at the largest size, on the same problems. A strategy is behind the first where p (Holm), which allows "
        "for how many were compared, is small; else nothing tells the two apart."
    )
    return f'<h3>Ranking</h3><p class="soft">{about}</p><div class="card">{table(heads, rows)}</div>'


def _behind(one: Mapping[str, Any], first: bool) -> list[str]:
    if first:
        return ["", "", "", ""]
    low, high = one["behind_interval"]
    p = "&lt; 0.001" if one["adjusted"] < 0.001 else f"{one['adjusted']:.3f}"
    return [
        f"{100 * one['behind']:+.1f}",
        f"{100 * low:+.1f} to {100 * high:+.1f}",
        p,
        "not told apart" if one["tied"] else "behind",
    ]
