"""Advantages against their closed forms."""

from math import comb

import numpy as np
import pytest

from ponder.errors import InputError
from ponder.train import advantage

REWARDS = np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [0.0] * 8, [0.2, 0.9, 0.4, 0.4, 1.0, 0.0, 0.3, 0.8]])


@pytest.mark.parametrize("law", [advantage.grpo, advantage.dr_grpo, advantage.rloo])
def test_a_groups_advantages_sum_to_nothing_and_an_equal_group_teaches_nothing(law):
    gains = law(REWARDS)
    assert gains.sum(1) == pytest.approx([0, 0, 0], abs=1e-12)
    assert not gains[1].any()
    assert advantage.mixed(REWARDS).tolist() == [True, False, True]


def test_grpo_divides_by_the_groups_deviation():
    gains = advantage.grpo([[1, 0, 0, 0]], epsilon=0)
    assert gains[0] == pytest.approx([1.5, -0.5, -0.5, -0.5])  # std with n - 1 is .5
    assert advantage.grpo([[1, 0, 0, 0]], ddof=0, epsilon=0)[0] == pytest.approx([3**0.5, *[-(3**-0.5)] * 3])


def test_dr_grpo_weighs_all_prompts_alike_and_grpo_the_extreme_ones_more():
    """One of n right: the right sample's advantage is 1 - 1/n without the division, and grows with n like sqrt(n) with it."""
    rare, even = np.eye(1, 16), np.array([[1.0, 0.0] * 8])
    assert advantage.dr_grpo(rare)[0, 0] == 1 - 1 / 16
    assert advantage.grpo(rare, epsilon=0)[0, 0] == pytest.approx(15 / 16 * 4)
    assert advantage.grpo(even, epsilon=0)[0, 0] == pytest.approx((15 / 16) ** 0.5)


def test_rloo_is_the_reward_less_the_mean_of_the_others():
    row = REWARDS[2]
    others = [row[index] - np.delete(row, index).mean() for index in range(8)]
    assert advantage.rloo(REWARDS)[2] == pytest.approx(others)


def test_rloo_is_reinforce_in_expectation():
    """A policy of one coin: over all outcomes of 3 tosses, the mean of sum A_i d log p(y_i) is 3 times d E[r], in closed form."""
    chance = 0.3
    score = {1: 1 / chance, 0: -1 / (1 - chance)}
    total = {"rloo": 0.0, "dr_grpo": 0.0}
    for outcome in np.ndindex(2, 2, 2):
        likelihood = np.prod([chance if toss else 1 - chance for toss in outcome])
        for name in total:
            gains = getattr(advantage, name)([outcome])[0]
            total[name] += likelihood * sum(gain * score[toss] for gain, toss in zip(gains, outcome, strict=True))
    assert total["rloo"] == pytest.approx(3.0)
    assert total["dr_grpo"] == pytest.approx(2.0)  # (n - 1) / n of it: a constant factor


def test_reinforce_pp_is_what_is_to_come_whitened_over_the_batch():
    mask = np.array([[True, True, True], [True, True, False]])
    kl = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 9.0]])
    gains = advantage.reinforce_pp([1.0, 0.0], kl, mask, beta=0.5)
    coming = np.array([1 - 0.3, 1 - 0.25, 1 - 0.15, -0.45, -0.25])
    assert gains[mask] == pytest.approx((coming - coming.mean()) / coming.std())
    assert gains[1, 2] == 0
    assert gains[mask].mean() == pytest.approx(0, abs=1e-12)


