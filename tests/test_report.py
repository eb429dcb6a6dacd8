"""The report: one page that loads nothing, holds every number, lets nothing from the run become markup, and works in a browser."""

import asyncio
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from browser import browser
from ponder.errors import InputError
from ponder.lab.charts import rows
from ponder.lab.report import report, sections
from ponder.lab.report.frontier import led_by
from ponder.lab.report.laws import warnings
from ponder.lab.report.section import amount
from ponder.lab.report.summary import sentences
from ponder.lab.scale import scale
from ponder.models.simulated import Simulated
from ponder.tasks.simulated import simulated
from ponder.types import Price
from ponder.verifiers.simulated import Imperfect

HOSTILE = '</script><script>alert(1)</script><img src="https://example.org/x.png" onerror=alert(2)>\u2028'


def measured(task: str = "countdown", strategy: str = "best-of-n") -> dict[str, Any]:
    points = [
        {
            "n": n,
            "tokens": 110.0 * n,
            "seconds": None,
            "selected": 0.2 + 0.01 * n,
            "oracle": 0.3 + 0.01 * n,
            "mean": 0.21,
            "interval": [0.1, 0.9],
        }
        for n in (1, 4, 16)
    ]
    fitted = {"strategy": strategy, "quantity": "oracle", "law": "exponentiated-power", "a": -1.5, "b": -0.25, "error": 0.01}
    failed = {
        "strategy": strategy,
        "quantity": "selected",
        "law": "log-linear",
        "a": None,
        "b": None,
        "reason": f"2 points {HOSTILE}",
    }
    node = {"id": 0, "parent": None, "text": HOSTILE, "tokens": 7, "score": 0.5, "visits": 2, "answer": HOSTILE, "right": False}
    child = node | {"id": 1, "parent": 0, "visits": 1, "mark": "pruned"}
    example = {"problem": HOSTILE, "question": HOSTILE, "reference": HOSTILE, "answer": HOSTILE, "right": False, "left_out": 3}
    selected = [[0.5, 0.1, 0.9]]
    at = [{"low": 0.0, "high": 1.0, "problems": 20, "mean": 0.2, "selected": selected}]
    place = {"curve": 0, "n": 16, "cost": 1760.0, "selected": 0.36, "on": True, "probability": 0.75}
    return {
        "version": 1,
        "task": task,
        "model": f"mini {HOSTILE}",
        "problems": 20,
        "settings": {"temperature": 0.9, "note": HOSTILE},
        "curves": [
            {
                "strategy": strategy,
                "parameters": {},
                "points": points,
                "spend": {"prompt": 100.0, "completion": 1660.0, "verifier": 0.0},
                "examples": [example | {"nodes": [node | {"mark": "chosen"}, child]}],
            }
        ],
        "fits": [fitted, failed],
        "frontier": {"tokens": {"points": [place], "leaders": [{"budget": 1760.0, "curves": {"0": 1.0}}]}},
        "difficulty": [{"kind": "oracle", "reads": HOSTILE, "bins": at}, {"kind": "predicted", "reads": "the text", "bins": at}],
        "grid": [{"model": HOSTILE, "rows": [{"problem": HOSTILE, "outcomes": "10-1"}, {"problem": "p", "outcomes": "1111"}]}],
        "latency": [{"what": "one draw", "model": HOSTILE, "count": 80, "quantiles": [0.01 * at for at in range(1, 102)]}],
    }


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the scripts' texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts.append(data)
        elif self.inside != "style":
            self.texts.append(data)


@pytest.fixture(scope="module")
def hostile() -> dict[str, Any]:
    return measured(f"count {HOSTILE}", f"best {HOSTILE}")


