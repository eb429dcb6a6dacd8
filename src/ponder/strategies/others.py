"""The models beside the first, of a strategy that asks several."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import accumulate

from ponder.models.catalog import opened
from ponder.registry import split
from ponder.types import Model


@asynccontextmanager
async def others(also: str) -> AsyncIterator[dict[str, Model]]:
    """The models that `also` names, joined by `+`, opened and by name; they are closed at the end.

    A name that holds a comma or a plus stands in brackets, or all do: `also=(simulated:accuracy=.9,steps=2)`. Raises `InputError`
    for an unknown name.
    """
    async with AsyncExitStack() as stack:
        names = [_bare(name) for name in split(_bare(also), "+")]
        yield {name: await stack.enter_async_context(opened(name)) for name in names if name}


def _bare(name: str) -> str:
    """The name without brackets around all of it."""
    name = name.strip()
    inside = name[1:-1]
    depths = accumulate((character == "(") - (character == ")") for character in inside)
    return inside.strip() if name[:1] + name[-1:] == "()" and all(depth >= 0 for depth in depths) else name
