"""The documentation is checked against the program: links, commands, names, and the pages made from its own help."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ponder.strategies import registry

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        assert target.startswith(("http://", "https://")) or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_every_strategy_has_its_paper_its_file_and_its_run():
    table = (ROOT / "docs" / "papers.md").read_text()
    for name, strategy in registry.all().items():
        if strategy.run.__module__.startswith("ponder."):
            row = next((line for line in table.splitlines() if line.startswith(f"| `{name}`")), "")
            assert row.count("|") == 6, f"docs/papers.md has no whole row for {name}"
            assert strategy.run.__module__.replace(".", "/").removeprefix("ponder/") in row


@pytest.mark.parametrize("page", ["checks.md", "recorded.md"])
def test_every_closed_form_and_every_recorded_figure_names_tests_that_exist(page):
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", (ROOT / "docs" / page).read_text())
    assert named
    for file, test in named:
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(), f"docs/{page}: {file} has no {test}"


def test_the_page_of_the_command_line_is_what_the_program_says():
    spec = importlib.util.spec_from_file_location("help", ROOT / "runs" / "help.py")
    help_ = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(help_)
    assert (ROOT / "docs" / "cli.md").read_text() == help_.page(), "run: python runs/help.py"


def test_the_readmes_python_runs():
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_nothing_is_unfinished():
    for path in (ROOT / "src").rglob("*.py"):
        assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", path.read_text()), path
