"""What draws have cost on each axis of compute, and which part of it went to whom: read from the events of a trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ponder.lab.statistics import Floats
from ponder.trace import Event
from ponder.types import Usage

AXES = ("tokens", "flops", "usd", "seconds", "joules")
PARTS = ("prompt", "completion", "discarded", "verifier", "judge", "other")
"""Of the policy's tokens those of prompts, of completions, and of draws that were pruned, failed or cut; then other roles'."""

Costs = Mapping[str, Floats]
"""By axis (tokens, FLOPs, dollars, seconds of the model's busy time, joules), one number a problem; what is unknown is left out."""


def spent(events: Iterable[Event]) -> dict[str, float | None]:
    """What all draws among `events` have cost, by axis; None as soon as one does not say. Replayed draws count as new ones."""
    made = [event.data for event in events if event.kind == "drawn"]
    return {axis: total([_cost(data, axis) for data in made]) for axis in AXES}


def total(amounts: Sequence[float | None]) -> float | None:
    """The sum; None where an amount is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return float(sum(known)) if len(known) == len(amounts) else None


def _cost(data: Mapping[str, Any], axis: str) -> float | None:
    if axis == "tokens":
        return Usage(**data["usage"]).computed
    found = data.get("share" if axis == "seconds" else axis)
    return None if found is None else float(found)


def columns(rows: Sequence[Mapping[str, float | None]]) -> Costs:
    """The axes that every problem knows."""
    return {axis: np.array([row[axis] for row in rows], float) for axis in AXES if all(row[axis] is not None for row in rows)}


def parts(events: Iterable[Event]) -> dict[str, float]:
    """Computed tokens by `PARTS`."""
    heard = list(events)
    dropped = {event.parent for event in heard if event.kind == "pruned"}
    found = dict.fromkeys(PARTS, 0.0)
    for event in heard:
        if event.kind != "drawn":
            continue
        role, usage = event.data.get("origin", event.data["role"]), Usage(**event.data["usage"])
        if role != "policy":
            found[role if role in PARTS else "other"] += usage.computed
        elif event.id in dropped or event.data["finish_reason"] in ("cancelled", "error"):
            found["discarded"] += usage.computed
        else:
            found["prompt"] += usage.prompt - usage.cached
            found["completion"] += usage.completion
    return found


def averaged(rows: Sequence[Mapping[str, float]], times: float = 1.0) -> dict[str, float]:
    """The mean of `parts` over problems, `times` as much."""
    return {part: times * float(np.mean([row[part] for row in rows])) for part in PARTS}
