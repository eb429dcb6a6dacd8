"""The architecture, kept: imports point one way, and importing the package stays fast and quiet."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "ponder"

# A module may import from its own row and from the rows above it. `tasks` stands above `solve`, so that `ponder.solve` recognises
# a task in a user's words.
LAYERS = (
    ("types", "errors", "ambient"),
    ("registry", "budget", "trace", "store", "answers", "search", "tree", "thompson", "mixed"),
    ("config", "separator", "proportion"),
    ("cache",),
    ("models", "verifiers", "cost"),
    ("tasks",),
    ("strategies",),
    ("policy",),
    ("solve", "batch"),
    ("lab", "train", "serve", "neighbours"),
    ("cli", "__main__"),
)
LEVEL = {name: level for level, row in enumerate(LAYERS) for name in row}
MODULES = sorted(SOURCE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The first names below `ponder` that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "ponder":
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ponder."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("ponder.")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    unit = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if unit == "__init__":
        return
    upward = {name for name in imported(path) if name in LEVEL and LEVEL[name] > LEVEL[unit]}
    assert unit in LEVEL, f"{unit} has no place in LAYERS"
    assert not upward, f"{unit} must not import {sorted(upward)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_stay_short(path):
    text = path.read_text()
    assert text.count("\n") <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} is too long"


def test_importing_ponder_loads_nothing_heavy():
    heavy = {"numpy", "scipy", "openvino_genai", "torch", "transformers", "altair", "math_verify", "sympy", "aiohttp"}
    code = f"import sys, ponder; print(sorted({heavy!r} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
