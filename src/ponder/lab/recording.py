"""Recorded samples as arrays: what `lab.analyse` computes from. Problems may have unlike numbers of samples.

Samples lie in flat arrays, those of a problem beside each other in the order of the file; `blocks` gives matrices of the problems
with equally many.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import fsum, prod
from pathlib import Path

import numpy as np

from ponder.answers import canonical
from ponder.errors import InputError
from ponder.lab.grading import GRADERS, Grader, graded, reader, suited
from ponder.lab.logs import Reader, Row
from ponder.lab.records import Fields, Record, chosen
from ponder.lab.statistics import Floats, Ints

_PEEKED = 500  # records that `auto` looks at


@dataclass(frozen=True, eq=False)
class Recording:
    """`sizes` (problems,) samples of each problem, of which `hits` are correct (a mean of verdicts may be a fraction).

    Flat over all samples: `correct` in [0, 1]; `classes` numbers equal answers of a problem, -1: none (None where no answers are
    known); `scores` by what they are: score, confidence, and last, min, prod, mean of steps (NaN: not scored); `tokens` (NaN:
    unknown). A recording of counts has none of these. `grader` says how answers were compared, `notes` what was decided.
    """

    problems: list[str]
    sizes: Ints
    hits: Floats
    correct: Floats | None = None
    classes: Ints | None = None
    scores: Mapping[str, Floats] = field(default_factory=dict)
    tokens: Floats | None = None
    grader: str = "exact"
    model: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        return int(self.sizes.sum())

    @functools.cached_property
    def starts(self) -> Ints:
        """Where each problem's samples begin."""
        starts: Ints = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)
        return starts

    def blocks(self, least: int = 1) -> Iterator[tuple[Ints, Ints]]:
        """For each number of samples n >= `least`: the rows of the problems that have it, and their samples' places (rows, n)."""
        for n in np.unique(self.sizes[self.sizes >= least]):
            rows = np.flatnonzero(self.sizes == n)
            yield rows, self.starts[rows][:, None] + np.arange(n)


@dataclass(slots=True)
class _Gathered:
    """The samples of one problem as they come in. `answers` keeps one spelling of each class."""

    place: str
    reference: str | None = None
    correct: array[float] = field(default_factory=lambda: array("d"))
    classes: array[int] = field(default_factory=lambda: array("q"))
    scores: dict[str, array[float]] = field(default_factory=dict)
    tokens: array[float] = field(default_factory=lambda: array("d"))
    numbers: dict[str, int] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    counts: tuple[int, int] | None = None
    ungraded: str | None = None