@pytest.fixture(scope="module")
def written(hostile: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return report(hostile, tmp_path_factory.mktemp("report") / "new" / "report.html")


@pytest.fixture(scope="module")
def page(written: list[Path]) -> Page:
    return Page(written[0].read_text(encoding="utf-8"))


def data_of(page: Page) -> dict[str, Any]:
    (line,) = re.findall(r"const page = (.*);\n", "".join(page.scripts))
    found: dict[str, Any] = json.loads(line)
    return found


def test_the_page_loads_nothing(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base"}
        assert not {"src", "data", "srcset", "action", "onerror"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_hostile_texts_stay_text(page: Page) -> None:
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert not any("<script>alert" in script for script in page.scripts)
    assert any(f"count {HOSTILE}" in text for text in page.texts)
    assert any(text == f"best {HOSTILE}" for text in page.texts)
    assert sum(text == HOSTILE for text in page.texts) >= 5


def test_the_charts_hold_every_point(page: Page, hostile: dict[str, Any]) -> None:
    charts = data_of(page)["charts"]
    assert set(charts) == {"curves", "frontier", "laws", "difficulty0", "difficulty1", "spend", "latency"}
    assert list(charts["curves"]["datasets"].values()) == [rows(hostile)]
    assert charts["curves"]["width"] == "container"


def expressions(value: Any) -> list[str]:
    """Every text of a Vega specification that Vega runs."""
    if isinstance(value, list):
        return [found for one in value for found in expressions(one)]
    if not isinstance(value, dict):
        return []
    own = [one for name, one in value.items() if name in {"expr", "signal", "update", "test", "init"} and isinstance(one, str)]
    return own + [found for one in value.values() for found in expressions(one)]


def test_no_text_of_a_run_becomes_part_of_a_program(hostile: dict[str, Any]) -> None:
    for chart in (chart for part in sections(hostile) for chart in part.charts):
        ran = expressions(vl_convert.vegalite_to_vega(chart.spec))
        assert ran
        assert not any("script" in one for one in ran)


def test_every_chart_says_what_it_shows_and_has_its_table(page: Page) -> None:
    drawn = [attributes for _, attributes in page.tags if "data-chart" in attributes]
    assert len(drawn) == 7
    assert all(attributes["role"] == "img" and len(attributes["aria-label"] or "") > 20 for attributes in drawn)
    assert sum(tag == "table" for tag, _ in page.tags) == 7


def test_the_tables_show_points_laws_and_settings(page: Page) -> None:
    shown = set(page.texts)
    assert {"36.0\u00a0%", "46.0\u00a0%", "1,760\u00a0tokens", "10.0–90.0\u00a0%", "–"} <= shown
    assert {"exp(a·k^b)", "-1.500", "-0.250", "at 256", "68.7\u00a0%"} <= shown  # exp(-1.5 · 256^-.25) = .687
    assert f"2 points {HOSTILE}" in shown
    assert {"temperature", "0.9"} <= shown


def test_an_axis_that_nobody_measured_cannot_be_chosen(page: Page) -> None:
    buttons = [attributes["data-axis"] for tag, attributes in page.tags if tag == "button" and "data-axis" in attributes]
    assert buttons == ["n", "tokens"]


def test_the_figure_is_written_as_svg_and_png(written: list[Path]) -> None:
    _, svg, png = written
    assert [path.name for path in written] == ["report.html", "report.svg", "report.png"]
    assert svg.read_text().startswith("<svg")
    assert "<script" not in svg.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_report_needs_a_page_and_something_to_show(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"report\.pdf"):
        report(measured(), tmp_path / "report.pdf")
    with pytest.raises(InputError, match="no point"):
        report({"task": "t", "model": "m", "problems": 0, "curves": []}, tmp_path / "report.html")


def test_what_a_result_does_not_hold_has_no_part_of_the_page() -> None:
    whole = measured()
    plain = {name: whole[name] for name in ("task", "model", "problems", "curves")}
    del plain["curves"][0]["spend"], plain["curves"][0]["examples"]
    assert [part.name for part in sections(plain)] == ["curves"]
    timed = {"task": "t", "model": "m", "problems": 1, "curves": [], "latency": whole["latency"]}
    assert [part.name for part in sections(timed)] == ["latency"]


def test_the_summary_says_what_was_found_and_what_to_doubt() -> None:
    said = sentences(measured() | {"settings": {"verifier": "exact", "verifier_reads": "reference", "failed": 4}})
    assert any("best-of-n at n = 16" in one and "36.0\u00a0%" in one for one in said)
    assert any("46.0\u00a0% (the oracle)" in one and "up to 10.0 points" in one for one in said)
    assert any("reads the reference answers" in one for one in said)
    assert any("4 draws failed" in one for one in said)


def test_a_leader_is_named_only_where_it_is_clear() -> None:
    leaders = [
        {"budget": 10.0, "curves": {"0": 0.5, "1": 0.5}},
        {"budget": 15.0, "curves": {"1": 1.0}},
        {"budget": 20.0, "curves": {"1": 0.9, "0": 0.1}},
        {"budget": 50.0, "curves": {"0": 0.6, "1": 0.4}},
    ]
    said = led_by(["a", "b"], leaders, "tokens").replace("\u00a0", " ")
    assert said == "from 20 tokens: b (90 %); from 50 tokens: no clear leader"


def test_laws_that_the_data_cannot_tell_apart_are_warned_of() -> None:
    shared = {"strategy": "vote", "label": "vote", "quantity": "selected", "error": 0.01}
    power = shared | {"law": "exponentiated-power", "a": -1.5, "b": -0.25, "heldout_error": 0.011}
    line = shared | {"law": "log-linear", "a": 0.2, "b": 0.1, "heldout_error": 0.012}
    (said,) = warnings([power, line], 4096)
    assert "which no accuracy can be" in said
    assert warnings([power, line | {"heldout_error": 0.3}], 4096) == []


def test_costs_are_written_with_their_units() -> None:
    written = [amount(value, axis) for value, axis in ((1234.4, "tokens"), (3.2e9, "flops"), (2e-5, "usd"), (0.25, "seconds"))]
    assert [one.replace("\u00a0", " ") for one in written] == ["1,234 tokens", "3.2 GFLOPs", "$2.0e-05", "0.25 s"]
    assert amount(None, "joules") == "–"


MARKS = "[...document.querySelectorAll('[data-chart]')].map((one) => one.querySelectorAll('path, .mark-symbol > *').length)"


def test_the_page_works_in_a_browser(hostile: dict[str, Any], tmp_path: Path) -> None:
    """Charts drawn, axes turned, a tree opened, rows sorted, in the dark and on a phone; no error, and nothing asked for."""
    priced = Price(1e-7, 4e-7)
    models = [Simulated(accuracy=rate, name=name, price=priced) for rate, name in ((0.4, "small"), (0.8, "large"))]
    settings: dict[str, Any] = {"problems": 24, "verifier": Imperfect(simulated.verifier)}
    asked = scale(simulated, models[0], ["best-of-n", "rebase"], [2, 4, 8], also=models[1:], **settings)
    report(asyncio.run(asked), tmp_path / "real.html")
    report(hostile, tmp_path / "hostile.html")

    async def visit() -> None:
        async with browser() as page:
            await page.goto((tmp_path / "real.html").as_uri())
            await page.until("document.documentElement.dataset.drawn === 'yes'")
            assert all(count > 10 for count in await page.evaluate(MARKS))
            await page.click("#frontier button[data-axis=usd]")
            await page.until("document.querySelector('#frontier svg').textContent.includes('US dollars per problem')")
            assert await page.evaluate("document.querySelectorAll('.cells svg path').length") == 2 * 4
            first = "document.querySelector('.cells .right').getAttribute('d')"
            before = await page.evaluate(first)
            await page.click("[data-gather]")
            assert await page.evaluate(first) != before
            await page.click("#tree0 > summary")
            await page.until("document.querySelector('#tree0').open")
            await page.click("#tree0 .map a:last-of-type circle")
            await page.until("document.querySelector('#tree0 .nodes details.seen[open] pre')?.offsetHeight > 0")
            await page.look(width=400, dark=True)
            await page.until("getComputedStyle(document.body).backgroundColor === 'rgb(18, 20, 23)'")
            assert await page.evaluate("document.documentElement.scrollWidth") == 400
            await page.goto((tmp_path / "hostile.html").as_uri())
            await page.until("document.documentElement.dataset.drawn === 'yes'")
            assert await page.evaluate("document.querySelectorAll('script').length") == 2
            assert await page.evaluate("document.querySelectorAll('main img').length") == 0
            assert page.errors == []
            assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []

    asyncio.run(visit())
