"""The report: one page that loads nothing, holds every number, and lets nothing from the run become markup."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ponder.errors import InputError
from ponder.lab.charts import rows
from ponder.lab.report import report

HOSTILE = '</script><script>alert(1)</script><img src="https://example.org/x.png">'


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
    return {
        "version": 1,
        "task": task,
        "model": f"mini {HOSTILE}",
        "problems": 20,
        "settings": {"temperature": 0.9, "note": HOSTILE},
        "curves": [{"strategy": strategy, "parameters": {}, "points": points}],
        "fits": [fitted, failed],
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
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return report(measured(f"count {HOSTILE}", f"best {HOSTILE}"), tmp_path_factory.mktemp("report") / "new" / "report.html")


@pytest.fixture(scope="module")
def page(written: list[Path]) -> Page:
    return Page(written[0].read_text(encoding="utf-8"))


def test_the_page_loads_nothing(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base"}
        assert not {"src", "href", "data", "srcset", "action"} & attributes.keys()
    policy = next(attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_hostile_names_stay_text(page: Page) -> None:
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert not any("<script>alert" in script for script in page.scripts)
    assert any(f"count {HOSTILE}" in text for text in page.texts)
    assert any(text == f"best {HOSTILE}" for text in page.texts)


def test_the_chart_holds_every_point(page: Page) -> None:
    (line,) = re.findall(r"const spec = (.*);\n", "".join(page.scripts))
    spec = json.loads(line)
    assert list(spec["datasets"].values()) == [rows(measured(f"count {HOSTILE}", f"best {HOSTILE}"))]
    assert spec["width"] == "container"


def test_the_tables_show_points_laws_and_settings(page: Page) -> None:
    shown = set(page.texts)
    assert {"36.0\u00a0%", "46.0\u00a0%", "1,760", "10.0–90.0\u00a0%", "–"} <= shown
    assert {"exp(a·k^b)", "-1.500", "-0.250", "predicted at 64", "58.8\u00a0%"} <= shown  # exp(-1.5 · 64^-.25) = .588
    assert f"2 points {HOSTILE}" in shown
    assert {"temperature", "0.9"} <= shown


def test_an_axis_that_nobody_measured_cannot_be_chosen(page: Page) -> None:
    buttons = {attributes["data-axis"]: "disabled" in attributes for tag, attributes in page.tags if tag == "button"}
    assert buttons == {"n": False, "tokens": False, "seconds": True}


def test_the_figure_is_written_as_svg_and_png(written: list[Path]) -> None:
    _, svg, png = written
    assert [path.name for path in written] == ["report.html", "report.svg", "report.png"]
    assert svg.read_text().startswith("<svg")
    assert "<script" not in svg.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_report_needs_a_page_and_a_point(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"report\.pdf"):
        report(measured(), tmp_path / "report.pdf")
    with pytest.raises(InputError, match="no point"):
        report(measured() | {"curves": []}, tmp_path / "report.html")
