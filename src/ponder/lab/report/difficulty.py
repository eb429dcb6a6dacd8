"""Accuracy by difficulty: a small chart for each way to tell it, oracle and predicted side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ponder.lab.charts import NEUTRAL, Mark, labels, palette, styled
from ponder.lab.report.section import Chart, Section, number, percent, span, text

ABOUT = (
    "Problems in bins from easy to hard; every strategy at its largest size, with 95 % intervals; the grey dots are one "
    "sample. <b>Oracle</b> bins use each problem's measured pass rate, which nobody has beforehand. <b>Predicted</b> bins "
    "use an estimate made before solving, learnt on the other half of the problems. The two must not be mixed: only the "
    "predicted ones can be acted on."
)
ONE = "mean: one sample"
GLYPHS = {
    "circle": '<circle cx="6" cy="6" r="4.5"/>',
    "square": '<rect x="2" y="2" width="8" height="8"/>',
    "triangle-up": '<path d="M6 1.5 11 10.5H1z"/>',
    "triangle-down": '<path d="M6 10.5 1 1.5h10z"/>',
    "diamond": '<path d="M6 .5 11 6 6 11.5 1 6z"/>',
    "cross": '<path d="M4.2 1h3.6v3.2H11v3.6H7.8V11H4.2V7.8H1V4.2h3.2z"/>',
}


def section(result: Mapping[str, Any]) -> Section | None:
    kinds = [one for one in result.get("difficulty") or [] if one["bins"]]
    if not kinds:
        return None
    names = labels(result)
    charts = [
        Chart(f"difficulty{at}", _spec(result, names, kind), _alt(names, kind), heading=_title(kind))
        for at, kind in enumerate(kinds)
    ]
    rows = [
        [text(_title(kind)) if place == 0 else "", _range(one), number(one["problems"]), percent(one["mean"])]
        + [f"{percent(value)} ({span(limits)})" for value, *limits in one["selected"]]
        for kind in kinds
        for place, one in enumerate(kind["bins"])
    ]
    heads = ["difficulty told by", "range", "problems", "one sample", *map(text, names)]
    several = dict.fromkeys(str(curve["model"]) for curve in result["curves"] if curve.get("model"))
    about = ABOUT + (f" Difficulty, and the one sample, are those of {text(next(iter(several)))}." if several else "")
    return Section("difficulty", "By difficulty", about, charts, (heads, rows), key=_key(result))


def _key(result: Mapping[str, Any]) -> str:
    """One legend for all the small charts."""
    marks = [*palette(result).items(), (ONE, Mark(NEUTRAL, "circle"))]
    return f'<div class="key">{"".join(f"<span>{_glyph(mark)} {text(name)}</span>" for name, mark in marks)}</div>'


def _glyph(mark: Mark) -> str:
    return f'<svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" fill="{mark.colour}">{GLYPHS[mark.shape]}</svg>'


def _title(kind: Mapping[str, Any]) -> str:
    return f"{'Oracle' if kind['kind'] == 'oracle' else 'Predicted'}, from {kind['reads']}"


def _range(one: Mapping[str, Any]) -> str:
    return f"{one['low']:.2f}–{one['high']:.2f}"


def _alt(names: Sequence[str], kind: Mapping[str, Any]) -> str:
    first, last = kind["bins"][0], kind["bins"][-1]
    parts = [
        f"{name} {percent(easy[0])} on the easiest, {percent(hard[0])} on the hardest"
        for name, easy, hard in zip(names, first["selected"], last["selected"], strict=True)
    ]
    return f"{_title(kind)}: " + "; ".join(parts)


def _spec(result: Mapping[str, Any], names: Sequence[str], kind: Mapping[str, Any]) -> dict[str, Any]:
    import altair as alt

    marks, bins = palette(result), [*range(1, 1 + len(kind["bins"]))]
    values = [
        {"bin": place, "difficulty": _range(one), "problems": one["problems"]}
        | {"series": name, "side": side, "value": value, "low": low, "high": high}
        for place, one in zip(bins, kind["bins"], strict=True)
        for side, (name, (value, low, high)) in enumerate(zip(names, one["selected"], strict=True))
    ]
    values += [
        {"bin": place, "difficulty": _range(one), "problems": one["problems"]}
        | {"series": ONE, "side": len(names), "value": one["mean"]}
        for place, one in zip(bins, kind["bins"], strict=True)
    ]
    domain = [*marks, ONE]
    colours, shapes = ([getattr(marks[name], what) for name in marks] for what in ("colour", "shape"))
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("bin:O").axis(title="easy → hard", labelAngle=0),
        xOffset=alt.XOffset("side:O").sort("ascending"),
        color=alt.Color("series:N").scale(domain=domain, range=[*colours, NEUTRAL]).legend(None),
    )
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2, opacity=0.45)
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        y=alt.Y("value:Q").scale(domain=[0, 1]).axis(title="problems solved", format="%"),
        shape=alt.Shape("series:N").scale(domain=domain, range=[*shapes, "circle"]).legend(None),
        tooltip=[
            "series:N",
            "difficulty:N",
            "problems:Q",
            *(alt.Tooltip(f"{field}:Q", format=".1%") for field in ("value", "low", "high")),
        ],
    )
    chart = alt.layer(bars.encode(y=alt.Y("low:Q").axis(title="problems solved", format="%"), y2="high:Q"), dots)
    return styled(chart.properties(width="container", height=230)).to_dict()
