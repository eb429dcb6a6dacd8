"""Sets to train on, from what was drawn: the bank's samples and the traces of solves, as rows with TRL's column names.

    prompts       prompt, problem                 for reinforcement learning; `rewards.asked` reads the problem
    tuning        prompt, completion              rejection sampling: what was right, for supervised fine-tuning
    preferences   prompt, chosen, rejected        a right answer beside a wrong one, for DPO
    verdicts      prompt, completion, label       single answers, for KTO and outcome reward models
    stepwise      prompt, completions, labels     steps, for process reward models

Prompts are conversations, as TRL takes them; stepwise prompts are texts. A set is a folder that `datasets.load_dataset` reads.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ponder.errors import InputError
from ponder.lab.bank import Bank
from ponder.tasks import recognise
from ponder.trace import Trace
from ponder.train.rewards import column
from ponder.train.rollouts import Labelled
from ponder.types import Problem
from ponder.verifiers.check import Check

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An answer to a problem, in full, with its grade (None: it could not be graded) and its length in tokens (None: not known)."""

    problem: Problem
    text: str
    grade: float | None
    tokens: int | None = None


def from_bank(bank: Bank) -> list[Attempt]:
    """Every draw of a bank that did not fail, problem by problem in the order of the draws."""
    return [
        Attempt(problem, one.sample.prefix + one.sample.text, float(grade), one.sample.usage.completion or None)
        for problem, row, grades in zip(bank.problems, bank.candidates, bank.correct, strict=True)
        for one, grade in zip(row, grades, strict=True)
        if one.sample.error is None
    ]


def from_traces(lines: Iterable[str | bytes], find: Callable[[str], Problem | None] = recognise) -> Iterator[Attempt]:
    """The answers in traces: draws that stand on their own (what continues a prefix is no whole text), and what the solve returned.

    `find` turns a trace's question into the problem; a trace whose question it does not know is left out. Raises InputError for a
    line that is no trace.
    """
    for line in lines:
        events = Trace.read(line).events
        began = next((event for event in events if event.kind == "started"), None)
        problem = find(began.data["question"]) if began is not None else None
        if problem is None:
            continue
        for event in events:
            data = event.data
            if event.kind == "drawn" and event.parent is None and data.get("origin", data["role"]) == "policy":
                if data["error"] is None and data["finish_reason"] == "stop":
                    yield Attempt(problem, data["text"], _grade(problem, data["text"]), data["usage"]["completion"] or None)
            elif event.kind == "answered" and data["text"]:
                yield Attempt(problem, data["text"], _grade(problem, data["text"]))


def _grade(problem: Problem, text: str) -> float | None:
    check = problem.task.verifier
    return check.grade(problem, text).value if isinstance(check, Check) else None


