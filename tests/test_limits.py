"""What a key may use, read as people write it, and told to clients as OpenAI tells it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.errors import InputError
from ponder.serve.limits import EVER, Limit, Standing, headers, parse, span


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$5/day", (Limit("usd", 5, 86400),)),
        ("60/m", (Limit("requests", 60, 60),)),
        ("100k tokens/m", (Limit("tokens", 100_000, 60),)),
        ("$20", (Limit("usd", 20, EVER),)),
        (
            "$0.5/h, 1.5M tokens/day,10 requests/second",
            (Limit("usd", 0.5, 3600), Limit("tokens", 1.5e6, 86400), Limit("requests", 10, 1)),
        ),
    ],
)
def test_limits_are_read_as_people_write_them(text, expected):
    assert parse(text) == expected
    assert parse(",".join(str(limit).replace(",", "") for limit in expected)) == expected


@pytest.mark.parametrize("text", ["", "lots", "5 apples/day", "5/fortnight", "$5 tokens/day", "0/m", "-3/m", "$/day", "5//m"])
def test_a_limit_that_means_nothing_is_an_error_that_names_it(text):
    with pytest.raises(InputError, match="limit"):
        parse(text)


@given(st.sampled_from((1, 60, 3600, 86400)), st.floats(0, 4e9))
def test_the_reset_is_where_the_next_period_begins(seconds, now):
    limit = Limit("requests", 1, seconds)
    left = limit.reset(now)
    assert 0 < left <= seconds
    assert limit.window(now + left + 1e-6) == limit.window(now) + 1
    assert limit.window(now + 0.999 * left) == limit.window(now)


def test_clients_are_told_of_the_limit_with_the_smallest_part_left():
    minute, day, forever = Limit("tokens", 1000, 60), Limit("tokens", 10_000, 86400), Limit("usd", 2, EVER)
    told = headers([Standing(minute, 100), Standing(day, 9_900), Standing(forever, 3)], now=86400 * 100 + 3601.5)
    assert told == {
        "x-ratelimit-limit-tokens": "10000",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "22h59m59s",
        "x-ratelimit-limit-usd": "2",
        "x-ratelimit-remaining-usd": "0",
    }


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1s"), (59.5, "1m0s"), (60, "1m0s"), (3600, "1h0m0s"), (86399, "23h59m59s")])
def test_a_time_is_written_as_openai_writes_it(seconds, text):
    assert span(seconds) == text
