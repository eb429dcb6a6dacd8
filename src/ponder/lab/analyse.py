"""Recorded samples, analysed: every curve, what the scores are worth, what early stopping saves, and the laws of growth.

The result is one object: what `ponder analyse --json` prints, and what `lab.report` draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ponder.errors import InputError
from ponder.lab import laws
from ponder.lab.comparison import ranked
from ponder.lab.early_stopping import early_stopping
from ponder.lab.grading import Grader
from ponder.lab.intervals import interval
from ponder.lab.recording import Gathering, Recording
from ponder.lab.records import Fields
from ponder.lab.scores import auc, auc_within, calibration, weights
from ponder.lab.statistics import Floats, best_of_k, majority_at_k, pass_at_k

_KS = sorted({2**power for power in range(21)} | {size * 10**power for size in (1, 2, 5) for power in range(6)} | {3, 40})
_FITTED = 12  # values of k that a law is fitted to
_ORDERS = 50_000  # random orders of a vote that has no list, over all problems
FAR = (2, 4, 10)
"""How many times the largest k a law is asked about."""


@dataclass(frozen=True, eq=False)
class Line:
    """A curve by problem, (problems, ks); NaN where a problem has fewer samples. `by` is the score that it uses."""

    name: str
    by: str | None
    values: Floats


async def analyse(
    paths: Sequence[Path],
    *,
    fields: Mapping[str, str] | None = None,
    where: Sequence[tuple[str, str]] = (),
    grader: Grader = "auto",
    metric: str | None = None,
    filtered: str | None = None,
    ks: Sequence[int] = (),
    level: float = 0.95,
    seed: int = 0,
    skip: bool = False,
) -> dict[str, Any]:
    """The analysis of all samples in `paths`, which are one set; see docs/analyse.md for what the files may hold.

    `fields` names fields that are called otherwise, `where` keeps the rows with these values, `metric` and `filtered` choose in
    logs of lm-eval and inspect_ai, `skip` leaves bad rows out. Raises `InputError` for what cannot be used.
    """
    gathering = Gathering(Fields(fields or {}), where, grader, skip)
    recording = await gathering.recording(paths, metric, filtered)
    name = ", ".join(path.name for path in paths)
    return analysed(recording, name, ks=ks, level=level, seed=seed)


def analysed(recording: Recording, name: str, *, ks: Sequence[int] = (), level: float = 0.95, seed: int = 0) -> dict[str, Any]:
    """The result for a recording; without `ks`, a grid up to the most samples that half of the problems have."""
    sizes, notes = _grid(recording, ks), list(recording.notes)
    lines, errors = _lines(recording, sizes, seed, notes)
    limits = {(line.name, line.by): _limits(line.values, level) for line in lines}
    few = int(recording.sizes.min())
    if few < sizes[-1]:
        notes.append(
            f"problems have {few} to {recording.sizes.max()} samples: beyond {few}, `counts` says how many problems each k has"
        )
    coverage = lines[0]
    result: dict[str, Any] = {
        "problems": len(recording.problems),
        "samples": recording.samples,
        "pass": _by_k(sizes, coverage.values),
        "majority": next((_by_k(sizes, one.values) for one in lines if one.name == "self-consistency"), {}),
        "weighted": {one.by: _by_k(sizes, one.values) for one in lines if one.name == "weighted-vote"},
        "best": {one.by: _by_k(sizes, one.values) for one in lines if one.name == "best-of-n"},
        "auc": {},
        "early_stopping": early_stopping(recording, seed),
        "fits": _fits(lines, sizes, few),
        "intervals": _intervals(lines, limits, sizes),
        "counts": {str(k): int((recording.sizes >= k).sum()) for k in sizes},
        "calibration": {},
        "auc_within": {},
        "notes": notes,
    }
    if recording.correct is not None:
        for kind, values in recording.scores.items():
            result["auc"][kind] = auc(values, recording.correct)
            result["auc_within"][kind] = auc_within(values, recording.correct, recording.starts, recording.sizes)
            result["calibration"][kind] = calibration(values, recording.correct)
    return result | _drawn(recording, name, lines, limits, sizes, level, errors)


def _grid(recording: Recording, ks: Sequence[int]) -> list[int]:
    reach = int(np.sort(recording.sizes)[len(recording.sizes) // 2])
    if not ks:
        return sorted({k for k in _KS if k <= reach} | {reach, int(recording.sizes.min())})
    if min(ks) < 1 or max(ks) > recording.sizes.max():
        raise InputError(f"no problem has {max(ks)} samples, the most is {recording.sizes.max()}: give ks from 1 to that")
    return sorted(set(ks))


def _lines(recording: Recording, ks: Sequence[int], seed: int, notes: list[str]) -> tuple[list[Line], float]:
    """Coverage first, then every rule of choice that the recording allows; and the largest error of a vote's random orders."""
    correct, classes, worst = recording.correct, recording.classes, 0.0
    if correct is None or np.all((correct == 0) | (correct == 1)):
        lines = [Line("coverage", None, pass_at_k(recording.sizes, recording.hits, ks))]
    else:
        lines = [Line("coverage", None, _blockwise(recording, ks, lambda at, sizes: best_of_k(correct[at], correct[at], sizes)))]
        notes.append("verdicts are not all right or wrong: `pass` is the expected best verdict of k")
    if correct is None:
        return lines, worst

    def voted(votes: Floats | None) -> Floats:
        nonlocal worst
        draws = int(np.clip(_ORDERS // len(recording.problems), 50, 2_000))

        def block(at: Any, sizes: Sequence[int]) -> Floats:
            nonlocal worst
            assert classes is not None
            values, errors = majority_at_k(classes[at], correct[at], sizes, None if votes is None else votes[at], draws, seed)
            worst = max(worst, float(errors.max(initial=0.0)))
            return values

        return _blockwise(recording, ks, block)

    if classes is not None:
        lines.append(Line("self-consistency", None, voted(None)))
    for kind, scores in recording.scores.items():
        lines.append(
            Line("best-of-n", kind, _blockwise(recording, ks, lambda at, sizes, of=scores: best_of_k(of[at], correct[at], sizes)))
        )
        if classes is not None:
            votes, how = weights(scores)
            if how is not None:
                notes.append(f"some scores by {kind} are below 0: they weigh {how}(score) in a vote")
            lines.append(Line("weighted-vote", kind, voted(votes)))
    return lines, worst


def _blockwise(recording: Recording, ks: Sequence[int], estimate: Any) -> Floats:
    """`estimate(places, ks)` for the problems of each number of samples; NaN for ks beyond it."""
    values = np.full((len(recording.problems), len(ks)), np.nan)
    for rows, places in recording.blocks():
        within = [k for k in ks if k <= places.shape[1]]
        if within:
            values[rows[:, None], np.arange(len(within))] = estimate(places, within)
    return values


def _limits(values: Floats, level: float) -> list[list[float] | None]:
    """Each k's interval over the problems that have so many samples; None for fewer than two."""
    if not np.isnan(values).any():
        pairs = list(zip(*interval(values, level), strict=True))
    else:
        pairs = []
        for column in values.T:
            (low,), (high,) = interval(column[~np.isnan(column)][:, None], level)
            pairs.append((low, high))
    return [None if np.isnan(low) else [float(low), float(high)] for low, high in pairs]


def _by_k(ks: Sequence[int], values: Floats) -> dict[str, float]:
    return {str(k): float(np.nanmean(column)) for k, column in zip(ks, values.T, strict=True)}


def _intervals(lines: Sequence[Line], limits: Mapping[Any, list[list[float] | None]], ks: Sequence[int]) -> dict[str, Any]:
    """The limits under the names of the values: pass{k}, majority{k}, weighted{by: {k}}, best{by: {k}}."""
    named: dict[str, Any] = {"pass": {}, "majority": {}, "weighted": {}, "best": {}}
    keys = {"coverage": "pass", "self-consistency": "majority", "weighted-vote": "weighted", "best-of-n": "best"}
    for line in lines:
        pairs = dict(zip(map(str, ks), limits[line.name, line.by], strict=True))
        if line.by is None:
            named[keys[line.name]] = pairs
        else:
            named[keys[line.name]][line.by] = pairs
    return named


def _fits(lines: Sequence[Line], ks: Sequence[int], most: int) -> list[dict[str, Any]]:
    """Laws for every curve, over the ks that all problems have, and what each predicts beyond."""
    within = [place for place, k in enumerate(ks) if k <= most]
    if len(within) > _FITTED:
        within = [within[round(place)] for place in np.linspace(0, len(within) - 1, _FITTED)]
    fitted, rows = [float(ks[place]) for place in within], []
    for line in lines:
        family, quantity = (laws.COVERAGE, "oracle") if line.name == "coverage" else (laws.SELECTED, "selected")
        label = "any" if line.name == "coverage" else line.name if line.by is None else f"{line.name} ({line.by})"
        for row in laws.table(label, quantity, fitted, line.values[:, within], family):
            found = laws.Fit(row["law"], row["a"], row["b"], limit=row["limit"])
            rows.append(row | {"predicted": {str(k): found.predict(k) for k in (far * ks[-1] for far in FAR)}})
    return rows


def _drawn(
    recording: Recording,
    name: str,
    lines: Sequence[Line],
    limits: Mapping[Any, list[list[float] | None]],
    ks: Sequence[int],
    level: float,
    error: float,
) -> dict[str, Any]:
    """What the report and the terminal draw, under the names that `ponder scale` gives."""
    coverage, each = lines[0].values, None if recording.tokens is None else float(np.nanmean(recording.tokens))
    oracle, mean = np.nanmean(coverage, axis=0), float(np.mean(recording.hits / recording.sizes))
    chosen = lines[1:] or lines[:1]
    curves = []
    for line in chosen:
        selected = None if line is lines[0] else np.nanmean(line.values, axis=0)
        points: list[dict[str, Any]] = [
            {
                "n": k,
                "tokens": None if each is None else k * each,
                "seconds": None,
                "selected": None if selected is None else float(selected[at]),
                "oracle": float(oracle[at]),
                "mean": mean,
                "interval": None if selected is None else limits[line.name, line.by][at],
            }
            for at, k in enumerate(ks)
        ]
        curves.append({"strategy": line.name, "parameters": {"by": line.by} if line.by else {}, "points": points})
    settings = {"level": level, "grader": recording.grader, "vote_error": error, "tokens_a_sample": each}
    result = {"task": name, "model": recording.model or "recorded samples", "settings": settings, "curves": curves}
    return result | {"ranking": _ranking(chosen, ks, level) if len(lines) > 2 else []}


def _ranking(lines: Sequence[Line], ks: Sequence[int], level: float) -> list[dict[str, Any]]:
    """The rules of choice at the most samples that all problems have, with p-values corrected for their being many."""
    place = int(np.flatnonzero(~np.isnan(lines[0].values).any(axis=0))[-1])
    names = [str(number) for number in range(len(lines))]
    rows = []
    for one in ranked(names, [line.values[:, place] for line in lines], level):
        told = {"mean": one.mean, "interval": one.interval, "behind": one.behind, "behind_interval": one.behind_interval}
        rows.append({"curve": int(one.name), "n": ks[place]} | told | {"p": one.p, "adjusted": one.adjusted, "tied": one.tied})
    return rows
