"""Implicit rewards against their closed forms (Yuan et al. 2024, equations 2 and 4)."""

import numpy as np
import pytest

from ponder.errors import InputError
from ponder.train.implicit import chances, implicit

POLICY = np.log([0.5, 0.2, 0.9, 0.4, 0.8])
REFERENCE = np.log([0.25, 0.4, 0.9, 0.1, 0.8])


def test_a_step_is_worth_beta_times_its_log_ratio():
    """Steps of 1, 2 and 2 tokens, with the ratios 2, 1/2 and 4."""
    rewards = implicit(POLICY, REFERENCE, [1, 3, 5], beta=0.05)
    assert rewards == pytest.approx(0.05 * np.log([2, 0.5, 4]))
    assert rewards.sum() == pytest.approx(0.05 * (POLICY - REFERENCE).sum())  # the solution's own reward
    assert chances(rewards)[-1] == pytest.approx(4**0.05 / (1 + 4**0.05))  # sigmoid(beta log 4) = 4^beta / (1 + 4^beta)


def test_a_policy_that_is_its_reference_knows_nothing():
    rewards = implicit(POLICY, POLICY, [2, 5])
    assert rewards.tolist() == [0, 0]
    assert chances(rewards).tolist() == [0.5, 0.5]


def test_tokens_and_steps_must_fit():
    with pytest.raises(InputError, match="5 and 4 log-probabilities"):
        implicit(POLICY, REFERENCE[:4], [5])
    for ends in ([1, 4], [3, 3, 5], []):
        with pytest.raises(InputError, match="do not rise to the 5 tokens"):
            implicit(POLICY, REFERENCE, ends)
