"""How long a draw and a whole solve took, as the share that was done by then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ponder.lab.charts import NEUTRAL, labels, palette, styled
from ponder.lab.report.section import Chart, Section, amount, number, text

ABOUT = (
    "The share of draws, and of whole solves at the largest size, that were done after so many seconds, as they were "
    "measured: many at once, so a draw also waited for others. Strategies that were computed from a bank of samples have no"
    " latency of their own."
)
MARKS = (50, 90, 95, 99, 100)


def section(result: Mapping[str, Any]) -> Section | None:
    found = [one for one in result.get("latency") or [] if one["quantiles"][-1] > 0]
    if not found:
        return None
    several = len({one["model"] for one in found}) > 1
    names = [f"{one['what']} · {one['model']}" if several else str(one["what"]) for one in found]
    rows = [
        [text(name), number(one["count"]), *(amount(one["quantiles"][mark], "seconds") for mark in MARKS)]
        for name, one in zip(names, found, strict=True)
    ]
    alt = "Latencies. " + "; ".join(
        f"{name}: half within {amount(one['quantiles'][50], 'seconds')}, 95 % within {amount(one['quantiles'][95], 'seconds')}"
        for name, one in zip(names, found, strict=True)
    )
    chart = Chart("latency", _spec(result, dict(zip(names, found, strict=True))), alt)
    heads = ("what", "count", "median", "p90", "p95", "p99", "longest")
    return Section("latency", "Latency", ABOUT, [chart], (heads, rows))


def _spec(result: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    import altair as alt

    curves = dict(zip(labels(result), result["curves"], strict=True))
    marks = palette(result)
    values, colours, dashes = list[dict[str, Any]](), list[str](), list[list[int]]()
    for name, one in found.items():
        own = next(
            (
                label
                for label, curve in curves.items()
                if curve["strategy"] == one["what"] and curve.get("model") in (None, one["model"])
            ),
            None,
        )
        colours.append(marks[own].colour if own else NEUTRAL)
        dashes.append([1, 0] if own else [4, 3 + len(dashes)])
        values += [{"series": name, "seconds": value, "share": at / 100} for at, value in enumerate(one["quantiles"]) if value > 0]
    domain, legend = list(found), alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3, symbolSize=400)
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_line(strokeWidth=2.5)
        .encode(
            x=alt.X("seconds:Q").scale(type="log", nice=False).axis(title="seconds", format="~g", tickCount=6),
            y=alt.Y("share:Q").axis(title="done by then", format="%"),
            color=alt.Color("series:N").scale(domain=domain, range=colours).legend(legend),
            strokeDash=alt.StrokeDash("series:N").scale(domain=domain, range=dashes).legend(legend),
            tooltip=["series:N", alt.Tooltip("seconds:Q", format=".3g"), alt.Tooltip("share:Q", format=".0%")],
        )
        .properties(width="container", height=260)
    )
    return styled(chart).to_dict()
