"""A result in other shapes: Markdown to read, a table of its points (CSV, Parquet), a model card's `.eval_results` for the Hub."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ponder.errors import InputError, MissingExtra
from ponder.lab.charts import labels
from ponder.lab.report.frontier import by_axis
from ponder.lab.report.laws import chosen, formula, named, predict
from ponder.lab.report.section import amount, number, percent, span
from ponder.lab.report.summary import best, sentences
from ponder.lab.spend import AXES as COSTS

Row = dict[str, Any]
COLUMNS = ("task", "model", "strategy", "parameters", "problems", "n", "selected", "low", "high", "oracle", "mean", *COSTS)


def rows(result: Mapping[str, Any]) -> list[Row]:
    """The points as flat records under `COLUMNS`, one a strategy and size; None is unknown. `parameters` is a JSON object."""
    found = []
    for curve in result["curves"]:
        shared = {"task": result["task"], "model": curve.get("model", result["model"]), "strategy": curve["strategy"]}
        shared |= {"parameters": json.dumps(curve.get("parameters", {}), sort_keys=True), "problems": result["problems"]}
        for point in curve["points"]:
            low, high = point.get("interval") or (None, None)
            own = {key: point.get(key) for key in ("n", "selected", "oracle", "mean", *COSTS)}
            found.append({column: (shared | own | {"low": low, "high": high})[column] for column in COLUMNS})
    return found


def write_csv(result: Mapping[str, Any], path: Path) -> list[Path]:
    """One line a point, RFC 4180; an unknown number is an empty field."""
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows(result))
    return _written(path, text.getvalue())


def write_parquet(result: Mapping[str, Any], path: Path) -> list[Path]:
    """The same table, typed; an unknown number is null. Raises `MissingExtra` without pyarrow."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pyarrow", "files") from None
    texts = dict.fromkeys(("task", "model", "strategy", "parameters"), arrow.string())
    kinds = dict.fromkeys(COLUMNS, arrow.float64()) | texts | dict.fromkeys(("problems", "n"), arrow.int64())
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist(rows(result), arrow.schema(kinds.items())), path)
    return [path]


def write_markdown(result: Mapping[str, Any], path: Path) -> list[Path]:
    """The summary, every point, the frontier and the best law of each line, as GitHub shows it."""
    return _written(path, markdown(result))


def markdown(result: Mapping[str, Any]) -> str:
    parts = [
        f"# {_plain(result['task'])}: accuracy against compute",
        f"{_plain(result['model'])}, {result['problems']:,} problems.",
    ]
    parts += ["\n".join(f"- {_plain(sentence)}" for sentence in sentences(result)), "## Points", _points(result)]
    for axis, one in by_axis(result).items():
        parts += [f"## Frontier in {axis}", _frontier(labels(result), one["points"], axis)]
    if laws := chosen(named(result)):
        parts += ["## Laws", _laws(laws, 16 * max(point["n"] for curve in result["curves"] for point in curve["points"]))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _points(result: Mapping[str, Any]) -> str:
    known = [axis for axis in COSTS if any(point.get(axis) is not None for curve in result["curves"] for point in curve["points"])]
    body = [
        [label, str(point["n"]), *_accuracies(point), *(amount(point.get(axis), axis) for axis in known)]
        for label, curve in zip(labels(result), result["curves"], strict=True)
        for point in curve["points"]
    ]
    return _table(["strategy", "n", "selected", "95 % interval", "oracle", "mean", *known], body)


def _accuracies(point: Mapping[str, Any]) -> list[str]:
    selected, oracle, mean = (percent(point.get(role)) for role in ("selected", "oracle", "mean"))
    return [selected, span(point.get("interval")), oracle, mean]


def _frontier(names: Sequence[str], points: Sequence[Mapping[str, Any]], axis: str) -> str:
    body = [
        [names[one["curve"]], str(one["n"]), amount(one["cost"], axis), percent(one["selected"]), percent(one["probability"], 0)]
        for one in points
        if one["on"]
    ]
    return _table(["strategy", "n", "cost a problem", "selected", "on the frontier in"], body)


def _laws(fits: Sequence[Mapping[str, Any]], far: int) -> str:
    body = [[one["label"], formula(one), *(number(one.get(each), 3) for each in "ab"), *_reach(one, far)] for one in fits]
    return _table(["line", "law", "a", "b", "held-out error", f"at {far:,}"], body)


def _reach(one: Mapping[str, Any], far: int) -> tuple[str, str]:
    return percent(one.get("heldout_error"), 2), percent(predict(one, far))


def _table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *body]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(value: Any) -> str:
    """Text that Markdown shows as it is: on one line, without markup or HTML of its own."""
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", " ".join(str(value).split()).replace("&", "&amp;"))


