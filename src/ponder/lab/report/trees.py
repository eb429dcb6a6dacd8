"""Searches to open and read: a map of the tree, and below it every node with its text, score, visits and tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ponder.lab.charts import labels
from ponder.lab.report.section import Section, number, text

CHOSEN = "Of each strategy the hardest problem that it solved and the easiest that it did not. "
ABOUT = (
    "A dot is a draw, or a step, right of what it goes on from; its size grows with the draws below it, its shade with the "
    "verifier's score (hollow: not judged); green marks the way to the returned answer, a cross what was pruned or failed. "
    "Choose a dot to read its text."
)
ROW, COLUMN, MARGIN = 15, 58, 14
ROOM = 1_100_000
"""Characters that all trees of a page may take together; those beyond are left out, and counted."""


def section(result: Mapping[str, Any], traces: Sequence[Mapping[str, Any]] = ()) -> Section | None:
    """The examples of every curve, and then `traces`, which are such examples too (`lab.forest`), with their own `title`."""
    found = [(str(one.get("title", "trace")), one) for one in traces]
    for name, curve in zip(labels(result), result["curves"], strict=True):
        found += [(name, one) for one in curve.get("examples") or []]
    parts, room = list[str](), ROOM
    for at, (name, example) in enumerate(found):
        made = _example(at, name, example) if example["nodes"] else ""
        if len(made) <= room:
            parts.append(made)
            room -= len(made)
    left = len(found) - len(parts)
    note = f'<p class="soft">{left} more would make this page too large; open one with --trace.</p>' if left else ""
    about = CHOSEN + ABOUT if result["curves"] else ABOUT
    return Section("trees", "Searches", about, body="".join(parts) + note) if any(parts) else None


def _example(at: int, name: str, example: Mapping[str, Any]) -> str:
    verdict = {True: "solved", False: "not solved", None: "not graded"}[example.get("right")]
    spent = sum(node["tokens"] or 0 for node in example["nodes"])
    left = f" · {example['left_out']:,} more nodes are not shown" if example.get("left_out") else ""
    facts = [("question", example.get("question")), ("returned", example.get("answer")), ("reference", example.get("reference"))]
    told = "".join(f"<dt>{word}</dt><dd>{text(value)}</dd>" for word, value in facts if value is not None)
    order = list(_depth_first(example["nodes"]))
    size = f"{len(order)} node{'s' if len(order) > 1 else ''} · {number(spent)} tokens{left}"
    about = " · ".join([str(example["problem"]), size] if example.get("problem") else [size])
    nodes = "".join(_node(at, node, depth) for node, depth in order)
    tag = f'<span class="tag {verdict.replace(" ", "-")}">{verdict}</span> <span class="soft">{text(about)}</span>'
    return (
        f'<details class="card tree" id="tree{at}"><summary><b>{text(name)}</b> {tag}</summary>'
        f'<dl>{told}</dl><div class="look"><div class="scroll map" tabindex="0">{_map(at, order)}</div>'
        f'<div class="nodes">{nodes}</div></div></details>'
    )


def _depth_first(nodes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Every node with its depth, each before its children."""
    children = dict[Any, list[Mapping[str, Any]]]()
    for node in nodes:
        children.setdefault(node["parent"], []).append(node)
    waiting = [(node, 0) for node in reversed(children.get(None, []))]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(child, depth + 1) for child in reversed(children.get(node["id"], []))]


def _node(at: int, node: Mapping[str, Any], depth: int) -> str:
    facts = [f"{node['tokens']:,} tokens"] if node["tokens"] is not None else []
    facts += [f"score {node['score']:.2f}"] if node["score"] is not None else []
    facts += [f"{node['visits']:,} visits"] if node["visits"] > 1 else []
    facts += [{True: "right", False: "wrong"}[node["right"]]] if node["right"] is not None else []
    facts += [f"answer {node['answer']}"] if node["answer"] is not None else []
    first = " ⏎ ".join(line for line in node["text"].splitlines() if line.strip()) or "(nothing)"
    mark = f' <span class="tag {node["mark"]}">{node["mark"]}</span>' if node["mark"] else ""
    said = f'<span class="line">{text(first[:90])}</span>{mark} <span class="soft">{text(" · ".join(facts))}</span>'
    head = f'<details id="t{at}n{node["id"]}" style="--depth:{min(depth, 14)}"><summary>{said}</summary>'
    return f"{head}<pre>{text(node['text'])}</pre></details>"


def _map(at: int, order: Sequence[tuple[Mapping[str, Any], int]]) -> str:
    """The tree from left to right: leaves take a row each, and a node stands in the middle of its children."""
    spots = dict[Any, tuple[float, float]]()
    leaves, deepest = 0, max(depth for _, depth in order) + 1
    parents = {node["parent"] for node, _ in order}
    below = dict[Any, list[float]]()
    for node, _ in order:
        if node["id"] not in parents:
            below[node["id"]] = [MARGIN + ROW * leaves]
            leaves += 1
    for node, depth in reversed(order):
        rows = below[node["id"]]
        y = (min(rows) + max(rows)) / 2
        spots[node["id"]] = MARGIN + COLUMN * (depth + 1), y
        below.setdefault(node["parent"], []).append(y)
    roots = below[None]
    spots[None] = MARGIN, (min(roots) + max(roots)) / 2
    width, height = 2 * MARGIN + COLUMN * deepest, 2 * MARGIN + ROW * max(0, leaves - 1)
    edges = "".join(_edge(spots[node["parent"]], spots[node["id"]], node["mark"]) for node, _ in order)
    dots = "".join(_dot(at, node, *spots[node["id"]]) for node, _ in order)
    root = f'<rect class="root" x="{MARGIN - 5}" y="{spots[None][1] - 5:g}" width="10" height="10" rx="2"/>'
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    said = f"Map of the search: {len(order)} nodes, {deepest} deep"
    return f'<svg {size} role="group" aria-label="{said}">{edges}{root}{dots}</svg>'


def _edge(start: tuple[float, float], end: tuple[float, float], mark: str | None) -> str:
    (x, y), (to, down) = start, end
    middle = (x + to) / 2
    kind = ' class="way"' if mark == "chosen" else ""
    return f'<path{kind} d="M{x:g} {y:g}C{middle:g} {y:g} {middle:g} {down:g} {to:g} {down:g}"/>'


def _dot(at: int, node: Mapping[str, Any], x: float, y: float) -> str:
    radius = min(6.5, 3.2 + 0.7 * (node["visits"].bit_length() - 1))
    shade = "" if node["score"] is None else f' style="--score:{node["score"]:.3f}"'
    kinds = " ".join(["dot", "judged" if node["score"] is not None else "", node["mark"] or ""]).split()
    score = "not judged" if node["score"] is None else f"score {node['score']:.2f}"
    said = text(f"{node['text'][:60]} ({score}, {node['visits']} visits)")
    circle = f'<circle class="{" ".join(kinds)}" cx="{x:g}" cy="{y:g}" r="{radius:g}"{shade}/>'
    crossed = _cross(x, y, radius + 1.5) if node["mark"] in ("pruned", "failed") else ""
    return f'<a href="#t{at}n{node["id"]}"><title>{said}</title>{circle}{crossed}</a>'


def _cross(x: float, y: float, arm: float) -> str:
    return f'<path class="cross" d="M{x - arm:g} {y - arm:g}l{2 * arm:g} {2 * arm:g}m0 {-2 * arm:g}l{-2 * arm:g} {2 * arm:g}"/>'
