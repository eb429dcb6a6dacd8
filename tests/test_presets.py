"""The methods by name on a CPU: which advantages they give, and that each of them learns."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-train")
pytest.importorskip("transformers", reason="needs the extra `train`: make test-train")

from ponder.errors import InputError
from ponder.train import presets
from ponder.train.grpo import draw
from test_grpo import plan, tiny


def test_each_law_is_its_formula_and_equal_or_unknown_rewards_teach_nothing():
    """Of the rewards 1 0 0 0: grpo 3/4 / (1/2 + 1e-4), dr-grpo 3/4, rloo 1; reinforce++ whitened: 3/4 / sqrt(3/16)."""
    small = plan()
    drawn = draw(tiny(), small.problems()[:3], small, 4, seed=1)
    drawn.rewards[:] = [[1, 0, 0, 0], [1, 1, 1, 1], [1, 0, np.nan, 0]]
    for name, first in {"grpo": 0.75 / 0.5001, "dapo": 0.75 / 0.5001, "dr-grpo": 0.75, "rloo": 1.0, "reinforce++": 3**0.5}.items():
        found, _ = presets.taught(presets.LAWS[name])(drawn, small, 0)
        assert [one.advantage[0] for one in found] == pytest.approx([first, *[-first / 3] * 3]), name
        assert all(len(set(one.advantage)) == 1 and len(one.advantage) == len(one.answer) for one in found)
    drawn.rewards[0] = 0
    assert presets.taught(presets.LAWS["reinforce++"])(drawn, small, 0) == ([], {})


@pytest.mark.parametrize("name", presets.LAWS)
def test_every_preset_learns(name, tmp_path):
    presets.learn(name, tiny(), plan(steps=12, prompts=8, rate=3e-2, keep=99), tmp_path)
    rewards = [json.loads(line)["reward"] for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert np.mean(rewards[-3:]) > 0.6 > 0.5 > rewards[0]


def test_another_name_is_refused(tmp_path):
    with pytest.raises(InputError, match="presets are grpo, dr-grpo, dapo"):
        presets.learn("gpo", tiny(), plan(), tmp_path)
