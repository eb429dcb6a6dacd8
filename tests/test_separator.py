"""What ends a step: how a user writes it, and where it cuts a text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.errors import InputError
from ponder.separator import read, split

SENTENCE = re.compile(r"(?<=[.!?])\s+")


@pytest.mark.parametrize(
    ("text", "step"),
    [("64", 64), (r"\n\n", "\n\n"), (" ; ", " ; "), ("/", "/"), (r"/[.!?]\s/", re.compile(r"[.!?]\s")), (r"a\\n", r"a\n")],
)
def test_a_separator_is_read_as_people_write_it(text, step):
    assert read(text) == step


@pytest.mark.parametrize("text", ["", "0", "/[/"])
def test_what_ends_no_step_is_an_error_that_names_it(text):
    with pytest.raises(InputError, match=f"the separator .?{re.escape(text)}"):
        read(text)


@pytest.mark.parametrize(
    ("text", "step", "steps"),
    [
        ("a\nb\nc", "\n", ["a\n", "b\n", "c"]),
        ("a\n\n\nb\n", "\n", ["a\n", "\n\nb\n"]),
        ("One. Two!  Three", SENTENCE, ["One. ", "Two!  ", "Three"]),
        ("Step 1 x Step 2 y", re.compile(r"(?=Step \d)"), ["Step 1 x ", "Step 2 y"]),
        ("a\nb", 16, ["a\nb"]),
        (" \n ", "\n", []),
    ],
)
def test_a_blank_step_is_part_of_the_next(text, step, steps):
    assert split(text, step) == steps


@given(st.text("ab. \n", max_size=30), st.sampled_from(["\n", ". ", SENTENCE, 3]))
def test_the_steps_are_the_text_but_for_white_space_at_its_end(text, step):
    steps = split(text, step)
    assert text.startswith("".join(steps))
    assert text.rstrip() == "".join(steps).rstrip()
