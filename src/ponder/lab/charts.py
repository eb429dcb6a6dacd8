"""The lines of a `scale` result, and the figure that shows them.

Three figures are never mixed: *selected* (what the strategy returned), *oracle* (whether any of the n samples was right) and *mean*
(one sample). Strategies that share their samples share oracle and mean, and these are then drawn once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import altair

Role = Literal["selected", "oracle", "mean"]
AXES = {
    "n": "samples per problem",
    "tokens": "tokens per problem",
    "flops": "FLOPs per problem",
    "usd": "US dollars per problem",
    "seconds": "seconds per problem",
    "joules": "joules per problem",
}
SCALES = {name: (10, "~g" if name in ("usd", "seconds", "joules") else "~s") for name in AXES} | {"n": (2, ",d")}
"""The logarithm's base, and how its ticks are written."""
COLOURS = (
    "#1f83c7", "#e07b00", "#0a9d76", "#c4588f", "#8a63d2", "#b8860b", "#d1495b", "#4f9da6",
    "#6b8e23", "#a0522d", "#5a6acf", "#c77dbb",
)  # fmt: skip
"""Legible on black and on white, and told apart, with their shapes, without full sight of colour."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
NEUTRAL = "#8b8b8b"
TEXT = "#737983"
SHARED: dict[Role, str] = {"oracle": "oracle: any of n", "mean": "mean: one sample"}
DASHES: dict[Role, list[int]] = {"selected": [1, 0], "oracle": [7, 4], "mean": [2, 3]}


@dataclass(frozen=True, slots=True)
class Point:
    """Accuracy `value` in [0, 1] with its interval, at `n` samples, with what they cost a problem (None: unknown)."""

    n: int
    tokens: float | None
    seconds: float | None
    value: float
    low: float | None = None
    high: float | None = None
    flops: float | None = None
    usd: float | None = None
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """How a strategy is drawn, wherever it is drawn."""

    colour: str
    shape: str


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    role: Role
    points: tuple[Point, ...]


def lines(result: Mapping[str, Any]) -> list[Line]:
    """The lines to draw: every strategy's selected accuracy, then each oracle and each one-sample accuracy that differs."""
    names = labels(result)
    found = [Line(name, "selected", _points(curve, "selected")) for name, curve in zip(names, result["curves"], strict=True)]
    oracles = dict[tuple[Point, ...], str]()
    for name, curve in zip(names, result["curves"], strict=True):
        oracles.setdefault(_points(curve, "oracle"), name)
    longest = _covering(list(oracles))
    found += [Line(SHARED["oracle"] if len(longest) == 1 else f"oracle, {oracles[points]}", "oracle", points) for points in longest]
    return [line for line in [*found, *_means(result)] if line.points]


def _means(result: Mapping[str, Any]) -> list[Line]:
    """One line a model: what one sample is worth does not depend on the strategy, so the line is as long as the longest curve."""
    longest = dict[str | None, tuple[Point, ...]]()
    for curve in result["curves"]:
        points, model = _points(curve, "mean"), curve.get("model")
        if len(points) > len(longest.get(model, ())):
            longest[model] = points
    return [Line(SHARED["mean"] if len(longest) < 2 else f"mean, {model}", "mean", points) for model, points in longest.items()]


def labels(result: Mapping[str, Any]) -> list[str]:
    """A name for every curve: the strategy's, with the parameters where it has several curves, and with the model of several."""
    strategies = [curve["strategy"] for curve in result["curves"]]
    shown = [f"{key}={value}" for curve in result["curves"] for key, value in curve.get("parameters", {}).items()]
    common = {text for text in shown if shown.count(text) == len(strategies)}
    names, pairs = [], [(curve["strategy"], curve.get("model")) for curve in result["curves"]]
    for curve in result["curves"]:
        own = [f"{key}={value}" for key, value in curve.get("parameters", {}).items() if f"{key}={value}" not in common]
        several = [(one["strategy"], one.get("model")) for one in result["curves"]].count(
            (curve["strategy"], curve.get("model"))
        ) > 1
        name = f"{curve['strategy']} ({', '.join(own)})" if several and own else curve["strategy"]
        names.append(f"{name} · {curve['model']}" if len({model for _, model in pairs}) > 1 else name)
    return names


def palette(result: Mapping[str, Any]) -> dict[str, Mark]:
    """The mark of every curve, by its label: told apart by colour and by shape, the same in every figure of a result."""
    return {
        name: Mark(COLOURS[at % len(COLOURS)], SHAPES[at % len(SHAPES)]) for at, name in enumerate(dict.fromkeys(labels(result)))
    }


def _points(curve: Mapping[str, Any], role: Role) -> tuple[Point, ...]:
    points = []
    for point in curve["points"]:
        if point.get(role) is None:
            continue
        low, high = (point.get("interval") or (None, None)) if role == "selected" else (None, None)
        known = {axis: point.get(axis) for axis in AXES if axis != "n"}
        points.append(Point(point["n"], value=point[role], low=low, high=high, **known))
    return tuple(points)


