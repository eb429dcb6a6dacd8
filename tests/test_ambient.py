"""A value is ambient inside its `with`, whatever ends that, and what was there before is there again."""

from contextlib import suppress
from contextvars import ContextVar

from ponder.ambient import Ambient

NAME: ContextVar[str] = ContextVar("name", default="nobody")


def test_a_value_is_ambient_inside_and_the_one_before_it_after():
    with Ambient(NAME, "outer") as outer:
        with suppress(KeyError), Ambient(NAME, "inner"):
            assert NAME.get() == "inner"
            raise KeyError
        assert NAME.get() == outer == "outer"
    assert NAME.get() == "nobody"