def test_reinforce_pp_baseline_centres_the_group_and_scales_by_the_batch():
    gains = advantage.reinforce_pp_baseline(REWARDS)
    centred = REWARDS - REWARDS.mean(1, keepdims=True)
    assert gains == pytest.approx(centred / centred.std())
    assert gains[1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_pass_at_k_is_the_published_reward_less_its_mean(k):
    n = 8
    for right in range(n + 1):
        verdicts = np.array([1.0] * right + [0.0] * (n - right))
        worth = np.where(verdicts == 1, 1.0, 1 - comb(n - 1 - right, k - 1) / comb(n - 1, k - 1) if right < n else 0.0)
        assert advantage.pass_at_k([verdicts], k)[0] == pytest.approx(worth - worth.mean(), abs=1e-12)


def test_pass_at_k_lets_easy_prompts_fade():
    gains = [advantage.pass_at_k([[1.0] * right + [0.0] * (16 - right)], 4)[0] for right in (1, 4, 8, 13)]
    slopes = [gain[0] - gain[-1] for gain in gains]
    assert slopes == pytest.approx([comb(14, 3) / 455, comb(11, 3) / 455, comb(7, 3) / 455, 0])
    with pytest.raises(InputError, match="verdicts"):
        advantage.pass_at_k([[0.5, 1.0]], 2)


def test_credit_by_steps_is_unbiased_and_quieter():
    """Two coins one after the other, right where both fall on 1: over all groups of 3, the mean of sum A d log p is the gradient of
    the chance to be right (times 3), for either coin; and it varies less than with one advantage a sample."""
    first, second = 0.3, 0.6

    def score(toss, chance):
        return 1 / chance if toss else -1 / (1 - chance)

    means, squares = np.zeros((2, 2)), np.zeros((2, 2))
    tosses = [(a, b) for a in (0, 1) for b in (0, 1)]
    for group in np.ndindex(4, 4, 4):
        chains = [tosses[index] for index in group]
        likelihood = np.prod([(first if a else 1 - first) * (second if b else 1 - second) for a, b in chains])
        rewards = [a * b for a, b in chains]
        for law, gains in enumerate((advantage.by_steps(rewards, chains), advantage.rloo([rewards])[0][:, None].repeat(2, 1))):
            pull = sum(gain * [score(a, first), score(b, second)] for gain, (a, b) in zip(gains, chains, strict=True))
            means[law] += likelihood * pull
            squares[law] += likelihood * pull**2
    assert means == pytest.approx(np.array([[3 * second, 3 * first]] * 2))
    assert squares[0, 0] == pytest.approx(squares[1, 0])
    assert squares[0, 1] < 0.95 * squares[1, 1]


def test_a_step_after_a_hopeless_beginning_is_not_blamed():
    chains = [("bad", "x"), ("bad", "y"), ("bad", "z"), ("good", "x"), ("good", "y")]
    gains = advantage.by_steps([0, 0, 0, 1, 0], chains)
    assert gains[0] == pytest.approx([-1 / 4, -(0 + 1 / 4) / 3])
    assert gains[3] == pytest.approx([1, 1 - (0 + 0) / 2])
    assert gains[4] == pytest.approx([-1 / 4, -(1 + 1 / 4) / 2])


def test_branches_are_worth_what_is_got_there_and_add_up_to_the_answers_advantage():
    chains, rewards = [("bad", "x"), ("bad", "y"), ("bad", "z"), ("good", "x"), ("good", "y", "z")], [0, 0, 0, 1, 0]
    gains = advantage.by_branches(rewards, chains)
    assert gains[0] == pytest.approx([0 - 1 / 5, 0])
    assert gains[3] == pytest.approx([1 / 2 - 1 / 5, 1 - 1 / 2])
    assert gains[4] == pytest.approx([1 / 2 - 1 / 5, -1 / 2, 0])  # behind the error there is no blame
    assert [gain.sum() for gain in gains] == pytest.approx(advantage.dr_grpo([rewards])[0])


def test_gae_of_one_is_the_return_less_the_value_and_of_nothing_the_error_of_a_step():
    rewards, values = np.array([[0.0, 0.0, 1.0]]), np.array([[0.2, 0.5, 0.7]])
    assert advantage.gae(rewards, values, smoothing=1.0)[0] == pytest.approx([0.8, 0.5, 0.3])
    assert advantage.gae(rewards, values, smoothing=0.0)[0] == pytest.approx([0.3, 0.2, 0.3])
    assert advantage.gae(rewards, values, smoothing=0.5)[0] == pytest.approx([0.3 + 0.5 * 0.35, 0.2 + 0.15, 0.3])


def test_a_group_of_one_is_refused():
    with pytest.raises(InputError, match="at least 2"):
        advantage.grpo([[1.0]])
