"""Recorded gradings of questions of fact, at several levels of thinking; the guard's rule is chosen on half of the questions.

A grade is A (right), B (wrong) or C (not attempted), as SimpleQA grades.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import combinations, compress, product
from math import inf
from pathlib import Path

import numpy as np

from ponder import tasks
from ponder.errors import InputError
from ponder.lab.intervals import paired_interval
from ponder.policy.knowledge import factual, supported
from ponder.tasks import files

RIGHT, WRONG, ABSTAINED = "ABC"
COPIED = "r1-distill-llama-8b/DeepSeek-R1-Distill-Llama-8B_simpleqa_exd0"
"""In the published records of Zhao 2025 this run holds the rows of the same model's FRAMES run: leave it out."""

_RUN = re.compile(r"(?P<model>[^/]+)/.*_(?P<benchmark>simpleqa|frames)_(?P<level>\w+)")
_WORDS = {"no_think": -1, "low_effort": 0, "medium_effort": 1, "high_effort": 2}
FACTUAL = {
    "simpleqa": ("bench_qa/simple_qa_test_set.csv.gz", "problem"),
    "truthfulqa": ("bench_qa/TruthfulQA.csv.gz", "Question"),
    "hotpotqa": ("bench_qa/hotpot_dev_v1_simplified.json.gz", "question"),
}
REASONING = {
    "gsm8k": ("bench_gsm8k/test.jsonl.gz", "question"),
    "math500": ("bench_math500/math500.jsonl.gz", "problem"),
    "aime": ("bench_aime/aime_2024.jsonl", "question"),
    "ifeval": ("bench_ifeval/input_data.jsonl.gz", "prompt"),
    "humaneval": ("bench_code/HumanEval.jsonl.gz", "prompt"),
}

_SHARES = (0.0, 1 / 3, 0.5, 2 / 3, 1.0)
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Graded:
    """`tokens` are those of the thinking, or where only that is recorded of the whole completion; None where neither is."""

    grade: str
    tokens: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """A model's answers to a benchmark at one level of thinking, by the question's number."""

    name: str
    answers: Mapping[int, Graded]

    @property
    def model(self) -> str:
        return self._part("model")

    @property
    def benchmark(self) -> str:
        return self._part("benchmark")

    @property
    def level(self) -> str:
        return self._part("level")

    @property
    def effort(self) -> int:
        """Orders a model's levels: no thinking, low, medium, high; else by the number in its name."""
        return _WORDS[self.level] if self.level in _WORDS else int(re.sub(r"\D", "", self.level))

    def _part(self, what: str) -> str:
        found = _RUN.fullmatch(self.name)
        if found is None:
            raise InputError(f"cannot read the run {self.name!r}; write it as MODEL/…_simpleqa_LEVEL or MODEL/…_frames_LEVEL")
        return found[what]


@dataclass(frozen=True, slots=True)
class Rates:
    """How often answers were right, wrong and withheld."""

    right: int
    wrong: int
    abstained: int

    @classmethod
    def of(cls, grades: Iterable[str]) -> Rates:
        counts = Counter(grades)
        return cls(counts[RIGHT], counts[WRONG], counts[ABSTAINED])

    @property
    def n(self) -> int:
        return self.right + self.wrong + self.abstained

    @property
    def accuracy(self) -> float:
        return self.right / self.n

    @property
    def hallucination(self) -> float:
        """Wrong answers of all questions."""
        return self.wrong / self.n

    @property
    def abstention(self) -> float:
        return self.abstained / self.n

    @property
    def attempted(self) -> float | None:
        """The accuracy of what was attempted; None where nothing was."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def f1(self) -> float:
        """2PR / (P + R) of P = attempted accuracy and R = accuracy: 2A / (2A + 2B + C)."""
        return 2 * self.right / (self.n + self.right + self.wrong)


def read(path: Path, without: Sequence[str] = ()) -> list[Run]:
    """The runs of a table `run,id,grading,thinking_tokens,completion_tokens` (.csv.gz), but for those named in `without`.

    Raises `InputError` where a grade is none of A, B, C, a question is graded twice, or two runs of different benchmarks are the
    same rows: a copied file.
    """
    runs: dict[str, dict[int, Graded]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            answers = runs.setdefault(row["run"], {})
            question, grade, tokens = int(row["id"]), row["grading"], row["thinking_tokens"] or row["completion_tokens"]
            if grade not in (RIGHT, WRONG, ABSTAINED) or question in answers:
                raise InputError(f"{path}:{number}: {grade!r} for question {question} of `{row['run']}`; give each one of A, B, C")
            answers[question] = Graded(grade, float(tokens) if tokens else None)
    read = [Run(name, answers) for name, answers in runs.items() if name not in without]
    for one, other in combinations(read, 2):
        if one.benchmark != other.benchmark and one.answers == other.answers:
            copy, source = sorted((one, other), key=lambda run: run.benchmark == "frames")
            raise InputError(
                f"{path}: `{copy.name}` holds the {len(copy.answers)} rows of `{source.name}`, which is of another benchmark: "
                f"a copied file; leave it out with without={[copy.name]!r}"
            )
    return sorted(read, key=lambda run: (run.benchmark, run.model, run.effort))


@dataclass(frozen=True, slots=True)
class Ladder:
    """A model's runs on one benchmark from little thinking to much, and the questions that all of them answer."""

    runs: tuple[Run, ...]
    questions: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{self.runs[0].model} {self.runs[0].benchmark}"

    def key(self, question: int) -> str:
        return f"{self.runs[0].benchmark}/{question}"


