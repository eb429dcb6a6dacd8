"""Puzzle answers are read and checked exactly, whatever a model writes."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.tasks.countdown import countdown_4, problem
from ponder.tasks.expression import LONGEST, canonical, extract, from_steps, grade, parse, value

PUZZLE = problem(countdown_4, (3, 7, 8, 8), 24)
STEPS = "8-7=1 left 3 8 1\n8*3=24 left 1 24\n24*1=24"

trees = st.recursive(
    st.integers(0, 30).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "text",
    [
        STEPS,
        "Let me see.\n" + STEPS,
        "8-7=1 3 8\n8*3=24 1\n24*1=24",
        "10 - 4 = 6 (left: 5 6 6)\nAnswer: (8 - 7) * 8 * 3 = 24",
        "(8-7)*8*3",
        "3*8*(8-7) = 24",
        "The answer is **(8 − 7) × 8 × 3 = 24**.",
        "8*3/(8-7) = 25",
    ],
)
def test_a_right_answer_scores_1_in_every_wording(text: str) -> None:
    assert grade(PUZZLE, text).value == 1.0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("8-7=2 left 3 8 2\n8*3=24 left 2 24\n24*2=48", "a wrong step"),
        ("8-7=1 left 3 8 1\n8*3=24", "a number left over"),
        ("8-7=1 left 3 8 1\n8*8=64 left 3 1\n3*1=3", "a number not at hand"),
        ("7/0=7 left 3 8 8", "division by zero in a step"),
        ("8-7=1 3 8 or so\n8*3=24 1\n24*1=24", "words behind a result"),
        ("8*3 = 24", "too few numbers"),
        ("(8-7)*8*3*1", "a number of its own"),
        ("8/(3-3)", "division by zero"),
        ("Answer: None", "no answer"),
        ("", "nothing"),
        ("9**9**9**9", "a power"),
        ("4 (6 - 3)", "an implicit product"),
        ("٣*٨*(٨-٧)", "digits of another script"),
        ("(" * 5000 + "1" + ")" * 5000, "nesting"),
        ("9" * 100_000 + "*1", "a number of many digits"),
        ("-" * 150 + "1", "signs without end"),
        ("3*8*(8-7)\n" * 100_000 + "x", "a megabyte"),
    ],
)
def test_any_other_answer_scores_0(text: str, why: str) -> None:
    assert grade(PUZZLE, text).value == 0.0, why


def test_steps_build_the_whole_expression() -> None:
    assert extract(PUZZLE, STEPS) == "8*3*(8-7)"
    assert from_steps((3, 7, 8, 8), STEPS.splitlines()) == "((8*3)*(8-7))"


@pytest.mark.parametrize("text", ["Answer: Not possible to obtain 24.", "24", "Answer: None", ""])
def test_a_bare_number_or_words_are_no_expression_and_do_not_vote(text: str) -> None:
    assert extract(PUZZLE, text) is None


def test_fractions_on_the_way_are_exact() -> None:
    puzzle = problem(countdown_4, (3, 3, 8, 8), 24)
    assert grade(puzzle, "8/(3-8/3) = 24").value == 1.0
    assert grade(puzzle, "8/3=8/3 left 3 8 8/3\n3-8/3=1/3 left 8 1/3\n8/(1/3)=24").value == 1.0
    assert value(parse("8/(3-8/3)")) == Fraction(24)


def test_only_a_commuted_expression_is_the_same() -> None:
    assert canonical("3*(8-7)*8") == canonical("8 * ((8 - 7) * 3)")
    assert canonical("8-7") != canonical("7-8")
    assert canonical("(1+2)+3") != canonical("1+(2+3)")
    assert canonical(" no idea ") == "no idea"


@given(trees)
def test_the_canonical_form_keeps_value_and_numbers_and_is_its_own(text: str) -> None:
    form = canonical(text)
    assert value(parse(form)) == value(parse(text))
    assert sorted(form.replace("-", "+").replace("*", "+").replace("(", "").replace(")", "").split("+")) == sorted(
        text.replace("-", "+").replace("*", "+").replace("(", "").replace(")", "").split("+")
    )
    assert canonical(form) == form


@given(st.text(alphabet="0123456789+-*/() =.\nleft", max_size=LONGEST))
def test_any_text_gives_a_score(text: str) -> None:
    assert grade(PUZZLE, text).value in (0.0, 1.0)
