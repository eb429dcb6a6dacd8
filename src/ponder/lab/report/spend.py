"""Who the tokens went to, strategy by strategy, at the largest size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ponder.lab.charts import labels, styled
from ponder.lab.report.section import Chart, Section, number, percent, text
from ponder.lab.spend import PARTS

COLOURS = dict(zip(PARTS, ("#a9b3bf", "#66727f", "#c8a24a", "#8c5a3c", "#c08f72", "#5c5470"), strict=True))
ABOUT = (
    "Computed tokens a problem, at each strategy's largest size. <b>Prompt</b> leaves out what a prefix cache served; "
    "<b>discarded</b> are draws that were pruned, failed or cut; verifiers and judges are those that are models and compute"
    " tokens."
)


def section(result: Mapping[str, Any]) -> Section | None:
    spent = [(name, curve) for name, curve in zip(labels(result), result["curves"], strict=True) if curve.get("spend")]
    if not any(sum(curve["spend"].values()) for _, curve in spent):
        return None
    present = [part for part in PARTS if any(curve["spend"].get(part) for _, curve in spent)]
    rows = []
    for name, curve in spent:
        whole = sum(curve["spend"].values())
        size = curve["points"][-1]["n"] if curve["points"] else None
        shares = [
            f"{number(curve['spend'].get(part))} ({percent(curve['spend'].get(part, 0.0) / (whole or 1), 0)})" for part in present
        ]
        rows.append([text(name), number(size), number(whole), *shares])
    alt = "Tokens a problem by who they went to. " + "; ".join(f"{row[0]} {row[2]}" for row in rows)
    chart = Chart("spend", _spec(spent, present), alt)
    return Section("spend", "Where the tokens went", ABOUT, [chart], (("strategy", "n", "tokens", *present), rows))


def _spec(spent: list[tuple[str, Mapping[str, Any]]], present: list[str]) -> dict[str, Any]:
    import altair as alt

    values = [
        {"strategy": name, "row": row, "part": part, "place": place, "tokens": curve["spend"].get(part, 0.0)}
        for row, (name, curve) in enumerate(spent)
        for place, part in enumerate(present)
    ]
    colour = alt.Color("part:N").scale(domain=present, range=[COLOURS[part] for part in present])
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(size=20)
        .encode(
            y=alt.Y("strategy:N").sort(field="row").axis(title=None, labelLimit=150),
            x=alt.X("tokens:Q").axis(title="tokens per problem", format="~s", tickCount=6),
            color=colour.legend(alt.Legend(title=None)),
            order=alt.Order("place:Q"),
            tooltip=["strategy:N", "part:N", alt.Tooltip("tokens:Q", format=",.0f")],
        )
        .properties(width="container", height=30 * len(spent) + 10)
    )
    return styled(chart).to_dict()
