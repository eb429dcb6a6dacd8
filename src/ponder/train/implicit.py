"""The reward model that a policy is already: how much likelier it finds a step than its reference does (Yuan et al. 2024, arXiv
2412.01981).

A policy that was trained on outcomes alone, by DPO or cross-entropy on beta times its log-ratio to the reference, has a value for
every step: nobody labelled one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ponder.errors import InputError

Floats = NDArray[np.float64]


def implicit(
    policy: Sequence[float] | Floats, reference: Sequence[float] | Floats, ends: Sequence[int], beta: float = 0.05
) -> Floats:
    """The reward of each step, (steps,): beta times the sum over its tokens of log policy - log reference.

    `policy` and `reference` (tokens,) are the log-probabilities of a solution's tokens; `ends` the number of tokens up to the end
    of each step, rising. The rewards' running sum is q, the value after each step, and their sum the reward of the solution. Raises
    InputError for lengths that differ, and for ends that do not rise to the last token.
    """
    ratios = np.asarray(policy, float), np.asarray(reference, float)
    if ratios[0].shape != ratios[1].shape:
        counts = " and ".join(str(one.size) for one in ratios)
        raise InputError(f"{counts} log-probabilities of policy and reference; give those of the same tokens")
    if not ends or min(np.diff([0, *ends])) < 1 or ends[-1] != len(ratios[0]):
        raise InputError(f"the ends {list(ends)} of the steps do not rise to the {len(ratios[0])} tokens of the solution")
    return beta * np.add.reduceat(ratios[0] - ratios[1], [0, *ends[:-1]])


def chances(rewards: Floats) -> Floats:
    """The chance that a solution is right as known after each step, (steps,): the sigmoid of q, as the model was trained to give it
    for whole solutions by cross-entropy."""
    return np.asarray(1 / (1 + np.exp(-np.cumsum(rewards))))