def _covering(candidates: list[tuple[Point, ...]]) -> list[tuple[Point, ...]]:
    """Without the lines that are part of another one."""
    return [points for points in candidates if not any(set(points) < set(other) for other in candidates)]


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines' points as flat records, one a mark; what was selected comes last, and so is drawn over the rest."""
    drawn, marks = sorted(lines(result), key=lambda line: line.role == "selected"), palette(result)
    return [
        {"series": line.name, "role": line.role, "n": point.n, **{axis: getattr(point, axis) for axis in AXES if axis != "n"}}
        | {"value": point.value, "low": point.low, "high": point.high, "shape": _shape(line, marks)}
        for line in drawn
        for point in line.points
    ]


def _shape(line: Line, marks: Mapping[str, Mark]) -> str | None:
    """Of a line's points; a small dot (empty) for the oracle's, none for the mean's."""
    return {"selected": marks[line.name].shape if line.name in marks else "", "oracle": "", "mean": None}[line.role]


def figure(result: Mapping[str, Any], axis: str = "n", width: int | str = 720, height: int = 400) -> altair.TopLevelMixin:
    """Accuracy against compute (`axis`: a key of AXES, and the chart's parameter of that name), intervals as bands.

    Click on a legend entry to highlight it; hover a point for its numbers. `width` is in pixels, or "container".
    """
    import altair as alt

    drawn, marks, values = lines(result), palette(result), rows(result)
    colours = [marks[line.name].colour if line.role == "selected" else NEUTRAL for line in drawn]
    logarithm, ticks = SCALES[axis]
    names, dashes = [line.name for line in drawn], [DASHES[line.role] for line in drawn]
    chosen = alt.param(name="axis", value=axis)
    highlight = alt.selection_point(name="highlight", fields=["series"], bind="legend")
    legend = alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3, symbolSize=400, symbolOpacity=1)

    def opacity(full: float, dimmed: float) -> Any:
        return alt.when(highlight).then(alt.value(full)).otherwise(alt.value(dimmed))

    base = (
        alt.Chart(alt.InlineData(values=values))
        .transform_calculate(x="datum[axis]")
        .transform_filter("isValid(datum.x) && datum.x > 0")
        .encode(
            x=alt.X("x:Q").scale(type="log", base=logarithm, nice=False).axis(title=AXES[axis], format=ticks, tickCount=8),
            y=alt.Y("value:Q").scale(zero=True).axis(title="problems solved", format="%"),
            color=alt.Color("series:N").scale(domain=names, range=colours).legend(legend),
        )
    )
    band = base.transform_filter("isValid(datum.low)").mark_area(interpolate="monotone")
    stroke = base.mark_line(interpolate="monotone", strokeWidth=2.5)
    dash = alt.StrokeDash("series:N").scale(domain=names, range=dashes).legend(legend)
    layers = (
        band.encode(y="low:Q", y2="high:Q", opacity=opacity(0.15, 0.02)),
        stroke.encode(strokeDash=dash, opacity=opacity(1, 0.12)),
        *(  # the shape is compared with words of ours: a name from a run never becomes part of an expression
            base.transform_filter(f"datum.shape === '{shape}'")
            .mark_point(filled=True, size=60 if shape else 25, shape=shape or "circle")
            .encode(tooltip=_tooltip(), opacity=opacity(1, 0.12))
            for shape in ("", *SHAPES)
            if any(row["shape"] == shape for row in values)
        ),
    )
    return styled(alt.layer(*layers).add_params(chosen, highlight).properties(width=width, height=height))


def styled(chart: Any) -> altair.TopLevelMixin:
    """Greys that read on a white and on a black page, and as little ink as possible that is not data."""
    axis = {"labelColor": TEXT, "titleColor": TEXT, "gridColor": NEUTRAL, "gridOpacity": 0.18, "domain": False, "ticks": False}
    text = {"titleFontWeight": "normal", "titleFontSize": 13, "labelFontSize": 12, "titlePadding": 10, "labelPadding": 6}
    legend = {"orient": "top", "labelColor": TEXT, "labelFontSize": 13, "columnPadding": 18, "labelLimit": 260, "columns": 3}
    plain = {"background": "transparent", "font": "system-ui, Helvetica, Arial, sans-serif", "view": {"stroke": None}}
    made: altair.TopLevelMixin = chart.configure(axis=axis | text, legend=legend | {"offset": 14}, **plain)
    return made


def _tooltip() -> list[altair.Tooltip]:
    import altair as alt

    accuracy = [("value:Q", "solved"), ("low:Q", "interval from"), ("high:Q", "to")]
    return [
        alt.Tooltip("series:N", title="line"),
        alt.Tooltip("n:Q", title="samples"),
        *(alt.Tooltip(field, title=title, format=".1%") for field, title in accuracy),
        alt.Tooltip("tokens:Q", title="tokens", format=",.0f"),
        alt.Tooltip("seconds:Q", title="seconds", format=",.2f"),
    ]
