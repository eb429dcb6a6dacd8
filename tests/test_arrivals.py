"""Arrivals: as many as the rate says, with the variance of a Poisson stream, and following the day."""

import numpy as np
import pytest

from ponder.cost.arrivals import daily, poisson, varying


def test_a_poisson_stream_has_its_rate_and_exponential_gaps():
    times = poisson(5, 10_000, seed=1)
    gaps = np.diff(times)
    assert len(times) == pytest.approx(50_000, rel=0.02)
    assert gaps.mean() == pytest.approx(gaps.std(), rel=0.02)
    assert (gaps >= 0).all()
    assert np.array_equal(times, poisson(5, 10_000, seed=1))


def test_a_varying_stream_follows_its_rate():
    times = varying(lambda at: np.where(at < 500, 2.0, 8.0), 8.0, 1000, seed=2)
    assert (times < 500).sum() == pytest.approx(1000, rel=0.1)
    assert (times >= 500).sum() == pytest.approx(4000, rel=0.1)


def test_a_day_is_quietest_at_its_beginning():
    times = daily(1, 0.8, 86_400, seed=3)
    counts, _ = np.histogram(times, 24, (0, 86_400))
    assert len(times) == pytest.approx(86_400, rel=0.02)
    assert counts[0] / counts.mean() == pytest.approx(0.2, abs=0.05)
    assert counts[12] / counts.mean() == pytest.approx(1.8, abs=0.1)
