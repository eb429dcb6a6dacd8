"""Speed: the knee and the predictions against the roofline, and a measurement whose clock is the test's own."""

import asyncio
import selectors
import types

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.errors import InputError, ModelError
from ponder.models import gate
from ponder.models.simulated import Simulated
from ponder.policy.latency import Profile, machine, measure, recall
from ponder.types import Abilities

WIDTHS = (1, 2, 4, 8, 16, 32, 64)


def roofline(reads, computes, widths=WIDTHS, concurrency=64):
    """A step of B streams takes max(B * computes, reads) seconds: memory-bound up to B* = reads / computes."""
    return Profile("m", "here", "", concurrency, widths, tuple(1 / max(width * computes, reads) for width in widths))


@pytest.mark.parametrize(("ridge", "knee"), [(1, 1), (2, 2), (8, 8), (64, 64), (1000, 64), (12, 16)])
def test_the_knee_is_where_computing_takes_over(ridge, knee):
    """Total rate B / max(B c, r): doubles up to B* = r / c and stays; the first measured width at or above B*."""
    assert roofline(0.01, 0.01 / ridge).knee == knee


def test_latency_is_flat_in_width_while_memory_bound_and_then_grows_in_proportion():
    """t = n max(B c, r): flat up to B* = 16, twice as long at 2 B*."""
    profile = roofline(0.016, 0.001)
    times = [profile.seconds(100, width) for width in (1, 2, 3, 5, 8, 11, 16)]
    assert times == pytest.approx([1.6] * 7)
    assert [profile.seconds(100, width) for width in (32, 64, 128)] == pytest.approx([3.2, 6.4, 12.8])
    assert profile.seconds(50, 16) == pytest.approx(0.8)


def test_one_noisy_width_is_no_knee():
    """After 2 the rate pauses, after 8 it does not grow any more."""
    assert Profile("m", "here", "", 16, (1, 2, 4, 8, 16), (10.0, 10.0, 5.2, 5.0, 2.6)).knee == 8


def test_a_width_that_is_no_doubling_counts_by_its_doublings():
    """4 to 5 is log2(5/4) = .32 doublings: growth of 5 % there is 1.05^(1/.32) = 16 % a doubling."""
    assert Profile("m", "here", "", 5, (1, 4, 5), (10.0, 10.0, 8.4)).knee == 5


def test_draws_come_in_waves():
    """n draws at width w: floor(n / w) whole waves and one of the rest; sequential is width 1, all side by side one wave."""
    profile = roofline(0.004, 0.001, concurrency=8)
    assert profile.waves(6, 100, 1) == pytest.approx(6 * 0.4)
    assert profile.waves(4, 100) == pytest.approx(0.4)
    assert profile.waves(20, 100) == pytest.approx(0.8 + 0.8 + 0.4)
    assert profile.waves(20, 100, 4) == pytest.approx(5 * 0.4)


@given(
    reads=st.floats(0.001, 0.1),
    ridge=st.floats(0.5, 100),
    seconds=st.floats(0.001, 100),
    tokens=st.integers(1, 300),
    width=st.integers(1, 64),
)
def test_what_a_time_buys_is_the_inverse_of_what_draws_take(reads, ridge, seconds, tokens, width):
    profile = roofline(reads, reads / ridge)
    count = profile.draws(seconds, tokens, width)
    assert count == 0 or profile.waves(count, tokens, width) <= seconds * (1 + 1e-9)
    assert profile.waves(count + 1, tokens, width) > seconds * (1 - 1e-9)


def test_seconds_and_tokens_choose_differently():
    """At 10 ms a step and B* = 64, 1 s buys 64 draws of 100 tokens side by side, but 5 s only 5 one after another."""
    profile = roofline(0.01, 0.01 / 64)
    assert (profile.draws(1.0, 100), profile.draws(5.0, 100, width=1)) == (64, 5)
    assert profile.draws(0.9, 100) == 0


@pytest.mark.parametrize(
    ("widths", "rates"), [((), ()), ((2, 4), (1.0, 1.0)), ((1, 1), (1.0, 1.0)), ((1, 2), (1.0,)), ((1,), (0.0,))]
)
def test_a_profile_that_means_nothing_is_an_error(widths, rates):
    with pytest.raises(InputError, match="widths that grow from 1"):
        Profile("m", "here", "", 8, widths, rates)


def test_a_profile_goes_through_json():
    profile = roofline(0.01, 0.001)
    assert msgspec.json.decode(msgspec.json.encode(profile), type=Profile) == profile


class Virtual(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next thing to do, so that a test of time takes none."""

    def __init__(self):
        self.now = 0.0
        super().__init__(Jumping(self))

    def time(self):
        return self.now


class Jumping(selectors.DefaultSelector):
    def __init__(self, loop):
        super().__init__()
        self.loop = loop

    def select(self, timeout=None):
        self.loop.now += timeout or 0.0
        return super().select(0)


class Roofline(Simulated):
    """A step of all streams that run takes `latency` while they are no more than `ridge`, then in proportion."""

    ridge, streams = 4, 0

    async def stream(self, request):
        object.__setattr__(self, "streams", self.streams + 1)
        try:
            async for chunk in super().stream(request):
                await asyncio.sleep(self.latency * (max(self.streams, self.ridge) / self.ridge - 1))
                yield chunk
        finally:
            object.__setattr__(self, "streams", self.streams - 1)


def run(main, monkeypatch):
    loop = Virtual()
    monkeypatch.setattr(gate, "time", types.SimpleNamespace(monotonic=loop.time))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PONDER_CACHE_DIR", str(tmp_path))


def one_by_one(**settings):
    return Roofline(abilities=Abilities(seed=True), latency=0.01, steps=1, words=40, spread=0, longer=1, **settings)


def test_a_measurement_finds_the_roofline(cache, monkeypatch):
    """1 / latency a stream up to the ridge of 4, half of that at 8: the knee is 4. No width exceeds the concurrency."""
    profile = run(measure(one_by_one(concurrency=8), widths=(1, 2, 4, 8, 16)), monkeypatch)
    assert profile.widths == (1, 2, 4, 8)
    assert profile.rates == pytest.approx((100, 100, 100, 50), rel=0.05)
    assert profile.knee == 4
    assert (profile.model, profile.machine, profile.concurrency) == ("simulated", machine(), 8)


def test_it_is_measured_once(cache, monkeypatch):
    model = one_by_one(concurrency=2)
    assert recall(model) is None
    first = run(measure(model), monkeypatch)
    calls = model.tally.calls
    assert calls == 1 + 1 + 2
    assert run(measure(model), monkeypatch) == first == recall(model)
    assert model.tally.calls == calls
    run(measure(model, refresh=True), monkeypatch)
    assert model.tally.calls == 2 * calls
    assert recall(one_by_one(seed=1)) is None


def test_a_model_that_fails_is_not_measured(cache):
    model = Simulated(faults={"refuse": 1.0})
    with pytest.raises(ModelError, match="at 1 draws at once"):
        asyncio.run(measure(model))
    assert recall(model) is None
