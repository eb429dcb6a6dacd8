"""A result as one self-contained page, and its figure as SVG and PNG.

The page carries its JavaScript (Vega, from vl-convert), its styles and its data, and a content policy that forbids it to load
anything: it opens from a disk without a network, years later. Everything from the run is escaped before it enters the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from ponder.errors import InputError
from ponder.lab.charts import AXES, SCALES, figure, lines
from ponder.lab.report import curves, difficulty, frontier, latency, laws, samples, spend, summary, trees
from ponder.lab.report.section import Chart, Section, button, percent, span, table, text

FACTS = {"mean": 2, "selected": 5, "oracle": 1}
"""How many of each figure stand at the top of the page."""


def report(result: Mapping[str, Any], path: Path | str, traces: Sequence[Mapping[str, Any]] = ()) -> list[Path]:
    """Write `path` (an .html file) and, beside it, the figure of its curves as .svg and .png; returns the paths.

    `result` is the object of `ponder scale --json`; of its keys only `task model problems curves` must be there, and a part of the
    page for which there is nothing is left out (docs/report.md). `traces` are more searches to show (`lab.forest.grown`), with a
    `title`. Raises InputError when there is nothing to show.
    """
    page = Path(path)
    if page.suffix != ".html":
        raise InputError(f"a report is a page, and `{page.name}` does not end in .html: name it report.html")
    if not sections(result, traces):
        raise InputError("the result holds no point: run `ponder scale` with at least one strategy and one budget")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(html(result, traces), encoding="utf-8")
    if not lines(result):
        return [page]
    image = figure(result).properties(background="white")
    svg, png = page.with_suffix(".svg"), page.with_suffix(".png")
    image.save(svg)
    image.save(png, scale_factor=2)
    return [page, svg, png]


def sections(result: Mapping[str, Any], traces: Sequence[Mapping[str, Any]] = ()) -> list[Section]:
    """The parts of the page in their order, without those for which the result holds nothing."""
    readers = (curves, frontier, laws, difficulty, spend, samples)
    found = [reader.section(result) for reader in readers]
    return [one for one in (*found, trees.section(result, traces), latency.section(result)) if one]


def html(result: Mapping[str, Any], traces: Sequence[Mapping[str, Any]] = ()) -> str:
    """The whole page."""
    settings = {"task": result["task"], "model": result["model"], "problems": result["problems"], **result.get("settings", {})}
    return document(
        result["task"] + (": accuracy against compute" if result["curves"] else ""),
        result["model"] + (f" · {result['problems']:,} problems" if result["curves"] else ""),
        summary.sentences(result),
        _facts(result),
        sections(result, traces),
        settings,
        samples.data(result),
    )


def document(
    title: str,
    subtitle: str,
    told: Iterable[str],
    facts: Iterable[tuple[str, str, str]],
    parts: Sequence[Section],
    settings: Mapping[str, Any],
    grids: Sequence[Mapping[str, Any]] = (),
) -> str:
    """A page of `parts`, below the sentences `told` and the `facts` (name, value and note in HTML); `grids` are the samples'."""
    charts = {chart.name: chart.spec for part in parts for chart in part.charts}
    return Template(_file("page.html")).substitute(
        title=text(title),
        subtitle=text(subtitle),
        style=_file("page.css"),
        summary="".join(f"<li>{text(sentence)}</li>" for sentence in told),
        facts="".join(
            f'<div class="card"><span>{text(name)}</span><b>{value}</b><span>{note}</span></div>' for name, value, note in facts
        ),
        contents="".join(f'<a href="#{part.name}">{text(part.title)}</a>' for part in parts),
        sections="".join(map(_section, parts)),
        settings="".join(f"<dt>{text(key)}</dt><dd>{text(_shown(value))}</dd>" for key, value in settings.items()),
        footer=f"Made by ponder {text(version('ponder'))}: one file, no network.",
        bundle=_bundle(),
        data=_script({"charts": charts, "titles": AXES, "scales": SCALES, "grids": grids}),
        script=_file("page.js"),
    )


def _file(name: str) -> str:
    return files("ponder.lab.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script (900 kB; bundling takes seconds, so once a process)."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")


def _script(value: Any) -> str:
    """JSON that cannot leave its script element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _facts(result: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """One sample, the best strategies at their largest n, and the oracle: name, value, note."""
    drawn = lines(result)
    for role, most in FACTS.items():
        for line in sorted((one for one in drawn if one.role == role), key=lambda one: -one.points[-1].value)[:most]:
            last = line.points[-1]
            note = f"n = {last.n}" + (f", {span((last.low, last.high))}" if last.low is not None else "")
            yield line.name, percent(last.value), "expected" if role == "mean" else note


def _section(part: Section) -> str:
    folded = ""
    if part.table:
        folded = f'<details class="behind"><summary>Table: {text(part.title.lower())}</summary>{table(*part.table)}</details>'
    axes = next((chart.axes for chart in part.charts if chart.axes), ())
    charts = "".join(map(_chart, part.charts))
    small = " several" if len(part.charts) > 2 else ""
    top = _buttons(part.name, axes) + part.key
    drawn = f'<div class="card charts{small}" data-axes>{top}{charts}</div>' if part.charts else ""
    return (
        f'<section id="{part.name}"><h2>{text(part.title)}</h2><p class="soft">{part.about}</p>{drawn}{part.body}{folded}</section>'
    )


def _buttons(name: str, axes: Sequence[str]) -> str:
    if len(axes) < 2:
        return ""
    shown = "".join(button("axis", axis, AXES[axis].split(" per")[0], axis == axes[0]) for axis in axes)
    return f'<div class="axis" role="group" aria-label="Horizontal axis of {text(name)}">Compute in {shown}</div>'


def _chart(chart: Chart) -> str:
    heading = f"<h3>{text(chart.heading)}</h3>" if chart.heading else ""
    return (
        f'<figure>{heading}<div class="chart" data-chart="{chart.name}" role="img" aria-label="{text(chart.alt)}"></div></figure>'
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
