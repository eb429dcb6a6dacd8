"""Accuracy by difficulty: problems in bins from easy to hard, by what is known afterwards and by what can be told before.

*Oracle* bins take each problem's measured pass rate, which nobody has before solving it. *Predicted* bins take an estimator's
guess, from the text or from a probe of a few samples, learnt on the other half of the problems. The two are never mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ponder.errors import InputError
from ponder.lab.bank import Bank
from ponder.lab.intervals import interval
from ponder.lab.statistics import Floats
from ponder.policy import difficulty
from ponder.policy.difficulty import Kind

BINS, MEMBERS, PROBE = 5, 4, 4
"""At most so many bins of at least about so many problems."""
_LEAST = 20  # problems for which a prediction can be learnt on one half and used on the other


def strata(bank: Bank, accuracies: Sequence[Floats], seed: int = 0) -> list[dict[str, Any]]:
    """`accuracies` (problems,) of each strategy by bin of each kind of difficulty: oracle, predicted from the text or a probe.

    [{kind, reads, bins: [{low, high, problems, mean, selected: [[value, low, high] or None]}]}]; `mean` is one sample's accuracy,
    limits are 95 % intervals over the bin's problems (None: fewer than two). Too few problems to predict from: only the oracle's.
    """
    told = [("oracle", "all samples' grades", (1 - bank.correct.mean(axis=1)).tolist())]
    if len(bank.problems) >= _LEAST:
        probe = min(PROBE, bank.correct.shape[1] // 2)
        told.append(("predicted", "the problem's text", predicted(bank, "text", 0, seed)))
        if probe:
            told.append(
                ("predicted", f"a probe of {probe} sample{'s' if probe > 1 else ''}", predicted(bank, "probe", probe, seed))
            )
    return [{"kind": kind, "reads": reads, "bins": _binned(values, bank, accuracies)} for kind, reads, values in told]


def predicted(bank: Bank, kind: Kind, probe: int, seed: int = 0) -> list[float | None]:
    """Each problem's difficulty by an estimator that was learnt on the other half of the problems; None where it cannot tell."""
    order = np.random.default_rng(seed).permutation(len(bank.problems))
    told: list[float | None] = [None] * len(order)
    for half in range(2):
        learnt, used = order[half::2], order[1 - half :: 2]
        try:
            estimator = difficulty.fit(
                kind, [bank.problems[row] for row in learnt], [bank.candidates[row] for row in learnt], bank.correct[learnt], probe,
                seed=seed,
            )  # fmt: skip
        except InputError:  # too many draws failed for a probe: these stay unknown
            continue
        for row in used:
            told[row] = estimator(bank.problems[row], bank.candidates[row])
    return told


def _binned(values: Sequence[float | None], bank: Bank, accuracies: Sequence[Floats]) -> list[dict[str, Any]]:
    """Bins of about equally many problems whose difficulty is known."""
    edges = difficulty.bins(values, min(BINS, max(1, len(values) // MEMBERS)))
    places = np.array([-1 if value is None else difficulty.bin_of(edges, value) for value in values])
    limits = [0.0, *edges, 1.0]
    rows = []
    for place in range(len(edges) + 1):
        members = np.flatnonzero(places == place)
        if len(members):
            found = {"low": limits[place], "high": limits[place + 1], "problems": len(members)}
            found["mean"] = float(bank.correct[members].mean())
            rows.append(found | {"selected": [_mean(one[members]) for one in accuracies]})
    return rows


def _mean(accuracy: Floats) -> list[float | None]:
    (low,), (high,) = interval(accuracy[:, None])
    limits = [None if np.isnan(limit) else float(limit) for limit in (low, high)]
    return [float(accuracy.mean()), *limits]
