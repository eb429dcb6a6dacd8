"""The recipe end to end, with a few draws and a step or two of each kind, and what it does when it is called again."""

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-train")

from ponder.errors import InputError
from ponder.train import mini
from ponder.train.evaluation import Evaluation, Figure
from ponder.train.recipe import FIRST, Sizes, needed, report, run

SIZES = Sizes(problems=24, samples=4, tuning=1, reinforcing=1, prompts=2, small=2, longest=80)


def test_a_stage_brings_what_it_needs():
    assert needed(["small-zero"]) == ["small", "small-zero"]
    assert needed(["r1", "distilled"]) == ["zero", "cold", "reasoner", "harvest", "r1", "small", "distilled"]
    with pytest.raises(InputError, match="no stage `r2`"):
        needed(["r2"])


def test_sizes_are_scaled_together():
    made = Sizes().scaled(1.5)
    assert (made.problems, made.tuning, made.reinforcing, made.small) == (2250, 600, 12, 3000)
    assert (made.samples, made.longest) == (Sizes().samples, Sizes().longest)
    assert Sizes().scaled(1e-9).tuning == 1
    with pytest.raises(InputError, match="positive number"):
        Sizes().scaled(0)


def test_the_rate_of_tuning_is_as_the_inverse_of_the_width():
    wide, narrow = (SimpleNamespace(config=mini.shape(width)) for width in (256, 128))
    assert Sizes().tuned(narrow, 1, FIRST, 2.0).steps == 2 * Sizes().tuned(wide, 1, FIRST).steps
    assert Sizes().tuned(narrow, 1, FIRST).peak == 2 * Sizes().tuned(wide, 1, FIRST).peak == 2 * FIRST


def test_every_stage_makes_a_model_once(tmp_path):
    told, stages = [], needed(["r1", "short", "distilled"])
    made = run(tmp_path, SIZES, stages, told=told.append)
    assert list(made) == ["mini", *stages]
    assert all(path.is_file() for path in made.values())
    assert sorted(told) == sorted(f"made {name}" for name in stages)
    times = (tmp_path / "times.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["stage"] for line in times) == sorted(stages)
    written = made["r1"].stat().st_mtime_ns
    assert run(tmp_path, SIZES, ["r1"])["r1"].stat().st_mtime_ns == written
    assert (tmp_path / "times.jsonl").read_text().splitlines() == times
    with pytest.raises(InputError, match="nothing to learn from"):  # a smaller model of two steps solves nothing
        run(tmp_path, SIZES, ["small-zero"])


def test_the_report_puts_intervals_to_claims():
    def measured(rows):
        one = Figure(sum(rows) / len(rows), 0.0, 1.0, rows)
        return [Evaluation("countdown", len(rows), 64, one, one, one, 50.0, None)]

    text = report({"mini": measured([0.0, 0.25, 0.5, 0.25]), "zero": measured([0.5, 0.5, 1.0, 0.5])})
    assert "- zero against mini, countdown: one sample 0.375" in text
    assert "2.50 times" in text
