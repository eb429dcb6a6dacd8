"""Servers: a measured one between and beyond its widths, and one that is as fast as its roofline."""

import pytest

from ponder.cost.architecture import KNOWN
from ponder.cost.hardware import CHIPS
from ponder.cost.roofline import Roofline
from ponder.cost.server import of_roofline, of_widths


def test_between_widths_a_step_is_on_a_straight_line_and_beyond_them_in_proportion():
    step = of_widths((1, 4, 16), (0.002, 0.005, 0.011)).step
    assert [step(width, 0) for width in (1, 2, 4, 10, 16, 32)] == pytest.approx([0.002, 0.003, 0.005, 0.008, 0.011, 0.022])


@pytest.mark.parametrize("name", ["llama-3-8b", "mixtral-8x7b"])
def test_a_step_is_the_rooflines_at_every_batch_and_context(name):
    line = Roofline(CHIPS["H200"], KNOWN[name], chips=2, compute=0.5, read=0.7)
    server = of_roofline(line, batch=300)
    for batch, context in ((1, 0), (8, 500), (64, 2000), (300, 100)):
        assert server.step(batch, batch * context) == pytest.approx(line.step(batch, context))
    assert server.prompt(900, 1000) == line.prompt(1000, 100)
    assert server.prompt(0, 1000) == 0
    assert server.room == pytest.approx(line.streams(1) - 0.5, abs=1)
    assert server.usd_hour == 2 * CHIPS["H200"].usd_hour
    assert server.watts == 1400
