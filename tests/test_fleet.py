"""The fleet's simulation against queueing theory, conservation, the roofline, and a naive simulation token by token."""

import numpy as np
import pytest

from ponder.cost import arrivals, fleet, server
from ponder.cost.architecture import KNOWN
from ponder.cost.fanout import Draw, chain, parallel
from ponder.cost.hardware import CHIPS
from ponder.cost.roofline import Roofline
from ponder.errors import InputError

LINE = Roofline(CHIPS["H100"], KNOWN["llama-3-8b"])
ONE = server.Server(lambda batch, context: 0.01, batch=1)  # a token in 10 ms, one query at a time


def serve(times, fanouts, engine=ONE, replicas=1, kinds=None, **more):
    return fleet.simulate(times, np.zeros(len(times), int) if kinds is None else kinds, fanouts, engine, replicas, **more)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_with_equal_lengths_the_wait_is_that_of_m_d_1(load):
    times = arrivals.poisson(load, 40_000 / load, seed=1)
    found = serve(times, [[parallel(1, 100)]]).latency.mean()
    assert found == pytest.approx(1 + load / (2 * (1 - load)), rel=0.03)


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_with_exponential_lengths_the_wait_is_that_of_m_m_1(load):
    lengths = np.random.default_rng(0).exponential(100, 20_000)
    times = arrivals.poisson(load, 60_000 / load, seed=1)
    found = serve(times, [[parallel(1, one) for one in lengths]]).latency.mean()
    assert found == pytest.approx(lengths.mean() / 100 / (1 - load * lengths.mean() / 100), rel=0.04)


def test_where_all_share_the_steps_it_is_a_processor_that_is_shared():
    """A step that takes as long as it is wide: M/M/1 with processor sharing, whose mean does not depend on the law of lengths."""
    shared = server.Server(lambda batch, context: 0.01 * batch, batch=10_000)
    times = arrivals.poisson(0.6, 60_000, seed=2)
    assert serve(times, [[parallel(1, 100)]], shared).latency.mean() == pytest.approx(1 / 0.4, rel=0.05)


@pytest.mark.parametrize(("fair", "seconds"), [(False, 0.25), (True, 0.15)])
def test_a_fair_engine_lets_a_single_draw_pass_the_many_of_another_query(fair, seconds):
    """Two places, draws of .1 s; four draws at 0, another query's one at .05: behind all four, or with the third."""
    engine = server.Server(lambda batch, context: 0.01, batch=2, fair=fair)
    found = serve([0.0, 0.05], [[parallel(4, 10)], [parallel(1, 10)]], engine, kinds=[0, 1])
    assert found.latency.tolist() == pytest.approx([0.2 + 0.1 * fair, seconds])


def _busy_day():
    times = arrivals.poisson(20, 100, seed=3)
    kinds = np.random.default_rng(3).integers(0, 3, len(times))
    fanouts = [[parallel(1, 300, 200)], [parallel(16, 200, 200)], [chain(4, 150, 100)]]
    return times, kinds, fanouts


def test_little_law_tokens_and_busy_time_are_conserved():
    times, kinds, fanouts = _busy_day()
    found = serve(times, fanouts, server.of_roofline(LINE), 2, kinds)
    assert found.inside == pytest.approx(len(times) / found.end * found.latency.mean())
    asked = sum(sum(draw.tokens for draw in fanouts[kind][0]) for kind in kinds)
    assert found.decoded == pytest.approx(asked)
    assert found.tokens.sum() == asked
    assert found.share.sum() == pytest.approx(found.busy)
    assert found.busy <= found.paid == pytest.approx(2 * found.end)


def test_one_query_alone_takes_what_the_roofline_says():
    found = serve([0.0], [[(Draw(500, 1000, 1000),)]], server.of_roofline(LINE))
    exact = LINE.prompt(1000) + sum(LINE.step(1, 1000 + place) for place in range(500))
    assert found.latency[0] == pytest.approx(exact, rel=1e-3)


def test_draws_follow_one_another_as_the_fan_out_says():
    step = server.Server(lambda batch, context: 0.01, batch=64)
    assert serve([0.0], [[parallel(16, 100)]], step).latency[0] == pytest.approx(1.0)
    assert serve([0.0], [[chain(5, 100)]], step).latency[0] == pytest.approx(5.0)
    window = tuple(Draw(100, after=max(0, place - 3)) for place in range(12))
    assert serve([0.0], [[window]], step).latency[0] == pytest.approx(3.0)
    assert serve([0.0], [[parallel(16, 100)]], server.Server(lambda batch, context: 0.01, batch=4)).latency[0] == pytest.approx(4.0)