def distinct(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Each text of a problem once, at its first place; texts are equal up to white space at line ends."""
    seen: dict[tuple[str, str], Attempt] = {}
    for one in attempts:
        seen.setdefault((one.problem.id, "\n".join(line.rstrip() for line in one.text.strip().splitlines())), one)
    return list(seen.values())


def by_problem(attempts: Iterable[Attempt]) -> dict[str, list[Attempt]]:
    """The attempts of each problem, in their order."""
    found: dict[str, list[Attempt]] = {}
    for one in attempts:
        found.setdefault(one.problem.id, []).append(one)
    return found


def teachable(attempts: Sequence[Attempt], first: int = 8) -> list[Attempt]:
    """Those of problems that the first `first` samples sometimes solve: what they always or never solve teaches nothing (DAPO)."""
    rows = by_problem(attempts)
    rates = {name: _rate(row[:first]) for name, row in rows.items()}
    return [one for one in attempts if (rate := rates[one.problem.id]) is not None and 0 < rate < 1]


def _rate(row: Sequence[Attempt]) -> float | None:
    grades = [one.grade for one in row if one.grade is not None]
    return sum(grades) / len(grades) if grades else None


def asking(problem: Problem) -> list[dict[str, str]]:
    """A problem's messages as a conversation."""
    return [{"role": message.role, "content": message.content} for message in problem.messages]


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def prompts(problems: Iterable[Problem]) -> list[Row]:
    return [{"prompt": asking(problem), "problem": column(problem)} for problem in problems]


def tuning(attempts: Iterable[Attempt], each: int = 4, shortest: bool = False) -> list[Row]:
    """Up to `each` distinct right answers a problem, the earliest or, for long-to-short, the `shortest`."""
    rows = []
    for row in by_problem(one for one in distinct(attempts) if one.grade == 1.0).values():
        best = sorted(row, key=lambda one: one.tokens or len(one.text)) if shortest else row
        rows += [{"prompt": asking(one.problem), "completion": _said(one.text)} for one in best[:each]]
    return rows


def preferences(attempts: Iterable[Attempt], each: int = 1, seed: int = 0) -> list[Row]:
    """Up to `each` pairs a problem of a right and a wrong answer, no answer twice; problems without both give none."""
    rows, rng = [], random.Random(seed)
    for row in by_problem(distinct(attempts)).values():
        right, wrong = ([one for one in row if one.grade == grade] for grade in (1.0, 0.0))
        rng.shuffle(right)
        rng.shuffle(wrong)
        for good, bad in list(zip(right, wrong, strict=False))[:each]:
            rows.append({"prompt": asking(good.problem), "chosen": _said(good.text), "rejected": _said(bad.text)})
    return rows


def verdicts(attempts: Iterable[Attempt]) -> list[Row]:
    """Every distinct graded answer with whether it is right."""
    graded = [one for one in distinct(attempts) if one.grade is not None]
    return [{"prompt": asking(one.problem), "completion": _said(one.text), "label": one.grade == 1.0} for one in graded]


def stepwise(labelled: Iterable[Labelled], threshold: float = 0.0) -> list[Row]:
    """Steps labelled by rollouts: true where more than `threshold` of the endings through a step were right (0: Math-Shepherd's
    hard labels). Behind the first false label nothing follows: what comes after an error is not judged. A step of unknown value is
    right if a later one is."""
    rows = []
    for one in labelled:
        for chain in one.chains:
            known = [value is not None and value > threshold for value in chain.values]
            labels = [any(known[at:]) if value is None else known[at] for at, value in enumerate(chain.values)]
            size = labels.index(False) + 1 if False in labels else len(labels)
            rows.append({"prompt": one.question, "completions": list(chain.steps[:size]), "labels": labels[:size]})
    return rows


@dataclass(frozen=True, slots=True)
class Card:
    """What a data set's page says: `made` is how, in a sentence or two, with the command; `limits` is what it should not be used
    for."""

    title: str
    made: str
    limits: str
    source: str = "generated"
    licence: str = "apache-2.0"
    language: str = "en"


def write(rows: Sequence[Mapping[str, Any]], folder: Path, card: Card, split: str = "train") -> Path:
    """Write `folder`/data/`split`.jsonl and the card, README.md, with the front matter that the Hugging Face hub reads.

    Raises InputError for no rows, and for rows whose columns differ.
    """
    if not rows:
        raise InputError(f"the set `{card.title}` would have no rows; draw more samples, or loosen the filter")
    columns = list(rows[0])
    if odd := next((row for row in rows if list(row) != columns), None):
        raise InputError(f"the rows of `{card.title}` have different columns: {columns} and {list(odd)}")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    path = folder / "data" / f"{split}.jsonl"
    draft = path.with_suffix(".part")
    draft.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    draft.replace(path)
    (folder / "README.md").write_text(_page(card, split, len(rows), columns))
    return path


def _page(card: Card, split: str, count: int, columns: Sequence[str]) -> str:
    size = next((name for name, most in _SIZES.items() if count < most), "n>1M")
    named = ", ".join(f"`{name}`" for name in columns)
    front = [f"pretty_name: {card.title}", f"license: {card.licence}", "language:", f"- {card.language}"]
    front += ["task_categories:", "- text-generation", "size_categories:", f"- {size}", "configs:", "- config_name: default"]
    front += ["  data_files:", f"  - split: {split}", f"    path: data/{split}.jsonl"]
    text = [
        f"# {card.title}",
        card.made,
        f"{count:,} rows with the columns {named}. Source: {card.source}.",
        "## Limits",
        card.limits,
    ]
    return "\n".join(["---", *front, "---", ""]) + "\n" + "\n\n".join(text) + "\n"


_SIZES = {"n<1K": 1_000, "1K<n<10K": 10_000, "10K<n<100K": 100_000, "100K<n<1M": 1_000_000}
