"""Objectives against their closed forms: every slope here is also the derivative of its value."""

import numpy as np
import pytest

from ponder.train.objective import PRESETS, Objective, k3, shares, slopes, surrogate


def test_k3_as_published():
    assert k3(-1, -1.5)[0] == pytest.approx(0.10653, abs=5e-6)
    assert k3(-1, -0.5)[0] == pytest.approx(0.14872, abs=5e-6)
    assert k3(-2.3, -2.3)[0] == 0
    assert (k3(np.full(101, -1.0), np.linspace(-6, -0.01, 101))[0] >= 0).all()


def test_k3_is_the_divergence_on_average_over_the_policy():
    policy, reference = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    value, slope = k3(np.log(policy), np.log(reference))
    assert policy @ value == pytest.approx(policy @ np.log(policy / reference))
    assert policy @ slope == pytest.approx(0)  # policy - reference sums to nothing


def test_the_clip_holds_on_the_right_side_only():
    ratios = np.array([0.5, 0.79, 0.81, 1.0, 1.19, 1.21, 1.27, 1.29, 2.0])
    _, gain = surrogate(ratios, 1.0, PRESETS["grpo"])
    assert (gain == 0).tolist() == [False] * 5 + [True] * 4
    _, loss = surrogate(ratios, -1.0, PRESETS["grpo"])
    assert (loss == 0).tolist() == [True] * 2 + [False] * 7
    _, higher = surrogate(ratios, 1.0, PRESETS["dapo"])
    assert (higher == 0).tolist() == [False] * 7 + [True] * 2
    value, slope = surrogate(ratios, -1.0, PRESETS["ppo"])
    assert surrogate([5.0], -1.0, PRESETS["ppo"]) == (-3.0, 0.0)  # the dual clip: no worse than 3 A
    assert (value == np.minimum(-ratios, -np.clip(ratios, 0.8, 1.2))).all()
    assert (slope == 0).tolist() == [True] * 2 + [False] * 7


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_slopes_are_derivatives(name):
    rng = np.random.default_rng(0)
    objective = Objective(*[getattr(PRESETS[name], part) for part in ("low", "high", "dual", "average")], beta=0.1)
    shape = (3, 5)
    logprob, old, reference = (rng.normal(-1, 0.4, shape) for _ in range(3))
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], bool)
    gain = rng.normal(size=(3, 1))
    _, slope = slopes(logprob, old, gain, mask, objective, reference)
    for place in np.ndindex(shape):
        nudge = np.zeros(shape)
        nudge[place] = 1e-6
        above, below = (slopes(logprob + way * nudge, old, gain, mask, objective, reference)[0] for way in (1, -1))
        assert slope[place] == pytest.approx((above - below) / 2e-6, abs=1e-6)
    assert not slope[~mask].any()


def test_what_a_token_counts():
    """Under GRPO a token of a long wrong answer is punished less than one of a short one; not under DAPO and Dr. GRPO."""
    mask = np.array([[1, 1, 1, 1], [1, 0, 0, 0]], bool)
    assert shares(mask, "sample")[:, 0].tolist() == [1 / 8, 1 / 2]
    assert shares(mask, "token")[:, 0].tolist() == [1 / 5, 1 / 5]
    assert shares(mask, "constant", 10)[:, 0].tolist() == [1 / 20, 1 / 20]
    assert shares(mask, "sample").sum() == shares(mask, "token").sum() == 1


def test_an_equal_group_moves_nothing():
    _, slope = slopes(np.full((2, 3), -1.0), np.full((2, 3), -1.0), np.zeros((2, 1)), np.ones((2, 3), bool), PRESETS["dapo"])
    assert not slope.any()
