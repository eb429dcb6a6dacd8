"""What a score is worth: whether it ranks right above wrong, whether it means what it says, and what it weighs in a vote."""

from __future__ import annotations

from typing import Any

import numpy as np

from ponder.lab.statistics import Floats, Ints
from ponder.policy.calibration import brier, expected_calibration_error, reliability


def auc(scores: Floats, correct: Floats) -> float | None:
    """The chance that a right sample scores above a wrong one, ties counting half; None where one kind is missing.

    Over all samples, of whatever problem: (samples,) each, unscored (NaN) ones left out. Verdicts of 1/2 and more are right.
    """
    from scipy.stats import rankdata

    known = ~np.isnan(scores)
    right = correct[known] >= 0.5
    hits, misses = int(right.sum()), int((~right).sum())
    if not hits or not misses:
        return None
    ranks = rankdata(scores[known])
    return float((ranks[right].sum() - hits * (hits + 1) / 2) / (hits * misses))


def auc_within(scores: Floats, correct: Floats, starts: Ints, sizes: Ints) -> float | None:
    """The mean over problems of `auc` among a problem's own samples, which is what a choice among them rests on."""
    parts = (slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
    values = [value for part in parts if (value := auc(scores[part], correct[part])) is not None]
    return float(np.mean(values)) if values else None


def calibration(scores: Floats, correct: Floats) -> dict[str, Any] | None:
    """Calibration error, Brier score and the reliability curve [[mean score, mean correct, count], …]; None for scores that are no
    probabilities."""
    known = ~np.isnan(scores)
    if not known.any() or np.any((scores[known] < 0) | (scores[known] > 1)):
        return None
    predicted, happened = scores[known].tolist(), correct[known].tolist()
    rows = [list(row) for row in reliability(predicted, happened)]
    return {"error": expected_calibration_error(predicted, happened), "brier": brier(predicted, happened), "reliability": rows}


def weights(scores: Floats) -> tuple[Floats, str | None]:
    """Weights >= 0 for a vote, and how they were made where the scores are not so themselves: e^s for log-probabilities, all <= 0,
    and 1 / (1 + e^-s) for other scores below 0, such as rewards."""
    known = scores[~np.isnan(scores)]
    if not known.size or known.min() >= 0:
        return scores, None
    if known.max() <= 0:
        return np.exp(scores), "exp"
    return 1 / (1 + np.exp(-np.clip(scores, -500, 500))), "sigmoid"
