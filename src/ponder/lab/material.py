"""What a report is made of: results, traces and banks of samples, read from files, whatever they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ponder.errors import InputError
from ponder.lab import forest
from ponder.store import Store
from ponder.trace import Trace
from ponder.types import Sample

_SQLITE = b"SQLite format 3\0"
REQUESTS = 12
"""The most requests of a bank that are shown in full."""


@dataclass(frozen=True, slots=True)
class Material:
    """A `result` (docs/report.md; perhaps without curves) and more searches, `lab.forest` nodes with a `title`."""

    result: dict[str, Any]
    traces: Sequence[dict[str, Any]]


def read(paths: Sequence[Path]) -> Material:
    """At most one result or bank, and any number of traces (the lines of `Trace.line`, or objects of `ponder solve --json`).

    Raises `InputError` for a file that is none of these, and for two results: strategies and models compare only on the same
    problems, so they have to be measured together.
    """
    results, traces = list[tuple[Path, dict[str, Any]]](), list[dict[str, Any]]()
    for path in paths:
        result, found = _file(path)
        results += [(path, result)] if result is not None else []
        traces += found
    if len(results) > 1:
        names = " and ".join(f"`{path}`" for path, _ in results)
        raise InputError(
            f"{names} are results of their own; measure them together (`ponder scale --also MODEL`), or report them apart"
        )
    return Material(results[0][1] if results else _titled(traces), traces)


def _file(path: Path) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read `{path}`: {error.strerror}; give a result, a trace or a sample bank") from error
    if content.startswith(_SQLITE):
        with closing(Store(path)) as store:
            return _bank(path, store)
    values = _values(path, content)
    if len(values) == 1 and isinstance(values[0], dict) and "curves" in values[0]:
        return _checked(path, values[0]), []
    return None, [_trace(path, value) for value in values]


def _values(path: Path, content: bytes) -> list[Any]:
    """One JSON value, or one a line."""
    try:
        return [msgspec.json.decode(content)]
    except msgspec.DecodeError as whole:
        try:
            return [msgspec.json.decode(line) for line in content.splitlines() if line.strip()]
        except msgspec.DecodeError:
            raise InputError(f"`{path}` is neither JSON nor a sample bank: {whole}") from None


def _checked(path: Path, result: dict[str, Any]) -> dict[str, Any]:
    missing = [key for key in ("task", "model", "problems") if key not in result]
    if missing:
        raise InputError(f"the result in `{path}` has no {', '.join(missing)}: give what `ponder scale --json` printed")
    return result


def _trace(path: Path, value: Any) -> dict[str, Any]:
    held = value.get("trace", value) if isinstance(value, dict) else None
    if not isinstance(held, dict) or "events" not in held:
        raise InputError(
            f"`{path}` holds neither `curves` nor `events`: give what `ponder scale` or `ponder solve` printed with --json"
        )
    events = Trace.read(msgspec.json.encode({"seed": 0} | held)).events
    started = next((event.data for event in events if event.kind == "started"), {})
    title = " · ".join(str(started[key]) for key in ("strategy", "model") if started.get(key))
    return forest.grown(events) | {"title": title or path.name}


def _titled(traces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The result of a report that shows traces alone."""
    models = dict.fromkeys(str(one["title"]).partition(" · ")[2] for one in traces)
    return {"task": "searches", "model": ", ".join(filter(None, models)), "problems": len(traces), "curves": []}


def _bank(path: Path, store: Store) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a bank can say without a task to grade by: how much of what, how fast, and its first requests in full."""
    requests = list(store.everything())
    models = list(dict.fromkeys(model for model, _, _ in requests))
    drawn = {model: [one for name, _, samples in requests if name == model for one in samples] for model in models}
    result = {
        "task": path.name,
        "model": ", ".join(models),
        "problems": len(requests),
        "settings": {model: _counted(samples) for model, samples in drawn.items()},
        "curves": [],
        "latency": [_latency(model, samples) for model, samples in drawn.items() if samples],
    }
    return result, [_shown(model, request, samples) for model, request, samples in requests[:REQUESTS] if samples]


def _counted(samples: Sequence[Sample]) -> dict[str, Any]:
    finishes = [one.finish_reason for one in samples]
    spent = sum(one.usage.computed for one in samples)
    return {"samples": len(samples), "tokens": spent, **{reason: finishes.count(reason) for reason in dict.fromkeys(finishes)}}


def _latency(model: str, samples: Iterable[Sample]) -> dict[str, Any]:
    seconds = [one.seconds for one in samples]
    quantiles = np.quantile(seconds, np.linspace(0, 1, 101)).tolist()
    return {"what": "one draw", "model": model, "count": len(seconds), "quantiles": quantiles}


def _shown(model: str, request: dict[str, Any], samples: Sequence[Sample]) -> dict[str, Any]:
    question = str(request["messages"][-1]["content"]) if request.get("messages") else ""
    return forest.drawn(question, samples) | {"title": model}
