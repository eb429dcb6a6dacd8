"""Joules and watt-hours from a stated power."""

import pytest

from ponder.cost import energy
from ponder.cost.architecture import KNOWN
from ponder.cost.hardware import CHIPS
from ponder.cost.roofline import Roofline


def test_joules_a_token_fall_with_the_batch_while_reading_bounds_the_step():
    line = Roofline(CHIPS["H100"], KNOWN["llama-3-8b"])
    alone = energy.per_token(700, line.step(1), 1)
    assert alone == pytest.approx(700 / 208.6, rel=1e-3)
    for batch in (2, 8, 64, 256):
        assert energy.per_token(700, line.step(batch), batch) == pytest.approx(alone / batch)
    assert energy.per_token(700, line.step(2048), 2048) > alone / 2048 * 2


def test_a_query_of_a_fleet():
    """PUE 1.2, 7.91 kW, 500 tokens at 1,000 tokens/s: 7.91 kW for half a second, and a fifth more."""
    assert energy.per_query(energy.LOAD * energy.NODE, 500, 1000, 1.2) == pytest.approx(1.2 * 7910 * 0.5 / 3600)


def test_the_published_estimate_for_70b_on_four_h100_lies_between_this_bound_and_twice_it():
    """27.8 to 55.6 J/token at batch 1 (methods, §12); at the chips' full power the roofline gives the lower end."""
    line = Roofline(CHIPS["H100"], KNOWN["llama-3-70b"], chips=4)
    bound = energy.per_token(4 * 700, line.step(1), 1)
    assert 27.0 < bound < 55.6
