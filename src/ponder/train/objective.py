"""The objectives of reinforcement learning as what they are at each token: a number times the gradient of its log-probability.

So a loss is `-(slope * logprob).sum()`, with the slopes of this module as constants, and everything that tells GRPO, Dr. GRPO, DAPO
and PPO apart is arithmetic on arrays that needs no automatic differentiation. Arrays are (samples, tokens), masks say which tokens
were drawn.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Average = Literal["sample", "token", "constant"]


@dataclass(frozen=True, slots=True)
class Objective:
    """Clip bounds 1 - `low` and 1 + `high`, `dual` (a negative advantage counts at most `dual` times; None: without bound), how the
    tokens are averaged, and `beta`, the weight of the divergence from the reference model."""

    low: float = 0.2
    high: float = 0.2
    dual: float | None = None
    average: Average = "token"
    beta: float = 0.0


PRESETS = {
    "grpo": Objective(average="sample", beta=0.04),
    "dr-grpo": Objective(average="constant"),
    "dapo": Objective(high=0.28),
    "rloo": Objective(average="sample"),
    "reinforce++": Objective(),
    "ppo": Objective(dual=3.0),
}
"""The published settings: DeepSeekMath, Liu et al. 2025, Yu et al. 2025, Ahmadian et al. 2024, Hu 2025, Schulman et al. 2017 with
the dual clip of Ye et al. 2020."""


def surrogate(ratio: ArrayLike, advantage: ArrayLike, objective: Objective) -> tuple[Floats, Floats]:
    """min(ratio A, clip(ratio) A) at each token, and its slope by the log-probability: ratio A, or 0 where the clip holds.

    The clip holds on one side only: above for a positive advantage, below for a negative one.
    """
    rho, gain = np.broadcast_arrays(np.asarray(ratio, float), np.asarray(advantage, float))
    plain, clipped = rho * gain, np.clip(rho, 1 - objective.low, 1 + objective.high) * gain
    value, slope = np.minimum(plain, clipped), np.where(plain <= clipped, plain, 0.0)
    if objective.dual is not None:
        floor = objective.dual * gain
        bound = (gain < 0) & (value < floor)
        value, slope = np.where(bound, floor, value), np.where(bound, 0.0, slope)
    return value, slope


def k3(logprob: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    """Schulman's estimate of KL(policy || reference), q/p - log(q/p) - 1 >= 0, and its slope by the policy's log-probability."""
    gap = np.asarray(reference, float) - np.asarray(logprob, float)
    return np.expm1(gap) - gap, -np.expm1(gap)


def shares(mask: ArrayLike, average: Average, longest: int | None = None) -> Floats:
    """What each token counts, so that the objective is the sum of shares times values.

    `sample`: the mean over samples of the mean over their tokens (GRPO: a token of a long answer counts less). `token`: the mean
    over the batch's tokens (DAPO). `constant`: over samples times `longest`, the most tokens that an answer can have (Dr. GRPO).
    """
    drawn: Floats = np.asarray(mask, float)
    if average == "token":
        counted: Floats = drawn / max(drawn.sum(), 1.0)
    elif average == "sample":
        counted = drawn / np.maximum(drawn.sum(1, keepdims=True), 1.0) / len(drawn)
    else:
        counted = drawn / (len(drawn) * (longest or drawn.shape[1]))
    return counted


def slopes(
    logprob: ArrayLike,
    old: ArrayLike,
    advantage: ArrayLike,
    mask: ArrayLike,
    objective: Objective,
    reference: ArrayLike | None = None,
    longest: int | None = None,
) -> tuple[float, Floats]:
    """The objective's value, and its slope by each token's log-probability (samples, tokens).

    `logprob` is the policy's now, `old` that of the policy that drew; `advantage` is (samples, 1) or one a token; `longest` is that
    of `shares`.
    """
    drawn = np.asarray(mask, bool)
    ratio = np.exp(np.where(drawn, np.asarray(logprob, float) - np.asarray(old, float), 0.0))
    value, slope = surrogate(ratio, advantage, objective)
    if reference is not None and objective.beta:
        away, pull = k3(np.where(drawn, logprob, 0.0), np.where(drawn, reference, 0.0))
        value, slope = value - objective.beta * away, slope - objective.beta * pull
    counted = shares(drawn, objective.average, longest)
    return float((counted * value).sum()), counted * slope
