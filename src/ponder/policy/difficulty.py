"""How hard a problem is for a model, told before it is solved: 1 - P(one sample is right).

From the prompt's text, which costs nothing, or from a probe of a few samples, which are drawn and charged like any others and are
the first samples of the answer. An estimator is learnt on problems with many graded samples, and draws nothing itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log1p, tanh
from statistics import fmean
from typing import TYPE_CHECKING, Literal

import msgspec

from ponder import answers
from ponder.errors import InputError
from ponder.policy import calibration
from ponder.policy.calibration import Curve
from ponder.types import Candidate, Problem

if TYPE_CHECKING:
    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[float64]

Kind = Literal["text", "probe", "oracle"]
Signals = Mapping[str, float | None]
Row = tuple[Signals, float, int]
"""What is known of a problem, the share of its other samples that were right, and which problem it is."""

FOLDS = 5
CALIBRATIONS = {"isotonic": calibration.isotonic, "beta": calibration.beta}

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_OPERATOR = re.compile(r"[-+*/^=<>×÷]")
_QUESTION = re.compile(r"\b(?:who|whom|whose|what|when|where|why|which|how|prove|explain|find|list)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Term:
    """One signal's part of the log-odds that a sample is right: `weight` times (value - `centre`) / `scale`.

    `missing` is its part where the signal is missing; None: in training it never was, so nothing is known of that.
    """

    signal: str
    centre: float
    scale: float
    weight: float
    missing: float | None = None

    def __call__(self, value: float | None) -> float | None:
        return self.missing if value is None else self.weight * (value - self.centre) / self.scale


@dataclass(frozen=True, slots=True)
class Estimator:
    """What `fit` has learnt, a pure function of a problem and of the first `probe` candidates that were drawn for it.

    `terms` and `constant` give the log-odds that a sample is right; `curve` calibrates the probability. `known` are the oracle's
    difficulties by problem id.
    """

    kind: Kind
    probe: int = 0
    constant: float = 0.0
    terms: tuple[Term, ...] = ()
    curve: Curve | None = None
    known: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, problem: Problem, candidates: Sequence[Candidate]) -> float | None:
        """The difficulty in [0, 1], or None where it cannot tell.

        That is: fewer than `probe` candidates that did not fail, a signal missing that never was in training, or an unknown id.
        Of more candidates than `probe` the first by their index count, so that drawing on does not change the estimate.
        """
        if self.kind == "oracle":
            return self.known.get(problem.id)
        drawn = sorted((one for one in candidates if one.sample.error is None), key=lambda one: one.sample.index)
        if len(drawn) < self.probe:
            return None
        right = _right(self.constant, self.terms, signals(problem, drawn[: self.probe]))
        return None if right is None else 1 - (self.curve(right) if self.curve else right)

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Estimator:
        """Read back what `to_json` wrote. Raises `InputError` where it is not an estimator."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise InputError(f"not an estimator of difficulty: {error}; write one with `Estimator.to_json`") from error


def signals(problem: Problem, candidates: Sequence[Candidate] = ()) -> Signals:
    """What the prompt, and a probe if there is one, show of the difficulty; None: there is nothing to measure.

    Of the prompt, the logarithms of 1 + counts and numbers. Of the probe: `agreement`, the share of the largest class of equal
    answers; `unanswered`; `logprob`, the mean log-probability of a token in nats; `score`, the mean of a verifier's scores (for an
    exact checker the pass rate); `length`, ln(1 + mean completion tokens).
    """
    return _text_signals(problem.question) | (_probe_signals(problem, candidates) if candidates else {})


def _text_signals(question: str) -> dict[str, float | None]:
    numbers = [min(float(number), 1e15) for number in _NUMBER.findall(question)]
    digits = [int(character) for character in question if character.isdecimal()]
    counts = {
        "characters": len(question),
        "words": len(question.split()),
        "lines": question.count("\n"),
        "numbers": len(numbers),
        "digits": len(digits),
        "digit_sum": sum(digits),
        "operators": len(_OPERATOR.findall(question)),
        "question_words": len(_QUESTION.findall(question)),
    }
    return {
        **{name: log1p(count) for name, count in counts.items()},
        "largest": log1p(max(numbers)) if numbers else None,
        "last": log1p(numbers[-1]) if numbers else None,
    }


def _probe_signals(problem: Problem, candidates: Sequence[Candidate]) -> dict[str, float | None]:
    groups = answers.classes(candidates, problem.task.canonical).values()
    scores = [one.value for one in candidates if one.value is not None]
    logprobs = [fmean(one.sample.logprobs) for one in candidates if one.sample.logprobs]
    return {
        "agreement": max(map(len, groups), default=0) / len(candidates),
        "unanswered": sum(one.answer is None for one in candidates) / len(candidates),
        "logprob": fmean(logprobs) if logprobs else None,
        "score": fmean(scores) if scores else None,
        "length": log1p(fmean(one.sample.usage.completion for one in candidates)),
    }