def ladders(runs: Sequence[Run]) -> list[Ladder]:
    """The models that answered a benchmark at two levels or more."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.benchmark, run.model), []).append(run)
    several = [tuple(sorted(group, key=lambda run: run.effort)) for group in groups.values() if len(group) > 1]
    return [Ladder(group, tuple(sorted(set.intersection(*(set(run.answers) for run in group))))) for group in several]


@cache
def held_out(key: str) -> bool:
    """Whether a question, `simpleqa/17` or its text, belongs to the half that is measured on and not chosen on: by its hash."""
    return bool(sha256(key.encode()).digest()[0] % 2)


@dataclass(frozen=True, slots=True)
class Rule:
    """Answer as the level of most thinking that attempts, if that is `supported`; else abstain.

    The levels stand for the draws: they agree if they attempt, and the one of most thinking was quick if it attempts and took no
    more tokens than the quantile `quick` of its own on the half for choosing. Where tokens are not recorded it was: what is
    not known is no reason to abstain. `share` = `quick` = 1 leaves that level's answers as they are.
    """

    share: float
    quick: float

    def __call__(self, ladder: Ladder) -> list[str]:
        """A grade for each question."""
        usual = self._usual(ladder)
        return [self._grade([run.answers[question] for run in ladder.runs], usual) for question in ladder.questions]

    def _usual(self, ladder: Ladder) -> float:
        most = ladder.runs[-1].answers
        counts = [most[question].tokens for question in ladder.questions if not held_out(ladder.key(question))]
        known = [count for count in counts if count is not None]
        return float(np.quantile(known, self.quick)) if known and self.quick < 1 else inf

    def _grade(self, levels: Sequence[Graded], usual: float) -> str:
        tried = [one for one in levels if one.grade != ABSTAINED]
        quick = levels[-1].grade != ABSTAINED and (levels[-1].tokens or 0) <= usual
        return tried[-1].grade if tried and supported(len(tried), len(levels), quick, self.share) else ABSTAINED


UNGUARDED = Rule(1.0, 1.0)
FAMILY = tuple(Rule(share, quick) for share, quick in product(_SHARES, _QUANTILES))


@dataclass(frozen=True, slots=True)
class Effect:
    """What a rule does to the answers of the level of most thinking, on one half of the questions, over all the ladders given.

    `changes` counts (grade before, grade after); `accuracy` and `wrong` are the rule's rate minus that level's, with limits from
    the paired bootstrap that resamples questions (a question of several models stays together).
    """

    before: Rates
    after: Rates
    changes: Mapping[tuple[str, str], int]
    accuracy: tuple[float, float, float]
    wrong: tuple[float, float, float]


def effect(rule: Rule, ladders: Sequence[Ladder], half: Callable[[str], bool] = held_out) -> Effect:
    """The rule's effect on the questions of which `half` is true."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for ladder in ladders:
        for question, old, new in zip(ladder.questions, UNGUARDED(ladder), rule(ladder), strict=True):
            if half(ladder.key(question)):
                pairs.setdefault(ladder.key(question), []).append((old, new))
    every = [pair for some in pairs.values() for pair in some]
    return Effect(
        Rates.of(old for old, _ in every),
        Rates.of(new for _, new in every),
        Counter(every),
        _difference(list(pairs.values()), RIGHT),
        _difference(list(pairs.values()), WRONG),
    )


def _difference(questions: Sequence[Sequence[tuple[str, str]]], grade: str) -> tuple[float, float, float]:
    """The mean change in the rate of a grade over all answers, and its limits; the rows that are resampled are questions."""
    scale = len(questions) / sum(map(len, questions))
    before, after = (np.array([[scale * sum(pair[side] == grade for pair in pairs)] for pairs in questions]) for side in (0, 1))
    low, high = paired_interval(after, before)
    return float((after - before).mean()), float(low[0]), float(high[0])


def choose(ladders: Sequence[Ladder], family: Sequence[Rule] = FAMILY) -> Rule:
    """The rule with the fewest wrong answers, of those that lose no accuracy, on the half for choosing; ties to the earliest."""
    chosen_on = [(ladder, [not held_out(ladder.key(question)) for question in ladder.questions]) for ladder in ladders]

    def rates(rule: Rule) -> Rates:
        return Rates.of(grade for ladder, half in chosen_on for grade in compress(rule(ladder), half))

    found = {rule: rates(rule) for rule in (UNGUARDED, *family)}
    kept = [rule for rule, one in found.items() if one.right >= found[UNGUARDED].right]
    return min(kept, key=lambda rule: found[rule].wrong)


def prompts(folder: Path) -> dict[str, list[str]]:
    """What the benchmarks of `FACTUAL` and `REASONING` ask, from the folder of recorded data; countdown is generated."""
    texts = {name: _prompts(folder / path, column) for name, (path, column) in (FACTUAL | REASONING).items()}
    return texts | {"countdown": [problem.question for problem in tasks.get("countdown").load("test", 500)]}


def _prompts(path: Path, column: str) -> list[str]:
    rows = (
        json.loads(gzip.decompress(path.read_bytes())) if path.name.endswith(".json.gz") else (row for _, row in files.rows(path))
    )
    return [row[column] for row in rows]


def told(texts: Iterable[str], facts: bool) -> float:
    """The share of the held-out prompts that `factual` tells rightly, where all of them ask for `facts`, or none does."""
    half = [text for text in texts if held_out(text)]
    return sum(factual(text) == facts for text in half) / len(half)