def write_hub(result: Mapping[str, Any], folder: Path, dataset: str | None, task_id: str = "default") -> list[Path]:
    """`.eval_results/*.yaml` below `folder`, a model's repository: one sample, and the best strategy at its largest size.

    Values are percent of *selected* answers, never the oracle's; a variant has a file of its own and says in `notes` what it is.
    `dataset` is the benchmark's id on the Hub and `task_id` that of its eval.yaml. Format:
    https://huggingface.co/docs/hub/eval-results. Raises `InputError` without a dataset, for several models, and where the choice
    read the reference.
    """
    if not dataset or not re.fullmatch(r"[\w.-]+/[\w.-]+", dataset):
        raise InputError(f"cannot name the benchmark {dataset!r}: give the Hub's id of its dataset, as --dataset openai/gsm8k")
    if any(curve.get("model") for curve in result["curves"]):
        raise InputError("the result is of several models, and a model card is of one: measure it alone")
    if result.get("settings", {}).get("verifier_reads") in ("reference", "tests"):
        raise InputError(
            "what was selected here was chosen by reading the reference: an oracle's figure does not belong on a model card"
        )
    stem, found = re.sub(r"[^\w.-]+", "-", str(result["task"])), list[Path]()
    means = [point["mean"] for curve in result["curves"] for point in curve["points"] if point.get("mean") is not None]
    if means:
        notes = f"one sample, mean over {result['problems']} problems; {_sampled(result)}"
        found += _written(folder / ".eval_results" / f"{stem}.yaml", _entry(dataset, task_id, means[0], notes))
    if (top := best(result)) is not None and top[1].n > 1:
        line, point = top
        interval = f", 95 % interval {span((point.low, point.high))}" if point.low is not None else ""
        cost = f", {amount(point.tokens, 'tokens')} a problem" if point.tokens else ""
        notes = f"{line.name} with n = {point.n}{interval}{cost}; {_sampled(result)}".replace("\u00a0", " ")
        path = folder / ".eval_results" / f"{stem}_{re.sub(r'[^A-Za-z0-9.-]+', '-', line.name).strip('-')}-{point.n}.yaml"
        found += _written(path, _entry(dataset, task_id, point.value, notes))
    return found


def _sampled(result: Mapping[str, Any]) -> str:
    settings = result.get("settings", {})
    known = [f"{key.replace('_', ' ')} {settings[key]}" for key in ("temperature", "max_tokens", "verifier") if settings.get(key)]
    return ", ".join([*known, "measured by ponder"])


def _entry(dataset: str, task_id: str, value: float, notes: str) -> str:
    """YAML; its strings are written as JSON's, which are YAML too."""
    texts = [json.dumps(each, ensure_ascii=False) for each in (dataset, task_id, notes)]
    return f"- dataset:\n    id: {texts[0]}\n    task_id: {texts[1]}\n  value: {100 * value:.2f}\n  notes: {texts[2]}\n"


def _written(path: Path, text: str) -> list[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return [path]


WRITERS: dict[str, Callable[[Mapping[str, Any], Path], list[Path]]] = {
    "md": write_markdown,
    "csv": write_csv,
    "parquet": write_parquet,
}
"""What turns a result into a file, by the name of its format."""
