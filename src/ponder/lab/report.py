"""A `scale` result as one self-contained page, and its figure as SVG and PNG.

The page carries its JavaScript (Vega, from vl-convert), its styles and its data, and a content policy that forbids it to load
anything: it opens from a disk without a network, years later. Everything from the run is escaped before it enters the page.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from ponder.errors import InputError
from ponder.lab.charts import AXES, SCALES, figure, labels, lines
from ponder.lab.laws import LAWS, Fit

FORMULAS = {"exponentiated-power": "exp(a·k^b)", "log-linear": "a + b·ln k"}


def report(result: Mapping[str, Any], path: Path | str) -> list[Path]:
    """Write `path` (an .html file) and, beside it, the figure as .svg and .png; returns the three paths.

    `result` is the object of `ponder scale --json`: `task model problems curves[{strategy parameters points[{n tokens seconds
    selected oracle mean interval}]}] fits[{strategy quantity law a b …}]`, with `settings` and `version` if they are there.
    Raises InputError when it holds no point to draw.
    """
    page = Path(path)
    if page.suffix != ".html":
        raise InputError(f"a report is a page, and `{page.name}` does not end in .html: name it report.html")
    if not lines(result):
        raise InputError("the result holds no point: run `ponder scale` with at least one strategy and one budget")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(_page(result), encoding="utf-8")
    image = figure(result).properties(background="white")
    svg, png = page.with_suffix(".svg"), page.with_suffix(".png")
    image.save(svg)
    image.save(png, scale_factor=2)
    return [page, svg, png]


def _page(result: Mapping[str, Any]) -> str:
    template = Template(files("ponder.lab").joinpath("report.html").read_text(encoding="utf-8"))
    settings = {"task": result["task"], "model": result["model"], "problems": result["problems"], **result.get("settings", {})}
    return template.substitute(
        title=f"{escape(str(result['task']))}: accuracy against compute",
        subtitle=f"{escape(str(result['model']))} · {result['problems']} problems",
        facts="".join(
            f'<div class="card"><span>{escape(name)}</span><b>{value}</b><span>{note}</span></div>'
            for name, value, note in _facts(result)
        ),
        buttons="".join(_button(result, axis) for axis in AXES),
        level=_percent(result.get("settings", {}).get("level", 0.95), 0),
        points="".join(_point_rows(result)),
        laws=_laws(result),
        settings="".join(f"<dt>{escape(str(key))}</dt><dd>{escape(_shown(value))}</dd>" for key, value in settings.items()),
        footer=f"Made by ponder {escape(str(result.get('version', '')))}: one file, no network.",
        bundle=_bundle(),
        spec=_script(figure(result, width="container").to_dict()),
        titles=_script(AXES),
        scales=_script(SCALES),
    )


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
    """One sample, every strategy at its largest n, and the oracle: name, value, note."""
    drawn = lines(result)
    for role in ("mean", "selected", "oracle"):
        for line in drawn:
            if line.role == role:
                last = line.points[-1]
                note = f"n = {last.n}" + (f", {_span(last.low, last.high)}" if last.low is not None else "")
                yield line.name, _percent(last.value), "expected" if role == "mean" else note


def _button(result: Mapping[str, Any], axis: str) -> str:
    known = any(point.get(axis) for curve in result["curves"] for point in curve["points"])
    return f'<button type="button" data-axis="{axis}"{"" if known else " disabled"}>{AXES[axis].split()[0]}</button>'


def _point_rows(result: Mapping[str, Any]) -> Iterable[str]:
    for name, curve in zip(labels(result), result["curves"], strict=True):
        for index, point in enumerate(curve["points"]):
            low, high = point.get("interval") or (None, None)
            cells = [escape(name), str(point["n"]), _percent(point.get("selected")), _span(low, high)]
            cells += [_percent(point.get("oracle")), _percent(point.get("mean"))]
            cells += [_number(point.get("tokens"), 0), _number(point.get("seconds"), 2)]
            yield _row(cells, "first" if index == 0 else "")


def _laws(result: Mapping[str, Any]) -> str:
    """The table of fitted laws with what they predict at four times the largest n; empty without fits."""
    if not result.get("fits"):
        return ""
    far = 4 * max(point["n"] for curve in result["curves"] for point in curve["points"])
    heads = ["strategy", "quantity", "law", "a", "b", "mean error", "held-out error", f"predicted at {far}"]
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(_law_row(found, far) for found in result["fits"])
    about = (
        "Each law is fitted by least squares. The held-out error is its mean miss on the larger half of the ks after a fit on the "
        "smaller half: trust a prediction no further than that."
    )
    table = f'<div class="card scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return f'<h2>Laws</h2><p class="soft">{about}</p>{table}'


def _law_row(found: Mapping[str, Any], far: int) -> str:
    law = str(found.get("law", "exponentiated-power"))
    start = [escape(str(found["strategy"])), escape(str(found["quantity"])), FORMULAS.get(law, escape(law))]
    if found.get("a") is None or law not in LAWS:
        cells = "".join(f"<td>{cell}</td>" for cell in start)
        return f'<tr>{cells}<td class="text" colspan="5">{escape(str(found.get("reason")))}</td></tr>'
    predicted = Fit(law, found["a"], found["b"]).predict(far)
    constants = [_number(found["a"], 3), _number(found["b"], 3)]
    return _row([*start, *constants, _percent(found.get("error"), 2), _percent(found.get("heldout_error"), 2), _percent(predicted)])


def _row(cells: Iterable[str], kind: str = "") -> str:
    return f'<tr class="{kind}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}\u00a0%"


def _span(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f}\u00a0%"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