def fit(
    kind: Kind,
    problems: Sequence[Problem],
    candidates: Sequence[Sequence[Candidate]],
    correct: ArrayLike,
    probe: int = 4,
    *,
    probes: int = 8,
    ridge: float = 1.0,
    curve: str = "isotonic",
    seed: int = 0,
) -> Estimator:
    """Learn to tell the difficulty from a training split: `candidates` and grades `correct` are (problems, n), as in `lab.bank`.

    Ridge logistic regression of the share that is right on the standardised `signals`, then calibration (`isotonic` or `beta`) by
    predictions for problems left out (5 folds). Each problem gives `probes` random probes of `probe` samples, and the target is the
    mean of its other samples: what a probe shows is not counted into what it predicts. `text` takes no probe, `oracle` looks up.
    Raises `InputError` for fewer than two problems, no samples beside the probe, or an unknown name.
    """
    import numpy as np

    grades = np.asarray(correct, float)
    if kind == "oracle":
        return Estimator("oracle", known={one.id: 1 - float(row.mean()) for one, row in zip(problems, grades, strict=True)})
    if kind not in ("text", "probe") or curve not in CALIBRATIONS:
        raise InputError(f"there is no {curve} calibration of a {kind!r} estimator; take text, probe or oracle, isotonic or beta")
    size, generator = probe if kind == "probe" else 0, np.random.default_rng(seed)
    if len(problems) < 2 or grades.shape[1] <= size or (kind == "probe" and probe < 1):
        shape = f"{len(problems)} problems of {grades.shape[1]} samples"
        raise InputError(
            f"a probe of {size} cannot be learnt from {shape}: give 2 problems or more, and more samples than the probe"
        )
    rows = [
        (signals(problem, [drawn[place] for place in taken]), float(np.delete(row, taken).mean()), number)
        for number, (problem, drawn, row) in enumerate(zip(problems, candidates, grades, strict=True))
        for taken in _probes(drawn, size, probes if size else 1, generator)
    ]
    present = generator.permutation(sorted({number for _, _, number in rows}))
    if len(present) < 2:
        raise InputError(f"fewer than two problems have {size} samples that did not fail: draw them again, or lower the probe")
    told = [pair for fold in range(FOLDS) for pair in _left_out(rows, set(present[fold::FOLDS].tolist()), ridge)]
    constant, terms = _regressed(rows, ridge)
    return Estimator(kind, size, constant, terms, CALIBRATIONS[curve](*zip(*told, strict=True)))


def _probes(drawn: Sequence[Candidate], size: int, count: int, generator: Generator) -> list[list[int]]:
    """`count` random choices of `size` places whose draws did not fail; none where there are too few."""
    whole = [place for place, one in enumerate(drawn) if one.sample.error is None]
    return (
        [generator.choice(whole, size, replace=False).tolist() if size else [] for _ in range(count)] if len(whole) >= size else []
    )


def _left_out(rows: Sequence[Row], held: set[int], ridge: float) -> Iterable[tuple[float, float]]:
    """Predicted and true shares of the problems `held`, by a regression on the others."""
    constant, terms = _regressed([row for row in rows if row[2] not in held], ridge)
    for known, truth, number in rows:
        if number in held and (right := _right(constant, terms, known)) is not None:
            yield right, truth


def _regressed(rows: Sequence[Row], ridge: float) -> tuple[float, tuple[Term, ...]]:
    """The log-odds of being right as a constant and terms. All problems weigh the same; a signal that never varies has no term."""
    import numpy as np

    columns: list[Floats] = []
    spans: list[tuple[str, float, float, bool]] = []
    for name in rows[0][0]:
        values = np.array([np.nan if (value := known[name]) is None else value for known, _, _ in rows])
        absent = np.isnan(values)
        if absent.all() or (np.nanstd(values) < 1e-9 and not absent.any()):
            continue
        centre, scale = float(np.nanmean(values)), float(np.nanstd(values)) or 1.0
        columns += [np.where(absent, 0.0, (values - centre) / scale), absent.astype(float)]
        spans.append((name, centre, scale, bool(absent.any())))
    numbers = np.array([number for _, _, number in rows])
    weights = 1 / np.bincount(numbers)[numbers]
    matrix = np.column_stack(columns) if columns else np.zeros((len(rows), 0))
    constant, found = calibration.logistic(matrix, [truth for _, truth, _ in rows], weights, ridge=ridge)
    terms = [
        Term(name, centre, scale, float(found[2 * at]), float(found[2 * at + 1]) if sometimes else None)
        for at, (name, centre, scale, sometimes) in enumerate(spans)
    ]
    return constant, tuple(terms)


def _right(constant: float, terms: Iterable[Term], known: Signals) -> float | None:
    """The probability that a sample is right, before calibration; None where a term cannot tell."""
    parts = [term(known.get(term.signal)) for term in terms]
    whole = [part for part in parts if part is not None]
    return (1 + tanh((constant + sum(whole)) / 2)) / 2 if len(whole) == len(parts) else None


def bins(difficulties: Iterable[float | None], count: int) -> list[float]:
    """The ascending edges between at most `count` bins of about equally many problems (Snell et al. 2024 take 5).

    An edge lies midway between two neighbours that differ, so equal difficulties share a bin and none is empty. Unknown ones, None,
    are left out.
    """
    values = sorted(value for value in difficulties if value is not None)
    gaps = [place for place, (low, high) in enumerate(pairwise(values), start=1) if low < high]
    wanted = (part * len(values) / count for part in range(1, count))
    places = {min(gaps, key=lambda gap: abs(gap - place)) for place in wanted} if gaps else set()
    return [(values[place - 1] + values[place]) / 2 for place in sorted(places)]


def bin_of(edges: Sequence[float], difficulty: float | None) -> int:
    """The bin, from 0 for the easiest to len(edges). An unknown difficulty, None, falls in the hardest: nothing says it is easy."""
    return len(edges) if difficulty is None else bisect_right(edges, difficulty)
