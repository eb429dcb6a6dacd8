"""What a person watches while compute is spent: one line on stderr, gone when the work is done or stderr is no terminal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from ponder.trace import Event
from ponder.types import Usage

stderr = Console(stderr=True)


def watching() -> bool:
    """Whether there is anyone to watch: a terminal, and `PONDER_NO_PROGRESS` not set."""
    return stderr.is_terminal and not os.environ.get("PONDER_NO_PROGRESS")


@dataclass(slots=True)
class Solving:
    """A listener to a solve's events; `str()` is the line to show."""

    draws: int = 0
    tokens: int = 0
    usd: float | None = 0.0
    leading: str | None = None

    def __call__(self, event: Event) -> None:
        if event.kind == "drawn":
            self.draws += 1
            if event.data["role"] != "replayed":
                self.tokens += Usage(**event.data["usage"]).computed
                usd = event.data["usd"]
                self.usd = None if usd is None or self.usd is None else self.usd + usd
        elif event.kind == "leading":
            self.leading = event.data["answer"] or event.data["text"]

    def __str__(self) -> str:
        price = "" if self.usd is None else f" · ${self.usd:.4f}"
        leading = "" if self.leading is None else f" · leading: {' '.join(self.leading.split())[:60]}"
        return f"{self.draws} draws · {self.tokens:,} tokens{price}{leading}"


@contextmanager
def solving() -> Iterator[Solving]:
    """Show a solve's tokens, cost and leading answer while it runs; interrupted, say how far it came."""
    seen = Solving()

    class _Line:
        def __rich__(self) -> Text:
            return Text(str(seen))

    try:
        with stderr.status(_Line()) if watching() else nullcontext():
            yield seen
    except asyncio.CancelledError:
        stderr.print(f"interrupted after {seen}", markup=False, highlight=False)
        raise


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar over `total` items; the function given advances it by one."""
    with _bar() as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def steps() -> Iterator[Callable[[str, int, int], None]]:
    """A callback `report(what, done, total)` for work of several steps, each with a bar of its own."""
    with _bar() as bar:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield report


@contextmanager
def training(total: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A listener to a run's steps, as its log tells them: their curves in one panel, or a line each where nobody is watching."""
    from ponder.train import curves

    seen: list[curves.Step] = []
    with Live(console=stderr, auto_refresh=False) if watching() else nullcontext() as panel:

        def told(line: Mapping[str, Any]) -> None:
            seen.append(curves.step(line))
            if panel:
                panel.update(curves.panel(seen, total), refresh=True)
            else:
                stderr.print(curves.plain(seen[-1]), markup=False, highlight=False, soft_wrap=True)

        yield told


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=stderr, transient=True, disable=not watching())
