"""Searches that one can open and read: a trace, or samples and the choice among them, as a small tree of nodes.

A node is a draw of the policy, or a proposal that stands for a step: `id`, `parent` (None: the problem itself), `text`, `tokens`
(what it computed), `score` (the verifier's, None: not judged), `visits` (draws at it or below it), `answer`, `right` (None: not
graded) and `mark`: chosen (it, or what came of it, was returned), pruned, failed or none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ponder.trace import Event
from ponder.types import Candidate, Problem, Sample, Usage

NODES, TEXT = 160, 800
"""The most nodes of a tree, and characters of a node, that are kept; how many were left out is said."""


def telling(right: ArrayLike, mean: ArrayLike) -> list[int]:
    """The rows of two problems worth looking at: the hardest that was solved and the easiest that was not, where there are any.

    `right` is the strategy's accuracy on each problem, `mean` that of one sample.
    """
    solved, ease = np.asarray(right, float) >= 0.5, np.asarray(mean, float)
    rows = [(np.flatnonzero(solved), 1.0), (np.flatnonzero(~solved), -1.0)]
    return [int(members[np.argmin(sign * ease[members])]) for members, sign in rows if len(members)]


def flat(problem: Problem, candidates: Sequence[Candidate], correct: Sequence[float], chosen: int) -> dict[str, Any]:
    """Independent samples, all below the problem, of which the one at the place `chosen` was returned (-1: none)."""
    nodes = []
    for place, (one, grade) in enumerate(zip(candidates, correct, strict=True)):
        mark = "chosen" if place == chosen else "failed" if one.sample.error else None
        text = one.sample.prefix + one.sample.text or one.sample.error or ""
        node = {"id": place, "parent": None, "text": text, "tokens": one.sample.usage.computed, "score": one.value, "visits": 1}
        nodes.append(node | {"answer": one.answer, "right": grade >= 0.5, "mark": mark})
    about = {"problem": problem.id, "question": problem.question, "reference": problem.reference}
    answer, right = (None, False) if chosen < 0 else (candidates[chosen].answer, correct[chosen] >= 0.5)
    return about | {"answer": answer, "right": right, **_kept(nodes)}


def drawn(question: str, samples: Sequence[Sample]) -> dict[str, Any]:
    """Samples that nobody has graded or chosen from."""
    nodes = [
        {"id": place, "parent": None, "text": one.prefix + one.text or one.error or "", "tokens": one.usage.computed, "score": None}
        | {"visits": 1, "answer": None, "right": None, "mark": None if one.whole else "failed"}
        for place, one in enumerate(samples)
    ]
    return {"problem": None, "question": question, "reference": None, "answer": None, "right": None, **_kept(nodes)}


def grown(events: Sequence[Event], reference: str | None = None, right: bool | None = None) -> dict[str, Any]:
    """The search that the events of one solve tell of; `right` says whether its answer was graded right."""
    started = next((event.data for event in events if event.kind == "started"), {})
    answered = next((event.data for event in reversed(events) if event.kind == "answered"), {})
    scores = {event.parent: event.data.get("value") for event in events if event.kind == "scored"}
    pruned = {event.parent for event in events if event.kind == "pruned"}
    nodes = dict[int | None, dict[str, Any]]()
    for event in events:
        if event.kind == "proposed" or (event.kind == "drawn" and event.data.get("origin", event.data["role"]) == "policy"):
            parent = event.parent if event.parent in nodes else None
            nodes[event.id] = _node(event, parent, scores.get(event.id), event.id in pruned)
    for node in reversed(nodes.values()):
        if node["parent"] is not None:
            nodes[node["parent"]]["visits"] += node["visits"]
    for node in _way(nodes, answered.get("text") or ""):
        node["mark"] = "chosen"
    about = {"problem": started.get("problem"), "question": started.get("question"), "reference": reference}
    return about | {"answer": answered.get("answer"), "right": right, **_kept(list(nodes.values()))}


def _node(event: Event, parent: int | None, score: float | None, pruned: bool) -> dict[str, Any]:
    data = event.data
    failed = data.get("error") or data.get("finish_reason") in ("error", "cancelled")
    tokens = Usage(**data["usage"]).computed if "usage" in data else None
    mark = "failed" if failed else "pruned" if pruned else None
    node = {"id": event.id, "parent": parent, "text": data["text"] or data.get("error") or "", "tokens": tokens, "score": score}
    return node | {"visits": int(event.kind == "drawn"), "answer": None, "right": None, "mark": mark}


def _way(nodes: Mapping[int | None, dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """The nodes from the root to the first whose texts, one after another, are the answer's (blanks do not count)."""
    wanted, texts = "".join(text.split()), dict[int | None, str]({None: ""})
    for name, node in nodes.items():
        own = "".join(node["text"].split())
        texts[name] = texts[node["parent"]] + own
        if wanted and wanted in (own, texts[name]):
            way = [node]
            while way[-1]["parent"] is not None:
                way.append(nodes[way[-1]["parent"]])
            return way
    return []


def _kept(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """The first nodes, and those on the chosen way with all that is above them; long texts are cut."""
    kept = {node["id"] for node in nodes[:NODES]} | {node["id"] for node in nodes if node["mark"] == "chosen"}
    shown = [node | {"text": _cut(node["text"])} for node in nodes if node["id"] in kept]
    return {"nodes": shown, "left_out": len(nodes) - len(shown)}


def _cut(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[:TEXT]} … ({len(text) - TEXT:,} more characters)"
