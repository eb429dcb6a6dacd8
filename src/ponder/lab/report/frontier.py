"""The frontier: every point by accuracy and cost, those that nothing beats joined, and who leads at each budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ponder.lab.charts import AXES, NEUTRAL, SCALES, TEXT, labels, palette, styled
from ponder.lab.report.section import Chart, Section, amount, percent, text
from ponder.lab.spend import AXES as COSTS

ABOUT = (
    "A point is on the frontier if no other has at least its accuracy for at most its cost. Large and dark: sure to be on "
    "it; small and pale: beaten in most of 1,000 resamples of the problems. Costs that nobody knows are left out, never "
    "counted as free. Accuracy is always that of the returned answer (<b>selected</b>), never the oracle's."
)
CLEAR, APART = 0.8, 2.0
"""A leader is named where it is the best with at least this probability, at budgets that lie at least this factor apart."""


def section(result: Mapping[str, Any]) -> Section | None:
    found = by_axis(result)
    if not found:
        return None
    names, first = labels(result), next(iter(found))
    rows = [
        [text(names[point["curve"]]), str(point["n"]), amount(point["cost"], axis), *_stands(point)]
        for axis, one in found.items()
        for point in one["points"]
    ]
    on = [point for point in found[first]["points"] if point["on"]]
    alt = "Accuracy against cost. On the frontier, from cheap to dear: " + "; ".join(
        f"{names[point['curve']]} at {point['n']}, {percent(point['selected'])} for {amount(point['cost'], first)}" for point in on
    )
    charts = [Chart("frontier", _scatter(result, names, found, first), alt, list(found))]
    if all(one["leaders"] and len({point["curve"] for point in one["points"]}) > 1 for one in found.values()):
        led = "Probability that each strategy is the best choice, by budget. " + led_by(names, found[first]["leaders"], first)
        charts.append(Chart("leaders", _leaders(result, names, found, first), led, list(found), "Who is best at which budget"))
    return Section("frontier", "Frontier", ABOUT, charts, (("strategy", "n", "cost", "selected", "on it", "probability"), rows))


def by_axis(result: Mapping[str, Any]) -> dict[str, Any]:
    """The frontiers by axis, the one to be shown first; tokens of several models are not alike, and come last."""
    several = len({curve.get("model") for curve in result["curves"]}) > 1
    order = [*COSTS[1:], COSTS[0]] if several else COSTS
    return {axis: result["frontier"][axis] for axis in order if axis in (result.get("frontier") or {})}


def _stands(point: Mapping[str, Any]) -> tuple[str, str, str]:
    return percent(point["selected"]), "yes" if point["on"] else "", percent(point["probability"], 0)


def led_by(names: Sequence[str], leaders: Sequence[Mapping[str, Any]], axis: str) -> str:
    """Who leads from which budget on, in words, where somebody clearly does."""
    said, before, last = list[str](), "", 0.0
    for row in leaders:
        if row["budget"] < APART * last or not row["curves"]:
            continue
        curve, share = max(row["curves"].items(), key=lambda item: item[1])
        now = curve if share >= CLEAR else ""
        if now != before:
            who = f"{names[int(curve)]} ({percent(share, 0)})" if now else "no clear leader"
            said.append(f"from {amount(row['budget'], axis)}: {who}")
        before, last = now, row["budget"]
    return "; ".join(said)


def _scatter(result: Mapping[str, Any], names: Sequence[str], found: Mapping[str, Any], first: str) -> dict[str, Any]:
    import altair as alt

    values = [
        {"axis": axis, "series": names[point["curve"]], **{key: point[key] for key in ("n", "cost", "selected", "on")}}
        | {"probability": 0.5 if point["probability"] is None else point["probability"], "shown": amount(point["cost"], axis)}
        for axis, one in found.items()
        for point in one["points"]
        if point["cost"] > 0
    ]
    logarithm, ticks = SCALES[first]
    base = (
        alt.Chart(alt.InlineData(values=values))
        .transform_filter("datum.axis == axis")
        .encode(
            x=alt.X("cost:Q")
            .scale(type="log", base=logarithm, nice=False, padding=18)
            .axis(title=AXES[first], format=ticks, tickCount=6),
            y=alt.Y("selected:Q").scale(zero=True, nice=True).axis(title="problems solved (selected)", format="%"),
        )
    )
    steps = base.transform_filter("datum.on").mark_line(interpolate="step-after", color=NEUTRAL, strokeWidth=2, strokeDash=[5, 3])
    shapes = palette(result)
    chosen = [name for name in shapes if any(value["series"] == name for value in values)]
    legend = alt.Legend(title=None, symbolSize=90, symbolOpacity=1, symbolStrokeWidth=2)
    dots = base.mark_point(filled=True, stroke=TEXT, strokeWidth=0.5).encode(
        color=alt.Color("series:N").scale(domain=chosen, range=[shapes[name].colour for name in chosen]).legend(legend),
        shape=alt.Shape("series:N").scale(domain=chosen, range=[shapes[name].shape for name in chosen]).legend(legend),
        size=alt.Size("probability:Q").scale(domain=[0, 1], range=[30, 220]).legend(None),
        opacity=alt.Opacity("probability:Q").scale(domain=[0, 1], range=[0.3, 1]).legend(None),
        tooltip=[
            alt.Tooltip("series:N", title="strategy"),
            alt.Tooltip("n:Q", title="size"),
            alt.Tooltip("shown:N", title="cost a problem"),
            alt.Tooltip("selected:Q", title="solved", format=".1%"),
            alt.Tooltip("probability:Q", title="on the frontier", format=".0%"),
        ],
    )
    chart = alt.layer(steps, dots).add_params(alt.param(name="axis", value=first)).properties(width="container", height=360)
    return styled(chart).to_dict()


def _leaders(result: Mapping[str, Any], names: Sequence[str], found: Mapping[str, Any], first: str) -> dict[str, Any]:
    import altair as alt

    values = [
        {"axis": axis, "budget": amount(row["budget"], axis), "series": names[int(curve)], "share": share}
        for axis, one in found.items()
        for row in one["leaders"]
        for curve, share in row["curves"].items()
    ]
    marks = palette(result)
    chosen = [name for name in marks if any(value["series"] == name for value in values)]
    colour = alt.Color("series:N").scale(domain=chosen, range=[marks[name].colour for name in chosen])
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .transform_filter("datum.axis == axis")
        .mark_bar()
        .encode(
            x=alt.X("budget:N")
            .sort(None)
            .scale(paddingInner=0.35)
            .axis(title="budget a problem", labelAngle=-40, labelFontSize=11, labelOverlap="greedy"),
            y=alt.Y("share:Q").stack("normalize").axis(title="probability of being best", format="%"),
            color=colour.legend(alt.Legend(title=None)),
            tooltip=[
                alt.Tooltip("budget:N"),
                alt.Tooltip("series:N", title="strategy"),
                alt.Tooltip("share:Q", title="best with probability", format=".0%"),
            ],
        )
        .add_params(alt.param(name="axis", value=first))
        .properties(width="container", height=180)
    )
    return styled(chart).to_dict()
