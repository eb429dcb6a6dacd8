"""TRL's trainers with ponder's prompts and rewards: two steps of every preset on a tiny random model."""

import json
import math

import pytest

from ponder import cli
from ponder.errors import InputError, RewardHacked

pytest.importorskip("torch", reason="needs the extra `train`: make test-train")
pytest.importorskip("trl", reason="needs the extra `train`: make test-train")

from ponder.train.monitor import Watch
from ponder.train.rewards import accuracy, form
from ponder.train.trainer import PRESETS, Run, preset, settings, tiny, trainer

pytestmark = pytest.mark.filterwarnings("default")  # the trainers' own


@pytest.mark.parametrize("name", PRESETS)
def test_two_steps_of_every_preset(name, tmp_path):
    model, tokenizer = tiny(tmp_path / "random")
    run = Run(steps=2, prompts=1, samples=2, tokens=4, cpu=True, rate=1e-3, lora=2 if name == "dapo" else None)
    made = trainer(model, tokenizer, preset(name), run, tmp_path, {"right": (accuracy, 1.0), "form": (form, 0.2)})
    made.train()
    last = [line for line in made.state.log_history if "reward" in line][-1]
    assert made.state.global_step == 2
    assert math.isfinite(last["loss"])
    assert {"rewards/right/mean", "rewards/form/mean", "signs/length"} <= set(last)
    assert last["signs/gap"] == pytest.approx(last["reward"] - last["rewards/right/mean"])  # form is paid, and proves nothing
    assert last["reward"] == last["rewards/right/mean"] + 0.2 * last["rewards/form/mean"]


def test_a_reward_with_a_hole_stops_the_run_behind_a_checkpoint(tmp_path):
    def anything(*, completions, **_):
        return [1.0] * len(completions)

    def run(steps):
        model, tokenizer = tiny(tmp_path / "random")
        sizes = Run(steps=steps, prompts=1, samples=2, tokens=4, cpu=True)
        return trainer(model, tokenizer, preset("dr-grpo"), sizes, tmp_path, {"right": (anything, 1.0)}, Watch(patience=2))

    with pytest.raises(RewardHacked, match="behind step 2") as stopped:
        run(5).train()
    assert set(stopped.value.signs) == {"gap", "hollow"}
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-2"]
    with pytest.raises(RewardHacked, match="behind step 3"):  # it remembers the signs that its log holds
        run(5).train(resume_from_checkpoint=True)


def test_the_command_rehearses_and_goes_on(tmp_path, capsys):
    """Asked again, the run has nothing left to do; its log is that of its checkpoint."""
    for _ in range(2):
        assert cli.main(["train", "grpo", "any", str(tmp_path), "--dry-run", "--preset", "dr-grpo", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["steps"] == 2
        assert (tmp_path / "model" / "model.safetensors").exists()
        assert told["report"] == str(tmp_path / "report.html")


def test_the_settings_are_the_published_ones(tmp_path):
    dapo = settings(preset("dapo"), Run(), tmp_path)
    assert (dapo["epsilon"], dapo["epsilon_high"], dapo["beta"], dapo["loss_type"]) == (0.2, 0.28, 0.0, "dapo")
    assert settings(preset("dr-grpo"), Run(), tmp_path)["scale_rewards"] == "none"
    assert settings(preset("grpo"), Run(), tmp_path)["beta"] == 0.04
    with pytest.raises(InputError, match="presets are grpo"):
        preset("gpo")
