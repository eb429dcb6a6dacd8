"""The circuit breaker, by a clock of the test's own."""

import pytest

from ponder.models.breaker import Breaker


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_it_opens_after_failures_in_a_row_and_one_trial_closes_it(clock):
    breaker = Breaker(threshold=3, pause=2.0, clock=clock)
    for outcome in (breaker.failure, breaker.failure, breaker.success, breaker.failure, breaker.failure):
        outcome()
        assert breaker.allows()
    breaker.failure()
    assert (breaker.state, breaker.allows(), breaker.until) == ("open", False, 2.0)
    clock.now = 2.0
    assert (breaker.state, breaker.allows()) == ("half-open", True)
    breaker.begin()
    assert not breaker.allows()  # one trial at a time
    breaker.success()
    assert (breaker.state, breaker.allows()) == ("closed", True)


def test_each_failed_trial_doubles_the_pause_up_to_the_longest(clock):
    breaker = Breaker(threshold=1, pause=1.0, longest=5.0, clock=clock)
    pauses = []
    for _ in range(5):
        breaker.begin()
        breaker.failure()
        pauses.append(breaker.until - clock.now)
        clock.now = breaker.until
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_an_abandoned_trial_lets_another_try_and_a_rest_is_no_failure(clock):
    breaker = Breaker(threshold=1, pause=1.0, clock=clock)
    breaker.failure()
    clock.now = 1.0
    breaker.begin()
    breaker.abandoned()
    assert breaker.allows()
    breaker.success()
    breaker.rest(7.0)
    assert (breaker.state, breaker.allows()) == ("open", False)
    clock.now = 8.0
    assert breaker.state == "closed"
