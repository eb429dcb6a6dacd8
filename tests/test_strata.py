"""Bins of difficulty: the oracle's are ordered by what was measured, the predicted ones see only what can be seen before."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from ponder.lab.bank import Bank, draw_bank
from ponder.lab.strata import predicted, strata
from ponder.models.simulated import Simulated
from ponder.tasks.simulated import problems


@pytest.fixture(scope="module")
def bank() -> Bank:
    return asyncio.run(draw_bank(problems(60), Simulated(accuracy=(0.6, 0.6), wrong=8), 12))


def test_oracle_and_predicted_are_told_apart_and_count_every_problem(bank: Bank) -> None:
    found = strata(bank, [bank.correct.mean(axis=1)])
    assert [(one["kind"], one["reads"]) for one in found] == [
        ("oracle", "all samples' grades"),
        ("predicted", "the problem's text"),
        ("predicted", "a probe of 4 samples"),
    ]
    for one in found:
        assert sum(each["problems"] for each in one["bins"]) == 60
        whole = sum(each["problems"] * each["mean"] for each in one["bins"]) / 60
        assert whole == pytest.approx(bank.correct.mean())
        assert all(each["selected"][0][0] == pytest.approx(each["mean"]) for each in one["bins"])


def test_the_oracles_bins_fall_from_easy_to_hard_and_the_probes_follow(bank: Bank) -> None:
    oracle, _, probe = strata(bank, [])
    means = [each["mean"] for each in oracle["bins"]]
    assert means == sorted(means, reverse=True)
    assert len(means) == 5
    assert probe["bins"][0]["mean"] > probe["bins"][-1]["mean"] + 0.2


def test_a_prediction_has_not_seen_the_grades_of_its_problem(bank: Bank) -> None:
    """Other grades for a problem change nothing in what is predicted for it; only its half's others learn from them."""
    told = predicted(bank, "probe", 4)
    flipped = bank.correct.copy()
    flipped[0] = 1 - flipped[0]
    again = predicted(replace(bank, correct=flipped), "probe", 4)
    assert again[0] == told[0]
    assert again != told


def test_few_problems_are_not_predicted(bank: Bank) -> None:
    few = replace(bank, problems=bank.problems[:8], candidates=bank.candidates[:8], correct=bank.correct[:8])
    (only,) = strata(few, [np.ones(8)])
    assert (only["kind"], len(only["bins"])) == ("oracle", 2)
