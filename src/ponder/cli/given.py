"""What a command is given by name: read, opened, or refused with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ponder import tasks
from ponder.cli import live
from ponder.cost import prices
from ponder.errors import InputError
from ponder.models import catalog
from ponder.store import Store
from ponder.types import Price, Task


@contextmanager
def bank(path: Path | None) -> Iterator[Store | None]:
    """The sample bank at `path`, closed at the end; None where none is wanted."""
    if path is None:
        yield None
        return
    with closing(Store(path)) as store:
        yield store


def fetch(name: str) -> None:
    """Bring a built-in model here, with progress, if it is not."""
    if name.startswith("builtin:"):
        with live.steps() as report:
            catalog.download(name, report)


def price(text: str | None) -> Price | None:
    """Dollars per million prompt and completion tokens, as 0.15,0.60; a third number is that of cached ones."""
    return None if text is None else prices.read(text)


def numbers(text: str) -> list[int]:
    """Whole numbers joined by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"cannot read the budgets {text!r}: write whole numbers as 1,2,4,8,16") from None


def temperatures(text: str) -> list[float]:
    """Temperatures joined by commas."""
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"cannot read the temperatures {text!r}: write numbers as 0.4,0.8") from None


def task(name: str | None, data: Path | None) -> Task:
    """The task of this name, or the one that a file of questions is. Raises `InputError` unless exactly one is given."""
    if name is not None and data is None:
        return tasks.get(name)
    if name is None and data is not None:
        from ponder.tasks.rows import rows

        return rows(data)
    raise InputError("name one task, such as countdown-4 (see `ponder tasks`), or a file with --data")
