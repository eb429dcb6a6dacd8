"""A run's curves, from its own log and from TRL's: in a terminal, on a page, and as a command."""

import json

import pytest

from ponder import cli
from ponder.errors import InputError
from ponder.train.curves import alarms, page, panel, plain, read, spark, step

SIGNS = {"gap": 0.0, "hollow": 0.0, "in_thought": 0.0, "several": 0.0, "loops": 0.0, "cut": 0.0, "length": 20.0}


def line(number, reward, gap=0.0, **more):
    signs = SIGNS | {"reward": reward, "gap": gap}
    return {"step": number, "reward": reward, "tokens": 20.0, "entropy": 0.5 - number / 100, "seconds": 2.0, "signs": signs} | more


def written(folder, lines):
    folder.mkdir(exist_ok=True)
    (folder / "steps.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return folder


def test_both_logs_say_the_same(tmp_path):
    """TRL's names are read as ours; of several checkpoints the last one's log counts; accuracy is the reward less its gap."""
    own = read(written(tmp_path / "own", [line(number, 0.5, gap=0.2, kl=0.01) for number in range(3)]))
    for number, count in ((9, 1), (10, 3)):
        kept = tmp_path / "trl" / f"checkpoint-{number}"
        kept.mkdir(parents=True)
        told = [
            {"step": one, "reward": 0.5, "completions/mean_length": 20.0, "kl": 0.01, "entropy": 0.5 - one / 100, "step_time": 2.0}
            | {f"signs/{name}": value for name, value in (SIGNS | {"reward": 0.5, "gap": 0.2}).items()}
            for one in range(count)
        ]
        (kept / "trainer_state.json").write_text(json.dumps({"log_history": [*told, {"step": count, "train_runtime": 1.0}]}))
    assert read(tmp_path / "trl") == own
    assert own[0].accuracy == 0.3


def test_what_is_unknown_stays_unknown():
    bare = step({"step": 1, "reward": float("nan"), "entropy": 0.5})
    assert (bare.reward, bare.accuracy, bare.kl, bare.signs) == (None, None, None, None)
    assert plain(bare) == "step 1  entropy 0.500"


def test_bars_stand_for_means_of_neighbours():
    assert spark([1, 2, 3], 10) == "▁▅█"
    assert spark([0, 0, 5, 5, 10, 10], 3) == "▁▅█"
    assert spark([4.0, 4.0], 10) == "▁▁"
    assert len(spark(list(range(1000)), 40)) == 40


def shown(renderable):
    from rich.console import Console

    console = Console(width=100)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_the_panel_has_a_line_a_curve_and_what_the_monitors_say_now():
    steps = [step(line(number, number / 10, gap=0.3 if number == 9 else 0.0)) for number in range(10)]
    text = shown(panel(steps, 20))
    assert "step 9 of 20 · 2.0 s a step" in text
    assert "0.000 → 0.900" in text  # the reward
    assert "0.000 → 0.600" in text  # what is right
    assert "kl" not in text  # not known
    assert "above what the held-out verifier says" in text
    assert list(alarms(steps)) == [9]


def test_the_page_holds_the_curves_and_the_steps_at_which_a_sign_began(tmp_path):
    lines = [line(number, 0.5, gap=0.3 if 4 <= number < 8 else 0.0) for number in range(10)]
    html = page(written(tmp_path / "<run>", lines), tmp_path / "page.html").read_text()
    assert "Training: &lt;run&gt;" in html
    assert all(f'data-chart="{name}"' in html for name in ("reward", "accuracy", "tokens", "entropy"))
    assert 'data-chart="kl"' not in html
    monitors = html[html.index('<section id="monitors">') :]
    assert monitors.count("above what the held-out verifier says") == 1
    assert '<th scope="row">4</th><td>gap</td>' in monitors


def test_the_command_and_a_folder_without_a_run(tmp_path, capsys):
    folder = written(tmp_path / "run", [line(number, 0.5) for number in range(3)])
    assert cli.main(["train", "curves", str(folder), "--json"]) == 0
    assert [one["reward"] for one in json.loads(capsys.readouterr().out)] == [0.5] * 3
    assert cli.main(["train", "curves", str(tmp_path)]) == 1
    assert "holds no run" in capsys.readouterr().err
    with pytest.raises(InputError, match="end of its first step"):
        read(written(tmp_path / "new", []))
