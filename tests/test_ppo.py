"""PPO beside GRPO: its advantages against the closed form, that its critic learns, and what a step allocates more."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`: make test-train")
pytest.importorskip("transformers", reason="needs the extra `train`: make test-train")

from ponder.train import grpo, ppo  # noqa: E402
from ponder.train.objective import PRESETS  # noqa: E402
from test_grpo import plan, tiny  # noqa: E402


def test_the_critic_knows_nothing_at_first_and_gains_are_the_rewards_then():
    """With V = 0, GAE is the discounted sum (.95)^(T - 1 - t) r; with V = r, it is nothing, and returns are r."""
    ahead, returns = ppo.gains([1.0, 2.0], [np.zeros(3, np.float32), np.zeros(2, np.float32)])
    assert ahead == pytest.approx([0.95**2, 0.95, 1.0, 1.9, 2.0])
    assert returns == pytest.approx(ahead)
    ahead, returns = ppo.gains([1.0, 2.0], [np.ones(3, np.float32), np.full(2, 2.0, np.float32)])
    assert ahead == pytest.approx([0.0] * 5)
    assert returns == pytest.approx([1.0, 1.0, 1.0, 2.0, 2.0])
    model = tiny()
    assert not ppo.Critic(model)(torch.tensor([[1, 5, 9]])).any()


def test_the_critic_sees_what_will_be_paid():
    """The reward is decided by the first of 4 tokens: before it only the mean can be known, behind it everything. So the error can
    fall to a quarter of the variance, and what it says behind the first token tells right from wrong."""
    small = plan(rate=1e-2)
    drawn = grpo.draw(tiny(), small.problems()[:4], small, 16, seed=1)
    critic = ppo.Critic(tiny())
    optimizer = grpo.optimizer_of(critic, small)
    batch = [
        grpo.Lesson(drawn.prompts[at // 16], answer, drawn.logprobs[at], np.zeros(1), 1.0)
        for at, answer in enumerate(drawn.answers)
    ]
    paid = drawn.rewards.ravel()
    returns = [np.full(len(one.answer), reward) for one, reward in zip(batch, paid, strict=True)]
    for _ in range(40):
        error = ppo.fit(critic, optimizer, batch, returns)
    assert error < 0.5 * np.concatenate(returns).var()
    last = np.array([one[-1] for one in ppo.values(critic, batch)])
    assert last[paid == 1].min() > last[paid == 0].max()


def test_the_policy_learns_and_the_checkpoint_keeps_the_critic(tmp_path):
    ppo.learn(tiny(), plan(steps=12, prompts=8, rate=3e-2, objective=PRESETS["ppo"], keep=16), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert np.mean([line["reward"] for line in lines[-3:]]) > 0.6 > 0.5 > lines[0]["reward"]
    assert all(line["value_error"] >= 0 for line in lines)
    assert set(torch.load(tmp_path / "checkpoint.pt", weights_only=True)) >= {"model", "critic", "critic_optimizer"}


def test_a_step_of_ppo_holds_a_critic_its_gradient_and_its_moments_more(tmp_path):
    small = plan(steps=1, prompts=2, samples=2, objective=PRESETS["grpo"])
    spec = importlib.util.spec_from_file_location("benchmark", Path(__file__).parents[1] / "benchmarks" / "ppo.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    group, critic = (benchmark.peak(lambda way=way: way.learn(tiny(), small, tmp_path / way.__name__)) for way in (grpo, ppo))
    size = sum(weight.nbytes for weight in tiny().model.parameters())
    assert critic - group > 2.5 * size
