"""Successive halving over problems: what is run, and how often the best contender is lost."""

import asyncio
from math import ceil

import numpy as np
import pytest

from ponder.lab.race import race


def raced(rates, problems, rungs=4, seed=0):
    """The finalists of contenders that solve a problem at these rates, and how often each contender was run."""
    generator = np.random.default_rng(seed)
    solved, runs = generator.random((len(rates), problems)) < np.array(rates)[:, None], [0] * len(rates)

    async def run(contender, problem):
        runs[contender] += 1
        return np.array([float(solved[contender, problem]), 7.0])

    return asyncio.run(race(len(rates), problems, run, rungs)), runs, solved


def test_half_of_the_contenders_go_on_and_a_rung_costs_about_the_same():
    finalists, runs, solved = raced([0.1 * place for place in range(8)], 80)
    assert sorted(runs) == [10, 10, 10, 10, 20, 20, 40, 80]
    assert list(finalists) == [7]
    assert (finalists[7][:, 0] == solved[7]).all()


@pytest.mark.parametrize(("contenders", "problems"), [(1, 1), (3, 5), (5, 3), (8, 200)])
def test_finalists_have_run_on_all_problems_whatever_the_numbers(contenders, problems):
    finalists, _, _ = raced([0.5] * contenders, problems)
    assert len(finalists) == max(1, ceil(contenders / 8))
    assert all(rows.shape == (problems, 2) for rows in finalists.values())


def test_without_contenders_nothing_is_run():
    assert asyncio.run(race(0, 10, None)) == {}


def test_the_winner_is_within_a_point_of_the_exhaustive_grids():
    """The choice of a race among 16 on 200 problems: within 1 point of the best of all, in the mean over 60 races."""
    lost, spent = [], []
    for seed in range(60):
        rates = np.linspace(0.3, 0.7, 16)
        finalists, runs, solved = raced(np.random.default_rng(seed).permutation(rates), 200, seed=seed)
        winner = max(finalists, key=lambda one: finalists[one][:, 0].mean())
        lost.append(solved.mean(axis=1).max() - solved[winner].mean())
        spent.append(sum(runs) / (16 * 200))
    assert np.mean(lost) < 0.01
    assert max(spent) < 0.35
