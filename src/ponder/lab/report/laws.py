"""The fitted laws: drawn beyond what was measured, with every warning that the data allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ponder.lab.charts import AXES, NEUTRAL, labels, palette, styled
from ponder.lab.laws import LAWS, Fit
from ponder.lab.report.section import Chart, Section, number, percent, span, text

FORMULAS = {
    "exponentiated-power": "exp(a·k^b)",
    "log-linear": "a + b·ln k",
    "beta-mixture": "1 − B(a, b+k) / B(a, b)",
    "saturation": "c − (c − a)·k^−b",
    "log-odds": "1 / (1 + e^−(a + b·ln k))",
}
FAR = 16
"""How far beyond the largest measured n a law is drawn."""
ALIKE, APART = 0.01, 0.02
"""Named are laws whose held-out errors are nearer than the one, and that differ by more than the other where they end."""
HEADS = ("line", "quantity", "law", "a", "b", "limit", "mean error", "held-out error")


def section(result: Mapping[str, Any]) -> Section | None:
    fits = named(result)
    sizes = [point["n"] for curve in result["curves"] for point in curve["points"]]
    if not fits or not sizes:
        return None
    most = max(sizes)
    far = FAR * most
    about = (
        "Each law is fitted by least squares. The held-out error is its mean miss on the larger half of the ks after a fit on the "
        "smaller half: trust a prediction no further than that. The chart draws the best law of each line to "
        f"{far:,} samples; what lies right of the rule, dashed, was not measured."
    )
    rows = [_row(found, far) for found in fits]
    best = chosen(fits)
    notes = [*warnings(fits, far), *(text(one) for one in _said(fits))]
    body = "".join(f'<p class="warning">{note}</p>' for note in notes)
    charts = [Chart("laws", _spec(result, best, most, far), _alt(best, far))] if best else []
    return Section("laws", "Laws and ceilings", about, charts, ((*HEADS, f"at {far:,}"), rows), body)


def named(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The result's fits, each with the `label` of its line."""
    names = labels(result)
    first = {curve["strategy"]: label for label, curve in reversed(list(zip(names, result["curves"], strict=True)))}
    found = []
    for one in result.get("fits") or []:
        strategy = str(one["strategy"])
        label = names[one["curve"]] if "curve" in one else first.get(strategy, strategy)
        oracle = "oracle: any of n" + (f" · {one['model']}" if one.get("model") else "")
        found.append(dict(one) | {"label": oracle if one["quantity"] == "oracle" else label})
    return found


def formula(found: Mapping[str, Any]) -> str:
    return FORMULAS.get(str(found.get("law")), str(found.get("law")))


def law(found: Mapping[str, Any]) -> Fit:
    """The fit that an entry of `fits` holds."""
    return Fit(**{one.name: found[one.name] for one in fields(Fit) if one.name in found})


def predict(found: Mapping[str, Any], k: float) -> float | None:
    """What an entry predicts at k samples; None without a fit, and for a law that this version does not know."""
    return law(found).predict(k) if found.get("law") in LAWS and found.get("a") is not None else None


