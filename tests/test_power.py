"""How large an experiment must be, against the formula and against simulated experiments."""

import numpy as np
import pytest

from ponder.errors import InputError
from ponder.lab.intervals import paired_interval
from ponder.lab.power import detectable, paired_spread, problems_needed, samples_needed, spread


def test_about_a_thousand_problems_show_three_points() -> None:
    """w² = 1/9, s² = 1/6: 969 problems show 3 points with 80 % power if samples are many, 3,876 with one each."""
    assert problems_needed(0.03, 1 / 9, (0.0, 0.0)) == 969
    assert problems_needed(0.03, 1 / 9, (1 / 6, 1 / 6)) == 3_876
    assert problems_needed(0.03, 1 / 9, (1 / 6, 1 / 6), (10, 10)) == 1_260


def test_the_three_questions_are_one_formula() -> None:
    within = (0.2, 0.1)
    n = problems_needed(0.05, 0.08, within, (4, 4))
    assert detectable(n, 0.08, within, (4, 4)) == pytest.approx(0.05, rel=2e-3)
    assert samples_needed(0.05, n, 0.08, within) == 4
    assert samples_needed(0.01, n, 0.08, within) is None
    with pytest.raises(InputError, match="above 0"):
        problems_needed(0, 0.1, within)
    with pytest.raises(InputError, match="samples from 1"):
        problems_needed(0.1, 0.1, within, (0, 1))


def test_variance_is_split_between_problems_and_samples() -> None:
    """Beta(2, 2) rates: .05 between problems, E p(1-p) = .2 within; the intra-class correlation is .2."""
    generator = np.random.default_rng(1)
    found = spread(generator.random((20_000, 4)) < generator.beta(2, 2, (20_000, 1)))
    assert found.between == pytest.approx(0.05, abs=0.003)
    assert found.within == pytest.approx(0.2, abs=0.002)
    assert found.icc == pytest.approx(0.2, abs=0.01)
    assert found.error(100, 4) == pytest.approx(np.sqrt((0.05 + 0.05) / 100), rel=0.03)
    with pytest.raises(InputError, match="cannot be split"):
        spread(np.ones((5, 1)))


def test_planned_experiments_find_what_they_were_planned_for() -> None:
    """A true difference of 8 points is found in 80 % of the experiments of the planned size."""
    generator = np.random.default_rng(2)

    def drawn(problems: int, samples: int):
        rates = generator.beta(2, 2, (problems, 1))
        better = np.clip(rates + 0.08, 0, 1)
        return generator.random((problems, samples)) < better, generator.random((problems, samples)) < rates

    between, *within = paired_spread(*drawn(20_000, 4))
    n = problems_needed(0.08, between, tuple(within), (4, 4))
    found = 0
    for _ in range(500):
        first, second = (one.mean(axis=1, keepdims=True) for one in drawn(n, 4))
        found += bool(paired_interval(first, second)[0][0] > 0)
    assert 0.72 <= found / 500 <= 0.86
