"""Reinforcement learning on a CPU: the decoder against transformers, the gradient, a killed run, and that it learns at all."""

import json
import multiprocessing
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`: make test-train")
pytest.importorskip("transformers", reason="needs the extra `train`: make test-train")

from ponder import cli  # noqa: E402
from ponder.errors import RewardHacked  # noqa: E402
from ponder.tasks import get  # noqa: E402
from ponder.train.data import BOS, EOS, VOCABULARY, encode  # noqa: E402
from ponder.train.decoder import decode  # noqa: E402
from ponder.train.grpo import Lesson, Plan, chosen, draw, learn, lessons, rows, text  # noqa: E402
from ponder.train.monitor import Watch  # noqa: E402
from tiny import llama  # noqa: E402

PROMPTS = [[BOS, *encode("compute 1+2\n")], [BOS, *encode("a longer question than that\n")], [BOS, *encode("x")]]


def tiny(seed=0):
    return llama(seed, tie_word_embeddings=True)


def digits(*, completions, **_):
    """A reward that has nothing to do with the question: 1 where the first character is below `@`."""
    return [float(completion[:1] < "@") for completion in completions]


def plan(**changed):
    usual = {"steps": 6, "prompts": 4, "samples": 8, "kept": 8, "updates": 1, "rate": 1e-2, "warmup": 1, "threads": 1, "keep": 2}
    usual["watch"] = Watch(held_out=digits)
    mix = {"mix": {"arithmetic-4": 1.0}, "limits": {"arithmetic-4": 4}, "heat": {"arithmetic-4": 1.0}}
    return Plan(**usual | mix | {"reward": digits} | changed)


def test_the_decoder_draws_from_the_model():
    """Its log-probabilities are those of transformers' own forward pass, whatever the paddings and the draws that have left."""
    model = tiny()
    with torch.no_grad():
        model.lm_head.weight[EOS] += 0.3  # some draws end early
    drawn = decode(model, PROMPTS, 8, 20, 0.7, seed=1)
    assert len(set(drawn.lengths.tolist())) > 2
    batch = [
        Lesson(PROMPTS[at // 8], drawn.tokens[at, : drawn.lengths[at]], drawn.logprobs[at, : drawn.lengths[at]], np.array(1.0), 0.7)
        for at in range(24)
    ]
    tokens, old, _, mask = rows(batch)
    with torch.no_grad():
        logits = model(input_ids=torch.from_numpy(tokens)).logits[:, :-1] / 0.7
    own = torch.log_softmax(logits, -1).gather(-1, torch.from_numpy(tokens[:, 1:])[..., None])[..., 0].numpy()
    assert np.abs(own - old)[mask].max() < 1e-4
    assert ((drawn.tokens == EOS).sum(1) <= 1).all()
    assert drawn.ended.tolist() == [EOS in row for row in drawn.tokens]


def test_draws_are_a_function_of_the_seed():
    model = tiny()
    first, again, other = (decode(model, PROMPTS, 4, 6, 1.0, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.tokens, again.tokens)
    assert not np.array_equal(first.tokens, other.tokens)


def test_frequencies_are_the_models():
    model = tiny()
    drawn = decode(model, PROMPTS[:1], 4000, 1, 1.0, seed=3)
    with torch.no_grad():
        chances = model(input_ids=torch.tensor(PROMPTS[:1])).logits[0, -1].softmax(-1).numpy()
    seen = np.bincount(drawn.tokens[:, 0], minlength=VOCABULARY) / 4000
    assert np.abs(seen - chances).max() < 4 * (chances.max() / 4000) ** 0.5


def test_an_even_choice_stands_for_the_whole_group():
    rng = np.random.default_rng(0)
    rewards = np.array([1.0] * 2 + [0.0] * 14)
    picks, weights = chosen(rewards, 8, rng)
    assert sorted(rewards[picks].tolist()) == [0.0] * 6 + [1.0] * 2
    assert weights.sum() == 16
    gains = rewards - rewards.mean()
    assert (gains[picks] * weights).sum() == pytest.approx(0)
    picks, weights = chosen(1 - rewards, 4, rng)
    assert sorted(rewards[picks].tolist()) == [0.0] * 2 + [1.0] * 2
    assert weights.sum() == 16


def test_rollouts_keep_the_order_of_the_problems():
    problems = get("arithmetic-4").load("train", 3) + get("countdown-3").load("train", 2)
    found = draw(tiny(), problems, plan(limits={"arithmetic-4": 3, "countdown-3": 5}), 2, 1)
    assert [len(answer) <= 3 for answer in found.answers[:6]] == [True] * 6
    assert max(len(answer) for answer in found.answers[6:]) > 3
    assert found.texts == [text(answer) for answer in found.answers]
    found.rewards[:] = np.eye(5, 2)  # the first two groups differ within
    taught = lessons(found, plan(), 0)
    assert len(taught) == 4
    assert all(len(one.answer) == len(one.old) == len(one.advantage) for one in taught)
    found.rewards[0, 1] = np.nan  # an unknown reward: its group teaches nothing
    assert len(lessons(found, plan(), 0)) == 2


def test_it_learns(tmp_path):
    seen = []
    learn(tiny(), plan(steps=16, prompts=8, rate=3e-2), tmp_path, seen.append)
    assert seen[0]["reward"] < 0.5
    assert np.mean([line["reward"] for line in seen[-3:]]) > 0.75


def test_a_reward_with_a_hole_stops_the_run(tmp_path, caplog):
    """Any text that begins with a character below `@` is paid: the held-out check of the task says that all of it is wrong."""
    small = plan(steps=9, prompts=2, keep=99, watch=Watch(patience=3))
    with pytest.raises(RewardHacked, match="behind step 2: for 3 steps") as stopped:
        learn(tiny(), small, tmp_path)
    assert set(stopped.value.signs) == {"gap", "hollow"}
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 3
    lines = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert all(line["signs"]["gap"] == line["reward"] > 0.1 for line in lines)
    assert caplog.text.count("wrong by the held-out verifier") == 1  # told when it begins, not with every step
    with pytest.raises(RewardHacked, match="behind step 3"):  # run again as it was, it has not forgotten
        learn(tiny(), small, tmp_path)
    assert len((tmp_path / "steps.jsonl").read_text().splitlines()) == 4
    learn(tiny(), plan(steps=5, prompts=2, watch=Watch(held_out=digits)), tmp_path)  # held out by itself, it is honest


def test_the_command_trains_what_the_engine_can_read(tmp_path, capsys, monkeypatch):
    """`builtin:mini` first, then the file that came of it."""
    torch.set_num_threads(1)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # two threads wait for each other where the machine is busy
    sizes = ["--preset", "rloo", "--tasks", "countdown-3", "--steps", "1", "--prompts", "2", "--samples", "2", "--json"]
    for name, start in (("first", "builtin:mini"), ("second", str(tmp_path / "first" / "policy.gguf"))):
        assert cli.main(["train", "grpo", start, str(tmp_path / name), *sizes]) == 0
        assert json.loads(capsys.readouterr().out)["model"] == str(tmp_path / name / "policy.gguf")
    assert cli.main(["train", "grpo", "absent.gguf", str(tmp_path / "third"), *sizes]) == 1
    assert "there is no file `absent.gguf`" in capsys.readouterr().err


def test_rounds_are_drawn_until_enough_groups_teach(tmp_path):
    """With a reward that is always equal no round is enough, and all are drawn; where each group is mixed, one is."""

    def equal(*, completions, **_):
        return [0.0] * len(completions)

    def turns(*, completions, **_):
        return [float(at % 2) for at in range(len(completions))]

    for reward, expected in ((equal, 3), (turns, 1)):
        asked = []

        def counting(*, completions, reward=reward, asked=asked, **_):
            asked.append(len(completions))
            return reward(completions=completions)

        learn(tiny(), plan(steps=1, prompts=2, samples=2, rounds=3, reward=counting), tmp_path / str(expected))
        assert asked == [4] * expected


def test_a_task_outside_the_band_is_asked_less(tmp_path):
    """One of two tasks is always paid. After the first step it counts a tenth: 1/11 of 8 prompts, where it had 4 of 8."""

    def one_task(*, completions, problem, **_):
        return [float(one.task.name == "arithmetic-4" or at % 2) for at, one in enumerate(problem)]

    mixed = plan(steps=2, samples=2, prompts=8, reward=one_task, band=(0.1, 0.9), watch=Watch(held_out=one_task), keep=99)
    both = {"arithmetic-4": 0.5, "countdown-3": 0.5}
    seen = []
    mixed = replace(mixed, mix=both, limits=dict.fromkeys(both, 3))
    learn(tiny(), replace(mixed, reward=lambda **columns: seen.append(columns["problem"]) or one_task(**columns)), tmp_path)
    assert [sum(one.task.name == "arithmetic-4" for one in asked) for asked in seen] == [4 * 2, 1 * 2]


def _killed(folder):
    def told(line):
        if line["step"] == 4:  # behind the checkpoint of step 4: one step is lost
            os.kill(os.getpid(), signal.SIGKILL)

    learn(tiny(), plan(), folder, told)


def test_killed_and_resumed_it_ends_where_it_would_have_ended(tmp_path):
    whole = tiny()
    learn(whole, plan(), tmp_path / "whole")
    child = multiprocessing.get_context("spawn").Process(target=_killed, args=(tmp_path / "killed",))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert torch.load(tmp_path / "killed" / "checkpoint.pt", weights_only=True)["step"] == 4
    again = tiny()
    learn(again, plan(), tmp_path / "killed")
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
    steps = [(tmp_path / name / "steps.jsonl").read_text() for name in ("whole", "killed")]
    assert [line.partition(', "drawing"')[0] for line in steps[0].splitlines()] == [
        line.partition(', "drawing"')[0] for line in steps[1].splitlines()
    ]