@dataclass(slots=True)
class Gathering:
    """Takes records in, and gives the recording of them. `skip` leaves bad rows out, counted, instead of raising."""

    fields: Fields = field(default_factory=Fields)
    where: Sequence[tuple[str, str]] = ()
    grader: Grader = "auto"
    skip: bool = False
    notes: list[str] = field(default_factory=list)
    _problems: dict[str, _Gathered] = field(default_factory=dict)
    _models: set[str] = field(default_factory=set)
    _skipped: int = 0
    _texts: int = 0

    def __post_init__(self) -> None:
        if self.grader not in GRADERS:
            raise InputError(f"there is no grader {self.grader!r}; take one of {', '.join(GRADERS)}")

    async def recording(self, paths: Sequence[Path], metric: str | None = None, filtered: str | None = None) -> Recording:
        """All samples of the files, which are one set: samples of a problem may stand in several. Raises `InputError`."""
        readers = [Reader(path, metric, filtered) for path in paths]
        records = self._records(pair for reader in readers for pair in reader.rows())
        first = list(islice(records, _PEEKED))
        if self.grader == "auto":
            self.grader = suited([one.reference for one in first if one.reference is not None])
        read = reader(self.grader)
        for some in (first, records):
            for record in some:
                self._take(record, read)
        if not self._problems:
            kept = " that --where lets through" if self.where else ""
            raise InputError(f"no samples{kept} in {', '.join(str(path) for path in paths)}; check the files")
        self.notes += [note for reader in readers for note in reader.notes]
        if self._skipped:
            self.notes.append(f"{self._skipped} rows that could not be used were left out")
        return await self._whole()

    def _records(self, rows: Iterable[tuple[str, Row]]) -> Iterator[Record]:
        for place, row in rows:
            if self.where and not chosen(row, self.where):
                continue
            try:
                yield from list(self.fields.records(place, row))
            except InputError:
                if not self.skip:
                    raise
                self._skipped += 1
            if isinstance(row.get("model"), str) and row["model"] not in self._models:
                self._models.add(row["model"])
                if len(self._models) > 1 and not any(name == "model" for name, _ in self.where):
                    names = ", ".join(sorted(self._models))
                    raise InputError(f"{place}: samples of several models ({names}): choose one with --where model=NAME")

    def _take(self, record: Record, read: Callable[[Record], str | None]) -> None:
        one = self._problems.setdefault(record.problem, _Gathered(record.place))
        if record.num_samples is not None and record.num_correct is not None:
            if one.counts is not None or one.correct:
                raise InputError(
                    f"{record.place}: problem {record.problem!r} was counted before, at {one.place}; choose the rows that belong "
                    f"together with --where FIELD=VALUE"
                )
            one.counts = record.num_samples, record.num_correct
            return
        if one.counts is not None:
            raise InputError(
                f"{record.place}: a sample of problem {record.problem!r}, which {one.place} has counted; give one or the other"
            )
        self._refer(one, record)
        number, answer = -1, read(record)
        if answer is not None:
            key = canonical(answer) if len(answer) < 2_000 else answer
            number = one.numbers.setdefault(key, len(one.numbers))
            if number == len(one.answers):
                one.answers.append(answer)
        self._texts += not record.answered and record.text is not None
        place = len(one.correct)
        one.classes.append(number)
        one.correct.append(np.nan if record.correct is None else record.correct)
        if record.correct is None and one.ungraded is None:
            one.ungraded = record.place
        one.tokens.append(np.nan if record.tokens is None else record.tokens)
        for name, value in _values(record):
            column = one.scores.setdefault(name, array("d"))
            column.extend([np.nan] * (place - len(column)))
            column.append(value)

    def _refer(self, one: _Gathered, record: Record) -> None:
        if record.reference is None:
            return
        if one.reference is None:
            one.reference = record.reference
        elif one.reference != record.reference:
            raise InputError(
                f"{record.place}: problem {record.problem!r} has the reference {record.reference[:60]!r}, and at {one.place} "
                f"{one.reference[:60]!r}: name what tells problems apart with --field problem=NAME"
            )

    async def _whole(self) -> Recording:
        names, all_ = list(self._problems), list(self._problems.values())
        counted = [one.counts is not None for one in all_]
        model = next(iter(self._models)) if len(self._models) == 1 else None
        if any(counted):
            if not all(counted):
                raise InputError(f"{all_[counted.index(False)].place}: samples among rows of counts; give one or the other")
            sizes, hits = np.array([one.counts for one in all_]).T
            if np.any(sizes == 0):
                raise InputError(f"{all_[int(np.argmin(sizes))].place}: a problem with 0 samples says nothing; leave it out")
            return Recording(names, sizes, hits.astype(float), model=model, notes=tuple(self.notes))
        await self._grade()
        correct = np.concatenate([np.frombuffer(one.correct) for one in all_])
        sizes = np.array([len(one.correct) for one in all_])
        tokens = np.concatenate([np.frombuffer(one.tokens) for one in all_])
        kinds = sorted({kind for one in all_ for kind in one.scores}, key=_ORDER.index)
        whole = Recording(
            names,
            sizes,
            np.add.reduceat(correct, np.concatenate([[0], np.cumsum(sizes)[:-1]])),
            correct,
            self._answered(np.concatenate([np.frombuffer(one.classes, np.int64) for one in all_]), correct, sizes),
            {kind: np.concatenate([_padded(one.scores.get(kind), len(one.correct)) for one in all_]) for kind in kinds},
            None if np.isnan(tokens).all() else tokens,
            self.grader,
            model,
        )
        return replace(whole, notes=tuple(self.notes))

    def _answered(self, classes: Ints, correct: Floats, sizes: Ints) -> Ints | None:
        """The classes, unless there are none, or what was found in texts is not what was judged (programs, essays)."""
        if np.all(classes < 0):
            return None
        mixed = _mixed(classes, correct, sizes)
        if mixed > 0.1:
            said = f"samples with the same answer were judged unlike, {mixed:.0%} of those that share one"
            if self._texts == classes.size and not any(one.reference for one in self._problems.values()):
                self.notes.append(f"{said}: the final answers found in the texts are not what was judged, and are not voted on")
                return None
            self.notes.append(f"{said}; a vote for such an answer counts as the mean of its verdicts")
        return classes

    async def _grade(self) -> None:
        """Verdicts for the samples that have none, by the reference."""
        unsure = 0
        for name, one in self._problems.items():
            if one.ungraded is None:
                continue
            if one.reference is None:
                raise InputError(
                    f"{one.ungraded}: neither `correct` nor `reference` says whether this sample of {name!r} is right: "
                    f"give one of them (--field correct=NAME, --field reference=NAME)"
                )
            grades = await graded(self.grader, name, one.reference, one.answers)
            unsure += sum(grade.value is None for grade in grades)
            for place, (number, verdict) in enumerate(zip(one.classes, one.correct, strict=True)):
                if np.isnan(verdict):
                    one.correct[place] = 0.0 if number < 0 else grades[number].value or 0.0
        if unsure:
            self.notes.append(f"{unsure} answers could not be compared with the reference and count as wrong")


_ORDER = ("score", "confidence", "last", "min", "prod", "mean")


def _values(record: Record) -> Iterator[tuple[str, float]]:
    """The record's scores by name, with those of its steps under every aggregation."""
    if record.score is not None:
        yield "score", record.score
    if record.confidence is not None:
        yield "confidence", record.confidence
    if record.steps:
        steps = record.steps
        yield from (("last", steps[-1]), ("min", min(steps)), ("prod", prod(steps)), ("mean", fsum(steps) / len(steps)))


def _padded(column: array[float] | None, size: int) -> Floats:
    values = np.full(size, np.nan)
    if column is not None:
        values[: len(column)] = np.frombuffer(column)
    return values


def _mixed(classes: Ints, correct: Floats, sizes: Ints) -> float:
    """Of the samples that share their answer with another, the part whose answer was judged both right and wrong."""
    keys = np.repeat(np.arange(sizes.size), sizes) * (int(classes.max()) + 2) + classes
    verdicts = correct[classes >= 0]
    _, which, counts = np.unique(keys[classes >= 0], return_inverse=True, return_counts=True)
    unlike = np.bincount(which, verdicts**2) / counts - (np.bincount(which, verdicts) / counts) ** 2 > 1e-9
    return float(counts[unlike].sum() / max(1, counts[counts > 1].sum()))
