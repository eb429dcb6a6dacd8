"""PPO beside GRPO: a second network, the critic, says what every token was worth, where GRPO asks the other answers of its group.

Draws, updates and checkpoints are those of `grpo`; what is added is what PPO costs more. Departs from RLHF's PPO (Ouyang et al.
2022) in that the KL to the reference stands in the loss, as in GRPO, and not in the rewards.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.train import advantage, grpo
from ponder.train.grpo import Lesson, Plan, Rollouts, apart, lesson, packs, rows

import torch  # isort: skip - behind grpo, whose error names the extra

Floats = NDArray[np.float64]


class Critic(torch.nn.Module):  # type: ignore[misc]  # mypy does not read torch
    """The body of a policy, copied, with one number for each place instead of a token: at first 0, what is known of nothing."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.body = copy.deepcopy(policy.model)
        self.head = torch.nn.Linear(policy.config.hidden_size, 1, bias=False)
        torch.nn.init.zeros_(self.head.weight)

    def forward(self, tokens: Any) -> Any:
        """What is to come behind each place of `tokens` (rows, width): (rows, width)."""
        return self.head(self.body(input_ids=tokens).last_hidden_state)[..., 0]


def values(critic: Critic, batch: Sequence[Lesson]) -> list[NDArray[np.float32]]:
    """What the critic expects before each token of the answers."""
    found = []
    with torch.no_grad():
        for part in packs(batch):
            tokens, _, _, mask = rows(part)
            found += apart(critic(torch.from_numpy(tokens))[:, :-1][torch.from_numpy(mask)].numpy(), part)
    return found


def gains(rewards: Sequence[float], expected: Sequence[NDArray[np.float32]]) -> tuple[Floats, Floats]:
    """Advantages (`advantage.gae`) and returns of the answers' tokens, one answer behind the other; `rewards`, one an answer, come
    with the last token."""
    sizes = np.array([len(one) for one in expected])
    drawn = np.arange(sizes.max()) < sizes[:, None]
    paid, worth = np.zeros(drawn.shape), np.zeros(drawn.shape)
    paid[np.arange(len(sizes)), sizes - 1], worth[drawn] = rewards, np.concatenate(expected)
    found = advantage.gae(paid, worth)
    return found[drawn], (found + worth)[drawn]


def fit(critic: Critic, optimizer: Any, batch: Sequence[Lesson], returns: Sequence[Floats]) -> float:
    """One optimizer step of the critic toward the returns; the mean squared error before it."""
    drawn, error = sum(map(len, returns)), 0.0
    left = iter(returns)
    for part in packs(batch):
        tokens, _, _, mask = rows(part)
        wanted = np.concatenate([next(left) for _ in part])
        expected = critic(torch.from_numpy(tokens))[:, :-1][torch.from_numpy(mask)]
        loss = ((expected - torch.from_numpy(wanted).float()) ** 2).sum() / drawn
        loss.backward()
        error += float(loss.detach())
    torch.nn.utils.clip_grad_norm_(critic.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return error


def lessons(critic: Critic, optimizer: Any, rollouts: Rollouts, plan: Plan) -> tuple[list[Lesson], dict[str, float]]:
    """Every answer whose reward is known, the advantages whitened over the step's tokens; and the critic is moved toward what
    came."""
    paid = rollouts.rewards.ravel()
    known = np.flatnonzero(~np.isnan(paid))
    found = [lesson(rollouts, plan, at) for at in known.tolist()]
    ahead, returns = gains(paid[known].tolist(), values(critic, found))
    told = {"value_error": fit(critic, optimizer, found, apart(returns, found)), "return_variance": float(returns.var())}
    taught = zip(found, apart(advantage.whitened(ahead), found), strict=True)
    return [replace(one, advantage=gain) for one, gain in taught], told


def learn(model: Any, plan: Plan, folder: Path, told: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
    """`grpo.learn` with a critic, which learns at the policy's height of the rate; each line tells its squared error too."""
    critic = Critic(model)
    optimizer = grpo.optimizer_of(critic, plan)
    grpo.learn(
        model,
        plan,
        folder,
        told,
        lambda rollouts, plan, _: lessons(critic, optimizer, rollouts, plan),
        {"critic": critic, "critic_optimizer": optimizer},
    )
