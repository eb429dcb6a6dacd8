"""What the command line prints: data on stdout, the bill and what else was asked for on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from ponder.cli.live import stderr
from ponder.policy.policy import Policy
from ponder.trace import Event
from ponder.types import Answer, Usage

stdout = Console(soft_wrap=True)
_WIDE = 128  # columns of a table that could not be read if it were folded


def answer_object(answer: Answer) -> dict[str, Any]:
    """The JSON object of `ponder solve --json`."""
    return {
        "answer": answer.answer,
        "text": answer.text,
        "stopped": answer.stopped,
        "strategy": answer.strategy,
        "model": answer.model,
        "usage": {role: msgspec.to_builtins(usage) for role, usage in answer.usage.items()},
        "cost": asdict(answer.cost),
        "candidates": [
            {"answer": one.answer, "score": one.value, "tokens": one.sample.usage.computed} for one in answer.candidates
        ],
        "oracle": answer.oracle,
        "trace": {"seed": answer.trace.seed, "events": answer.trace.events},
    }


def bill(answer: Answer, what: str) -> None:
    """The bill, and what else was asked for, on stderr."""
    if what == "text":
        stderr.print(answer.text, markup=False, highlight=False)
    elif what == "candidates":
        table = Table("draw", "score", "tokens", "answer", box=None)
        for one in answer.candidates:
            score = "" if one.value is None else f"{one.value:g}"
            table.add_row(str(one.sample.index), score, str(one.sample.usage.computed), one.answer or "-")
        stderr.print(table)
    elif what == "tree":
        stderr.print(tree(answer.trace.events))
    elif what == "trace":
        stderr.print(answer.trace.line(), markup=False, highlight=False, soft_wrap=True)
    usd = "" if answer.cost.usd is None else f", ${answer.cost.usd:.4f}"
    stderr.print(
        f"{answer.strategy} on {answer.model}: {len(answer.candidates)} candidates, {answer.cost.tokens:,} tokens{usd}, "
        f"{answer.cost.seconds:.1f} s{', stopped by the budget' if answer.stopped == 'budget' else ''}"
        f"{', none of them good by its verifier' if all(one.value == 0 for one in answer.candidates) else ''}"
        f"{', chosen by reading the reference or hidden tests (an oracle)' if answer.oracle else ''}",
        style="dim", highlight=False,
    )  # fmt: skip


def tree(events: Sequence[Event]) -> Tree:
    """The search as it grew: each draw of the policy and each proposal below what it goes on from, with scores and spend."""
    scores = {event.parent: event.data.get("value") for event in events if event.kind == "scored"}
    pruned = {event.parent for event in events if event.kind == "pruned"}
    root = Tree("problem")
    nodes: dict[int | None, Tree] = {None: root}
    for event in events:
        if event.kind == "proposed" or (event.kind == "drawn" and event.data.get("origin", event.data["role"]) == "policy"):
            parent = nodes.get(event.parent, root)
            nodes[event.id] = parent.add(_node(event, scores.get(event.id)), style="dim" if event.id in pruned else "")
    return root


def _node(event: Event, score: float | None) -> Text:
    """A node's text on one line, its score, and what it has cost."""
    text = " ⏎ ".join(line for line in event.data["text"].splitlines() if line.strip())
    shown = text if len(text) <= 72 else f"{text[:48]} … {text[-20:]}"
    facts = [] if score is None else [f"{score:.2f}"]
    if "usage" in event.data:
        spent = Usage(**event.data["usage"])
        facts.append(f"{spent.computed} tokens, {spent.cached} cached")
    return Text.assemble(shown or event.data.get("error") or "(nothing)", "  ", (" · ".join(facts), "cyan"))


def policy(made: Policy) -> None:
    """The choices by difficulty and effort or budget, and how they did on problems that they have not seen."""
    table = Table("difficulty", "effort or budget", "strategy", "accuracy", "tokens", box=None)
    for one in made.bins:
        span = f"{one.difficulty[0]:.2f} – {one.difficulty[1]:.2f}"
        for name, choice in one.efforts.items():
            table.add_row(span, name, _called(asdict(choice)), f"{choice.accuracy:.1%}", f"{choice.tokens:,.0f}")
        for choice in one.choices:
            table.add_row(span, f"{choice.budget:,}", _called(asdict(choice)), f"{choice.accuracy:.1%}", f"{choice.tokens:,.0f}")
    wide(table)
    proof = made.evidence["held_out"]
    table = Table("", "accuracy", "95 % interval", "tokens", "best fixed strategy", "its accuracy", "its tokens", box=None)
    for row in proof["efforts"] + proof["budgets"]:
        fixed, (low, high) = row["fixed"], row["interval"]
        ours = (f"{row['accuracy']:.1%}", f"{low:.1%} – {high:.1%}", f"{row['tokens']:,.0f}")
        theirs = (_called(fixed), f"{fixed['accuracy']:.1%}", f"{fixed['tokens']:,.0f}")
        table.add_row(row["effort"] if "effort" in row else f"{row['budget']:,}", *ours, *theirs)
    stdout.print(f"\non {proof['problems']} problems of `{proof['split']}`, which no choice has seen:", highlight=False)
    wide(table)


def _called(one: Mapping[str, Any]) -> str:
    """A choice as one would write it: the strategy, its parameters, and the model and the temperature where they are others."""
    settings = ", ".join(f"{name}={value}" for name, value in one["parameters"].items())
    model, heat = (one.get(name) for name in ("model", "temperature"))
    return f"{one['strategy']}{f'({settings})' if settings else ''}{f' by {model}' if model else ''}{f' at {heat}' if heat else ''}"


def wide(table: Table) -> None:
    Console(file=stdout.file, width=max(stdout.width, _WIDE)).print(table)


def listing(rows: list[dict[str, Any]], broken: dict[str, str], json: bool) -> None:
    """Rows as a list: the first value, `about` below it, then whatever else is known; or as JSON. Broken plug-ins go to stderr."""
    for name, why in broken.items():
        stderr.print(f"warning: the plug-in `{name}` cannot be loaded: {why}", markup=False, highlight=False)
    if json:
        json_line(rows)
        return
    for row in rows:
        first, *rest = row
        facts = [f"{key}: {row[key]}" for key in rest if key != "about" and row[key] not in (None, "")]
        stdout.print(Text(str(row[first]), "bold"))
        for line, style in ((row.get("about"), ""), (" · ".join(facts), "dim")):
            if line:
                stdout.print(Padding(Text(str(line), style), (0, 0, 0, 4), expand=False), soft_wrap=False)


def json_line(value: Any) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
