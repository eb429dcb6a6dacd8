"""Write docs/cli.md from the program's own help, so that the page cannot drift: `python runs/help.py`."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "cli.md"
TRAIN = sorted(path.stem for path in (ROOT / "src" / "ponder" / "cli" / "train").glob("[a-z]*.py"))
COMMANDS = (
    "",
    "solve",
    "scale",
    "report",
    "analyse",
    "demo",
    "tune",
    "plan",
    "plan fit",
    "plan latency",
    "plan cost",
    "plan exchange",
    "plan fleet",
    "train",
    *(f"train {name}" for name in TRAIN),
    "processbench",
    "contest",
    "contamination",
    "serve",
    "models",
    "tasks",
    "strategies",
    "mcp",
    "keys create",
    "keys list",
    "keys revoke",
)


def page() -> str:
    parts = ["# The command line\n\nMade by `python runs/help.py`; a test compares it with the program.\n"]
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    for command in COMMANDS:
        words = [sys.executable, "-m", "ponder", *command.split(), "--help"]
        printed = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout
        body = "\n".join(line.rstrip() for line in printed.strip().splitlines())
        parts.append(f"## ponder {command}".rstrip() + f"\n\n```text\n{body}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
