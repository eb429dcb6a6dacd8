"""How long to wait before asking again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.models.retry import Retry, passes, retry_after

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("Fri, 02 Jan 2026 03:04:15 -0000", 10.0),
        *[(senseless, None) for senseless in (None, "", "soon", "-3", "nan")],
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2000), st.none() | st.floats(0, 100))
def test_full_jitter_stays_between_what_is_asked_and_the_cap(attempt: int, after: float | None) -> None:
    asked = after or 0.0
    assert asked <= Retry(base=0.5, cap=3.0).wait(attempt, after) <= asked + min(3.0, 0.5 * 2 ** min(attempt, 9))


def test_jitter_is_full_its_mean_is_half_the_window() -> None:
    waits = [Retry(base=1.0).wait(2, None) for _ in range(4000)]
    assert sum(waits) / len(waits) == pytest.approx(2.0, abs=0.12)  # the standard error is .018


def test_only_passing_statuses_are_asked_again() -> None:
    assert {code for code in range(200, 600) if passes(code)} == {408, 409, 429, *range(500, 600)}