def test_the_cache_that_does_not_hold_a_draw_makes_it_wait():
    small = server.Server(lambda batch, context: 0.01, batch=64, room=250)
    assert serve([0.0], [[tuple(Draw(100, 0, 0) for _ in range(4))]], small).latency[0] == pytest.approx(2.0)
    assert serve([0.0], [[(Draw(1000, 0, 0),)]], small).latency[0] == pytest.approx(10.0)  # alone it is let in


def _naive(times, draws, step, batch):
    """One replica, step by step: each step gives every stream a token; what has arrived enters between steps."""
    now, waiting, running, ends, coming = 0.0, [], {}, {}, 0
    while len(ends) < len(times):
        while coming < len(times) and times[coming] <= now:
            waiting.append(coming)
            coming += 1
        while waiting and len(running) < batch:
            one = waiting.pop(0)
            running[one] = draws[one]
        if not running:
            now = times[coming]
            continue
        now += step(len(running), 0)
        for one in list(running):
            running[one] -= 1
            if running[one] <= 0:
                del running[one]
                ends[one] = now
    return np.array([ends[one] - times[one] for one in range(len(times))])


def test_it_agrees_with_a_simulation_of_every_single_step():
    rng = np.random.default_rng(5)
    times = arrivals.poisson(8, 60, seed=5)
    lengths = rng.integers(20, 200, len(times))
    engine = server.of_widths((1, 4, 16), (0.002, 0.003, 0.009), batch=12)
    found = serve(times, [[parallel(1, float(one))] for one in lengths], engine, kinds=np.arange(len(times)))
    exact = _naive(times, lengths, engine.step, 12)
    assert found.latency.mean() == pytest.approx(exact.mean(), rel=0.03)
    assert np.quantile(found.latency, 0.95) == pytest.approx(np.quantile(exact, 0.95), rel=0.03)


def test_best_of_16_for_a_tenth_of_the_traffic_more_than_doubles_the_bill():
    times = arrivals.poisson(40, 60, seed=7)
    engine = server.of_roofline(LINE, usd_hour=2.0)
    kinds = (np.random.default_rng(7).random(len(times)) < 0.1).astype(int)
    fanouts = [[parallel(1, 300, 200)], [parallel(16, 300, 200)]]
    plain, mixed = serve(times, fanouts, engine, 2), serve(times, fanouts, engine, 2, kinds)
    assert mixed.share.sum() > plain.share.sum()
    assert mixed.tokens.sum() / plain.tokens.sum() == pytest.approx(2.5, rel=0.1)
    assert mixed.quantile(0.99) > plain.quantile(0.99)
    assert mixed.bill(0) + mixed.bill(1) == pytest.approx(mixed.usd)
    assert plain.joules() == pytest.approx(plain.paid * 700 * 0.7 * 1.2)


def test_a_fleet_grows_with_its_load_and_shrinks_after_it():
    step = server.Server(lambda batch, context: 0.02, batch=8, usd_hour=1.0)
    rate = lambda times: np.where((times > 300) & (times < 900), 8.0, 1.0)  # noqa: E731
    times = arrivals.varying(rate, 8.0, 2400, seed=9)
    scaling = fleet.Scaling(target=6, least=1, most=20, every=10, startup=30)
    grown = serve(times, [[parallel(1, 100)]], step, 1, scaling=scaling)
    fixed, small = serve(times, [[parallel(1, 100)]], step, 6), serve(times, [[parallel(1, 100)]], step, 1)
    sizes = [number for _, number in grown.replicas]
    assert max(sizes) >= 3
    assert sizes[-1] <= 2
    assert grown.usd < fixed.usd
    assert grown.quantile(0.95) < small.quantile(0.95)
    assert grown.decoded == pytest.approx(100 * len(times))
    assert all(number <= 20 for number in sizes)


def test_nothing_to_serve_or_to_serve_with_is_an_error():
    with pytest.raises(InputError, match="needs queries and replicas"):
        serve([], [[parallel(1, 1)]])
    with pytest.raises(InputError, match="does not fit"):
        server.of_roofline(Roofline(CHIPS["H100"], KNOWN["llama-3-70b"]))
