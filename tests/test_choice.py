"""Option letters in the spellings that models use."""

import asyncio
from dataclasses import replace
from time import perf_counter

import pytest

from ponder.tasks.free import problem
from ponder.types import Sample
from ponder.verifiers.choice import choice, option


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b", None),
        ("B) Rome", "B"),
        ("**C.** because it is so", "C"),
        ("The answer is B.", "B"),
        ("The answer is (b).", "B"),
        ("**Answer:** D", "D"),
        ("Answer: J) none of them", "J"),
        ("answer: option B, since A is 3", "B"),
        (r"So \boxed{C}", "C"),
        (r"So \boxed{\text{(C)}}", "C"),
        ("(A) is wrong, so it must be (B)", "B"),
        ("First option A looked right, but I choose option D now", "D"),
        ("It rains.\n\nE\n", "E"),
        ("A good question. It costs 5.", None),
        ("I think that I'm right", None),
        ("K", None),
        ("", None),
    ],
)
def test_option(text: str, letter: str | None) -> None:
    assert option(text) == letter


def test_the_reference_is_read_by_the_same_rule() -> None:
    asked = replace(problem("Which?\n(A) Paris\n(B) Rome"), reference="(B)")
    scores = asyncio.run(choice(asked, [Sample("The answer is B"), Sample("The answer is A"), Sample("Rome")]))
    assert [score.value for score in scores] == [1.0, 0.0, 0.0]


def test_a_reference_that_is_no_option_is_reported() -> None:
    (score,) = asyncio.run(choice(replace(problem("Which?"), reference="Rome"), [Sample("B")]))
    assert score.value is None
    assert "'Rome'" in (score.error or "")


@pytest.mark.parametrize("text", ["\n" * 10**6, "(" * 10**6, "text " * 10**5, "option " * 10**5, "\ud800(B)", "\0" * 10**6])
def test_hostile_text_takes_bounded_time(text: str) -> None:
    start = perf_counter()
    option(text)
    assert perf_counter() - start < 20.0
