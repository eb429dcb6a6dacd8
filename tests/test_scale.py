"""scale: one bank, every N from it, real runs for what cannot be replayed, and a kill that loses nothing."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from ponder import answers
from ponder.errors import InputError, ModelError
from ponder.lab.bank import draw_bank
from ponder.lab.curve import by_subsets, selected
from ponder.lab.scale import scale
from ponder.models.simulated import Simulated
from ponder.store import Store
from ponder.strategies.parallel import best
from ponder.tasks import get, sampled
from ponder.tasks.simulated import problems, simulated
from ponder.types import Abilities
from ponder.verifiers.simulated import Imperfect

POINT = {"n", "tokens", "flops", "usd", "seconds", "joules", "selected", "oracle", "mean", "interval"}


def measure(model=None, strategies=("direct", "self-consistency"), budgets=(1, 2, 4, 8), **settings):
    settings = {"problems": 20} | settings
    return asyncio.run(scale(simulated, model or Simulated(), strategies, budgets, **settings))


def test_the_result_has_the_names_that_stay():
    result = measure()
    assert {"task", "model", "problems", "curves", "fits"} <= set(result)
    assert (result["task"], result["model"], result["problems"]) == ("simulated", "simulated", 20)
    assert [curve["strategy"] for curve in result["curves"]] == ["direct", "self-consistency"]
    assert all(set(point) == POINT for curve in result["curves"] for point in curve["points"])
    assert [point["n"] for point in result["curves"][1]["points"]] == [1, 2, 4, 8]
    json.dumps(result)


def test_oracle_selected_and_mean_are_three_figures():
    result = measure(strategies=["self-consistency"], budgets=[1, 16], problems=60)
    one, many = result["curves"][0]["points"]
    assert one["selected"] == pytest.approx(one["oracle"]) == pytest.approx(one["mean"])
    assert many["mean"] < many["selected"] < many["oracle"]
    assert many["interval"][0] <= many["selected"] <= many["interval"][1]


def test_curves_follow_the_closed_forms_of_the_simulated_model():
    """p = .6 with one wrong answer gives .6 .648 .6826 by majority at n = 1, 3, 5; coverage is 1-(1-p)^k."""
    result = measure(Simulated(accuracy=0.6, wrong=1), ["self-consistency"], [1, 3, 5], problems=250)
    points = result["curves"][0]["points"]
    assert [point["selected"] for point in points] == pytest.approx([0.6, 0.648, 0.6826], abs=0.03)
    assert [point["oracle"] for point in points] == pytest.approx([0.6, 0.936, 0.98976], abs=0.03)


def test_the_imperfect_verifiers_ceiling_is_reached_and_not_passed():
    """p = .1, tpr = .9, fpr = .1: .1 .2795 .4796 .5000 at N = 1, 4, 16, 64."""
    model, judge = Simulated(accuracy=0.1, steps=1, words=12), Imperfect(simulated.verifier)
    result = measure(model, ["best-of-n"], [1, 4, 16, 64], problems=150, verifier=judge)
    selected = [point["selected"] for point in result["curves"][0]["points"]]
    assert selected == pytest.approx([0.1, 0.2795, 0.4796, 0.5], abs=0.07)
    assert result["settings"]["verifier_reads"] == "nothing"


def test_exact_expectations_equal_the_selection_rules_themselves_on_random_subsets():
    bank = asyncio.run(draw_bank(problems(3), Simulated(accuracy=0.5), 9, verifier=Imperfect(simulated.verifier, 0.8, 0.3)))
    for select in (answers.majority, answers.weighted, best):
        exact = selected(select, bank, [4])[:, 0]
        drawn = [by_subsets(select, bank, row, 4) for row in range(3)]
        assert exact == pytest.approx(np.array(drawn), abs=0.13)


def test_a_strategy_that_cannot_be_replayed_is_run_for_real():
    result = measure(strategies=["chain-of-thought", "chain-of-thought(shots=0)"], budgets=[1, 4], problems=5)
    assert [len(curve["points"]) for curve in result["curves"]] == [1, 1]
    assert result["curves"][0]["points"][0]["tokens"] > 0


def test_failed_draws_stay_in_the_denominator():
    model = Simulated(accuracy=1.0, abilities=Abilities(), faults={"break": 0.5})
    result = measure(model, ["direct"], [1, 8], problems=30)
    assert result["settings"]["failed"] > 0
    mean = result["curves"][0]["points"][0]["mean"]
    assert mean == pytest.approx(1 - result["settings"]["failed"] / (30 * 8))


def test_more_samples_reuse_those_there_are(tmp_path):
    store = Store(tmp_path / "bank.sqlite")
    first = measure(budgets=[8], store=store)["settings"]["samples"]
    second = measure(budgets=[8, 12], store=store)["settings"]["samples"]
    store.close()
    assert (first, second) == ({"drawn": 160, "replayed": 0}, {"drawn": 80, "replayed": 160})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"budgets": [0, 1]}, "give numbers of samples from 1 up"),
        ({"strategies": ["best-of-n"]}, "needs a verifier"),
        ({"split": "nowhere"}, "it has test, train"),
        ({"problems": 0}, "gave no problems"),
    ],
)
def test_what_cannot_be_measured_is_named(settings, message):
    with pytest.raises(InputError, match=message):
        measure(**settings)


def test_a_model_that_never_answers_is_an_error_and_not_zero_percent():
    with pytest.raises(ModelError, match="all draws"):
        measure(Simulated(faults={"refuse": 1.0}))


def command(store):
    model = "simulated:latency=.002,concurrency=8"
    base = [sys.executable, "-m", "ponder", "scale", "simulated", "--model", model, "--budgets", "1,8", "--problems", "20"]
    return [*base, "--strategies", "direct,self-consistency", "--store", str(store), "--json"]


def rows(store):
    with sqlite3.connect(store) as database:
        found = database.execute("SELECT key, draw, body FROM sample WHERE complete = 1").fetchall()
    database.close()
    return {(key, draw): body for key, draw, body in found}, len(found)


def test_kill_9_loses_no_completed_sample_and_draws_none_again(tmp_path):
    store = tmp_path / "bank.sqlite"
    environment = os.environ | {"PONDER_NO_PROGRESS": "1"}
    running = subprocess.Popen(command(store), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not store.exists() or _count(store) < 30):
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    before, _ = rows(store)
    assert 30 <= len(before) < 160, "the kill must fall into the middle of the run"
    again = subprocess.run(command(store), env=environment, capture_output=True, text=True, check=True)
    after, count = rows(store)
    result = json.loads(again.stdout)
    assert count == len(after) == 160
    assert {key: after[key] for key in before} == before
    assert result["settings"]["samples"] == {"drawn": 160 - len(before), "replayed": len(before)}
    whole = asyncio.run(scale(simulated, Simulated(), ["direct", "self-consistency"], [1, 8], problems=20))
    assert [c["points"][-1]["selected"] for c in result["curves"]] == [c["points"][-1]["selected"] for c in whole["curves"]]


def _count(store):
    try:
        return len(rows(store)[0])
    except sqlite3.OperationalError:
        return 0


def test_several_models_are_measured_on_the_same_problems_and_compared_at_equal_cost():
    strong = Simulated(accuracy=0.9, words=15)
    result = measure(Simulated(accuracy=0.2), ["direct", "self-consistency"], [1, 4], also=[strong])
    assert [curve["model"] for curve in result["curves"]] == ["simulated #1"] * 2 + ["simulated #2"] * 2
    assert [curve["points"][0]["mean"] > 0.5 for curve in result["curves"]] == [False, False, True, True]
    assert set(result["frontier"]) == {"tokens", "seconds"}
    points = result["frontier"]["tokens"]["points"]
    assert len(points) == 6
    assert {point["curve"] for point in points if point["on"]} >= {0, 3}
    assert [row["model"] for row in result["grid"]] == ["simulated #1", "simulated #2"]


def test_the_result_shows_every_sample_its_spend_and_two_searches_a_strategy():
    result = measure(Simulated(accuracy=0.5), ["direct", "self-consistency"], [1, 8])
    (grid,) = result["grid"]
    assert [len(row["outcomes"]) for row in grid["rows"]] == [8] * 20
    right = sum(row["outcomes"].count("1") for row in grid["rows"]) / 160
    assert right == pytest.approx(result["curves"][0]["points"][0]["mean"])
    for curve in result["curves"]:
        assert sum(curve["spend"].values()) == pytest.approx(curve["points"][-1]["tokens"])
        assert [example["right"] for example in curve["examples"]] == [True, False]
        assert {len(example["nodes"]) for example in curve["examples"]} == {curve["points"][-1]["n"]}
    (latency,) = result["latency"]
    assert (latency["what"], latency["count"], len(latency["quantiles"])) == ("one draw", 160, 101)


def test_a_size_that_a_strategy_cannot_have_is_the_users_error_and_not_a_group_of_them():
    with pytest.raises(InputError, match="multiple of `width`"):
        measure(strategies=["beam"], budgets=[2], problems=3, verifier=Imperfect(simulated.verifier))


def test_sampling_settings_are_the_problems_too():
    """A task whose problems went on with the settings of before would be measured with those."""
    short = sampled(get("countdown-3"), temperature=0.5, max_tokens=20)
    assert (short.temperature, short.max_tokens) == (0.5, 20)
    assert {(one.task.temperature, one.task.max_tokens) for one in short.load("test", 3)} == {(0.5, 20)}
    assert sampled(short) is short
