"""How sure a model was of its own words: read from the log-probabilities of its tokens, with no second model and no reference.

`groups` and `pooled` are DeepConf's windows (Fu et al. 2025) over any value a token. DeepConf's own, `token_confidence`, needs the
likeliest tokens of each place, and `self_certainty` (Kang et al. 2025) the whole vocabulary. A sample holds the log-probabilities
of the tokens that were drawn, and those are what the verifier pools.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp
from statistics import fmean
from typing import Any

from ponder.errors import InputError
from ponder.types import Problem, Reads, Sample, Score

WINDOW = 2048
HOWS = ("mean", "lowest", "bottom", "tail")


@dataclass(frozen=True, slots=True)
class Confidence:
    """The geometric mean of the probabilities that the model gave its own tokens, over the part of the sample that `how` names.

    `how` as in `pooled`. Departs from DeepConf: the value of a token is the log-probability of the drawn token, not the mean one of
    the 20 likeliest, so that any engine that gives log-probabilities will do; and e to its mean, which is a probability, is the
    score. Only the drawn text counts, not a prefix. Raises InputError for an unknown `how` or an empty window.
    """

    how: str = "mean"
    window: int = WINDOW
    reads: Reads = "nothing"
    logprobs: bool = True

    def __post_init__(self) -> None:
        if self.how not in HOWS:
            raise InputError(f"there is no confidence {self.how!r}; take one of {', '.join(HOWS)}")
        if self.window < 1:
            raise InputError(f"a window of {self.window} tokens holds nothing; give 1 or more")

    @property
    def name(self) -> str:
        return f"confidence:{self.how}"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:  # noqa: ARG002 - a `Verifier`
        return [self._judge(sample) for sample in samples]

    def _judge(self, sample: Sample) -> Score:
        if sample.error is not None:
            return Score(None, error=f"the draw failed: {sample.error}")
        if not sample.logprobs:
            return Score(None, error="the sample has no log-probabilities")
        return Score(exp(min(0.0, pooled(sample.logprobs, self.how, self.window))))


def groups(values: Sequence[float], window: int = WINDOW) -> list[float]:
    """The mean of every `window` values in a row, stride 1; the one mean of all if there are no more than that.

    DeepConf's group confidence, where a value is a token's confidence; window 2048 as published.
    """
    if len(values) <= window:
        return [fmean(values)]
    sums = list(accumulate(values, initial=0.0))
    return [(after - before) / window for before, after in zip(sums, sums[window:], strict=False)]


def pooled(values: Sequence[float], how: str, window: int = WINDOW) -> float:
    """One number for a trace of token values, higher is surer; of a trace shorter than the window, always the mean.

    `mean` of all; `lowest` window; `bottom`: the mean of the lowest tenth of the windows, at least one; `tail`: the last window.
    """
    if how == "mean":
        return fmean(values)
    if how == "tail":
        return fmean(values[-window:])
    means = sorted(groups(values, window))
    return means[0] if how == "lowest" else fmean(means[: max(1, len(means) // 10)])


def token_confidence(top: Sequence[float]) -> float:
    """DeepConf's confidence in nats of one place: minus the mean log-probability of its `k` likeliest tokens (k = 20 there).

    Higher is surer: a peak starves the other tokens. Uniform over V >= k tokens it is log V.
    """
    return -fmean(top)


def self_certainty(logprobs: Any) -> float:
    """Mean KL divergence in nats of the uniform distribution from the model's: -(1/nV) sum of log(V p), 0 if all are uniform.

    `logprobs` is an array (n places, V tokens) of natural log-probabilities, the whole vocabulary in each row.
    """
    import numpy as np

    rows = np.asarray(logprobs, dtype=np.float64)
    return float(-rows.mean() - np.log(rows.shape[1]))