def chosen(fits: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each line the law marked as chosen, else that with the least held-out error, else with the least error."""
    best = dict[tuple[str, str], Mapping[str, Any]]()
    for found in fits:
        if predict(found, 1) is not None:
            best[_line(found)] = min(best.get(_line(found), found), found, key=_rank)
    return list(best.values())


def _line(found: Mapping[str, Any]) -> tuple[str, str]:
    return found["label"], str(found["quantity"])


def _rank(found: Mapping[str, Any]) -> tuple[bool, float, float]:
    held, error = found.get("heldout_error"), found.get("error")
    return not found.get("chosen"), 1.0 if held is None else held, 1.0 if error is None else error


def warnings(fits: Sequence[Mapping[str, Any]], far: int) -> list[str]:
    """Where two laws miss the unseen half by nearly the same and yet part beyond it."""
    pairs = (
        (best, other) for best in chosen(fits) for other in fits if _line(other) == _line(best) and other["law"] != best["law"]
    )
    return [said for best, other in pairs if (said := _parting(best, other, far))]


def _parting(best: Mapping[str, Any], other: Mapping[str, Any], far: int) -> str:
    ours, theirs, near, off = predict(best, far), predict(other, far), best.get("heldout_error"), other.get("heldout_error")
    if ours is None or theirs is None or near is None or off is None:
        return ""
    if abs(off - near) >= ALIKE or abs(ours - min(theirs, 1.0)) <= APART:
        return ""
    laws, errors = f"{text(best['law'])} from {text(other['law'])}", f"{percent(near, 2)} and {percent(off, 2)}"
    return (
        f"{text(best['label'])}: the data hardly tell {laws} (held-out errors {errors}), yet at {far:,} samples they predict "
        f"{percent(ours)} and {percent(theirs)}{', which no accuracy can be' if theirs > 1 else ''}."
    )


def _said(fits: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the fitting itself has warned of, once each, and which lines have stopped to grow."""
    said = dict.fromkeys(f"{found['label']}: {found['warning']}." for found in fits if found.get("warning"))
    grown = dict.fromkeys(
        f"{found['label']} has {'stopped growing' if found['growth'] == 'stopped' else 'begun to fall'}: the last doubling gained "
        f"{span(found.get('gain'))}."
        for found in fits
        if found.get("growth") in ("stopped", "falling") and found.get("gain")
    )
    return [*said, *grown]


def _gain(found: Mapping[str, Any]) -> str:
    low, high = found["gain"]
    return f"{100 * low:+.1f} to {100 * high:+.1f} points"


def _row(found: Mapping[str, Any], far: int) -> list[str]:
    start = [text(found["label"]), text(found["quantity"]), text(formula(found))]
    if found.get("a") is None:
        return [*start, f'<span class="reason">{text(found.get("reason"))}</span>', *[""] * 5]
    limit = percent(found.get("limit")) + (f" ({span(found['limit_interval'])})" if found.get("limit_interval") else "")
    constants = [number(found["a"], 3), number(found.get("b"), 3), limit]
    return [
        *start,
        *constants,
        percent(found.get("error"), 2),
        percent(found.get("heldout_error"), 2),
        percent(predict(found, far)),
    ]


def _alt(best: Sequence[Mapping[str, Any]], far: int) -> str:
    return f"Measured points and fitted laws. At {far:,} samples they predict: " + "; ".join(
        f"{found['label']} {percent(predict(found, far))}" for found in best
    )


def _spec(result: Mapping[str, Any], best: Sequence[Mapping[str, Any]], most: int, far: int) -> dict[str, Any]:
    import altair as alt

    colours = {label: mark.colour for label, mark in palette(result).items()}
    grid = [most * FAR / 2 ** (step / 4) for step in range(4 * (far.bit_length() + 1)) if far / 2 ** (step / 4) >= 1]
    drawn = [
        {"line": found["label"], "n": k, "value": value, "part": "fitted" if k <= most else "predicted"}
        for found in best
        for k in sorted({*grid, float(most)})
        if (value := predict(found, k)) is not None and value <= 1
    ]
    drawn += [dict(row, part="predicted") for row in drawn if row["n"] == most]
    points = [{"line": found["label"], "n": n, "value": value} for found in best for n, value in _measured(result, found)]
    domain = [found["label"] for found in best]
    colour = alt.Color("line:N").scale(domain=domain, range=[colours.get(label, NEUTRAL) for label in domain])
    base = alt.Chart(alt.InlineData(values=drawn)).encode(
        x=alt.X("n:Q").scale(type="log", base=2, nice=False, padding=12).axis(title=AXES["n"], format=",d", tickCount=8),
        y=alt.Y("value:Q").scale(zero=True).axis(title="problems solved", format="%"),
        color=colour.legend(alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3)),
        detail="part:N",
        strokeDash=alt.StrokeDash("part:N").scale(domain=["fitted", "predicted"], range=[[1, 0], [6, 4]]).legend(None),
    )
    rule = alt.Chart(alt.InlineData(values=[{"n": most}])).mark_rule(color=NEUTRAL).encode(x="n:Q")
    dots = alt.Chart(alt.InlineData(values=points)).mark_point(filled=True, size=45)
    seen = dots.encode(x="n:Q", y="value:Q", color=colour, tooltip=["line:N", "n:Q", alt.Tooltip("value:Q", format=".1%")])
    chart = alt.layer(rule, base.mark_line(strokeWidth=2), seen).properties(width="container", height=330)
    return styled(chart).to_dict()


def _measured(result: Mapping[str, Any], found: Mapping[str, Any]) -> list[tuple[int, float]]:
    """The points that a law was fitted to: a strategy's, or the oracle's of the longest curve of its model."""
    curves = [curve for curve in result["curves"] if curve.get("model") == found.get("model")]
    if found["quantity"] != "oracle":
        curves = [curve for label, curve in zip(labels(result), result["curves"], strict=True) if label == found["label"]]
    points: Sequence[Mapping[str, Any]] = max((curve["points"] for curve in curves), key=len, default=[])
    return [(point["n"], point[found["quantity"]]) for point in points if point.get(found["quantity"]) is not None]
